"""Names of folders and what they say: splits, labels, masks, or a data set not understood.

A clip of a test split must never be learnt from. So what looks like a split but is not understood
as one is an error, never a label.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from flawcast.generators.clips.entries import UNLABELLED, ClipEntry

TRAIN, VALIDATION, TEST = "train", "val", "test"
SPLITS = {"train": TRAIN, "training": TRAIN, "test": TEST, "testing": TEST, "val": VALIDATION}
SPLITS |= {"valid": VALIDATION, "validation": VALIDATION, "validating": VALIDATION}
LEARNT_AFTER = (TEST, VALIDATION)  # splits that training must not see
CONTENTS = "set|sets|videos?|clips?|frames?|images?|imgs?|data|recordings?"
_SPLIT = re.compile(rf"({'|'.join(SPLITS)})([ _.-]?({CONTENTS}))*")
_NEUTRAL = re.compile(rf"({CONTENTS}|jpegimages|rawframes|rgb)([ _.-]?({CONTENTS}))*")
_MASKS = re.compile(
    r"(.+[ _.-])?(masks?|gt|ground[ _.-]?truths?|annotations?|segmentations?|seg)"
    r"|segmentation[ _.-]?(class|object)(raw|aug)?|masks?[ _.-].+"
)
_LIKE_TEST = re.compile(
    r"(tests?|testing|val|valid|validation|evals?|evaluation|held[ _-]?out|hold[ _-]?out|unseen)"
    r"([\W_\d].*)?"
)
_TEST_WORDS = "tests?|testing|val|valid|validation|evals?|evaluation"
_AFTER_PREFIX = re.compile(rf".*[\W_\d]({_TEST_WORDS}|dev)([\W_\d].*)?|dev|dev[\W_\d].*")
_LIKE_TRAIN = re.compile(r"(.*[\W_\d])?(train|training)([\W_\d].*)?")
_ABOUT_TEST = re.compile(rf"(.*[\W_])?({_TEST_WORDS}|splits?)([\W_].*)?")
_BEGINNING = re.compile(rf"({'|'.join(SPLITS)})(?=[\W_\d])")
_LIST = re.compile(
    r"(.*[\W_])?(tests?|testing|val|valid|validation|evals?|evaluation)"
    r"([\W_]?(list|split|files|set))?|(.*[\W_])?(splits?|partitions?)"
)
_SPLIT_COLUMNS = {"split", "subset", "partition", "set"}
OWN_TABLE = "labels.csv"
HEADER_BYTES, LIST_BYTES = 4096, 2**20
LISTS = {".txt", ".lst", ".csv", ".json"}
RAW_MASKS = {".npy", ".mat"}


def split_named(name: str) -> str:
    """The split that a folder's name says; empty if it says none.

    Example:
        >>> split_named("Training"), split_named("testing_videos"), split_named("tested")
        ('train', 'test', '')
    """
    found = _SPLIT.fullmatch(name.lower())
    return SPLITS[found[1]] if found else ""


def is_mask_folder(name: str) -> bool:
    """Whether a folder's name says that it holds masks.

    Example:
        >>> is_mask_folder("Test002_gt"), is_mask_folder("Masks"), is_mask_folder("gtx")
        (True, True, False)
    """
    return bool(_MASKS.fullmatch(name.lower()))


def are_split(names: Iterable[str]) -> bool:
    """Whether folders say splits; a clip that is a folder counts as one.

    Example:
        >>> are_split(["train/a.mp4", "Test/b.mp4"]), are_split(["train/a.mp4", "plane/b.mp4"])
        (True, False)
    """
    return any(_split_of(name)[1] in LEARNT_AFTER for name in names)


def are_named_as_split(names: Iterable[str]) -> bool:
    """Whether the own name of every clip begins with a split's, as `test_01.mp4`.

    Example:
        >>> are_named_as_split(["test_01.mp4", "train_01.mp4"]), are_named_as_split(["test_01.mp4"])
        (True, False)
    """
    found = {split_of_file(name) for name in names}
    return "" not in found and TRAIN in found and len(found) > 1


def said_by_folders(name: str, divided: bool) -> tuple[str, str]:
    """Label and split of a clip according to the folders that contain it.

    The outermost folder that says a split counts, and the first one below it that says more than
    "videos" or "frames" is the label.

    Example:
        >>> said_by_folders("bottle/test/crack/a.mp4", True), said_by_folders("train/a.mp4", False)
        (('crack', 'test'), ('train', ''))
    """
    folders = name.split("/")
    position, split = _split_of(name) if divided else (-1, "")
    labels = folders[position + 1 : -1]
    labels = [label for label in labels if not (split and _NEUTRAL.fullmatch(label.lower()))]
    return labels[0] if labels else UNLABELLED, split


def split_of_file(name: str) -> str:
    """The split that the beginning of a clip's own name says; empty if it says none.

    Example:
        >>> split_of_file("test_01.mp4"), split_of_file("a/Train001"), split_of_file("trainer.mp4")
        ('test', 'train', '')
    """
    found = _BEGINNING.match(name.split("/")[-1].lower())
    return SPLITS[found[1]] if found else ""


def doubt_of_split(folder: Path, entries: Iterable[ClipEntry]) -> str:
    """Say why a folder seems to keep test clips apart in a way that is not understood.

    Args:
        folder: The folder.
        entries: Its clips, of which none has a split.

    Returns:
        The reason and what to do; empty if nothing seems so.
    """
    names = [entry.name for entry in entries]
    reason = ""
    tables = sorted(folder.glob("*")) + sorted(folder.glob("*/*")) if names else []
    for path in tables:
        if path.name == OWN_TABLE:  # read already: it may name no split
            continue
        if path.suffix.lower() in LISTS and _LIST.fullmatch(path.stem.lower()):
            reason = f"{path.relative_to(folder)} looks like a list of a split's clips"
        elif _names_splits(path):  # as VisA's split_csv/1cls.csv
            reason = f"{path.relative_to(folder)} has a column of splits"
        elif _ABOUT_TEST.fullmatch(path.stem.lower()) and _lists_some(path, names):
            reason = f"{path.relative_to(folder)} looks like a list of a split's clips"
    folders = dict.fromkeys(part for name in names for part in name.split("/")[:-1])
    # Behind a prefix, as in `02_test`, a word counts only beside one for training.
    with_train = any(_LIKE_TRAIN.fullmatch(part.lower()) for part in folders)
    for part in folders:
        if _LIKE_TEST.fullmatch(part.lower()) or (
            with_train and _AFTER_PREFIX.fullmatch(part.lower())
        ):
            reason = f"the folder {part!r} looks like a split"
    if {TRAIN, TEST} <= set(map(split_of_file, names)):
        reason = "names of some clips begin with train and test"
    return reason and (
        f"clips: {reason}, but {folder} has no folders named train and test and no splits in "
        "labels.csv, so its clips would be learnt from; name the splits in one of these ways"
    )


def _lists_some(path: Path, names: Iterable[str]) -> bool:
    """Whether a file is a list that names some of the clips, with or without their suffixes."""
    if path.suffix.lower() not in LISTS or not path.is_file():
        return False
    with path.open("rb") as stream:
        text = stream.read(LIST_BYTES).decode("utf-8", "replace")
    words = {Path(word).name for word in re.split(r"[\s,;\"'\[\]]+", text)}
    own = {Path(name).name for name in names}
    return bool(words & (own | {Path(name).stem for name in own}) - {""})


def _names_splits(path: Path) -> bool:
    """Whether a file is a table with a column of splits."""
    if path.suffix.lower() not in {".csv", ".tsv"} or not path.is_file():
        return False
    with path.open("rb") as stream:
        header = stream.read(HEADER_BYTES).decode("utf-8-sig", "replace").splitlines()[:1]
    names = {name.strip(" \"'").lower() for line in header for name in re.split(r"[,;\t|]", line)}
    return bool(names & _SPLIT_COLUMNS)


def _split_of(name: str) -> tuple[int, str]:
    """Position of the outermost folder that says a split, and the split; -1 and empty if none."""
    for position, part in enumerate(name.split("/")):
        split = split_named(part)
        if split:
            return position, split
    return -1, ""
