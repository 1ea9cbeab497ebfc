"""MVTec AD: train/good, test/DEFECT and ground_truth/DEFECT, for one category or several.

Reference:
    https://www.mvtec.com/company/research/datasets/mvtec-ad
"""

from collections.abc import Iterator
from pathlib import Path

from flawcast.configs.errors import AnnotationError
from flawcast.configs.labels import is_good
from flawcast.generators.clips.annotations.base import READERS, Annotations, Picture, Shape
from flawcast.generators.clips.annotations.mask_files import drawn_in
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.layouts import split_named

MASKS = "ground_truth"


@READERS.register("mvtec")
def mvtec(path: Path) -> Annotations:
    """Read a category's folder, or a folder of such."""
    roots = [path] if (path / MASKS).is_dir() else sorted(
        place.parent for place in path.glob(f"*/{MASKS}")
    )  # fmt: skip
    if not roots:
        raise AnnotationError(f"{path.name}: expected a folder {MASKS} as in MVTec AD, found none")
    return Annotations(path.name, tuple(one for root in roots for one in _category(root, path)))


def _category(root: Path, above: Path) -> Iterator[Picture]:
    """The pictures of a category."""
    for place in sorted(root.iterdir()):
        split = split_named(place.name)
        for picture in sorted(place.glob("*/*")) if split else ():
            if picture.suffix.lower() not in STILL:
                continue
            label = picture.parent.name
            shapes: tuple[Shape, ...] = ()
            if not is_good(label):
                shapes = (Shape(label, drawn_in(_masks(root / MASKS / label, picture.stem))),)
            yield Picture(picture.relative_to(above).as_posix(), shapes, split=split)


def _masks(folder: Path, stem: str) -> list[Path]:
    """The masks of a picture: one, or (as in MVTec LOCO) a folder of them."""
    one = [folder / f"{stem}_mask.png", folder / f"{stem}.png"]
    return [path for path in one if path.is_file()][:1] or sorted((folder / stem).glob("*.png"))
