"""A source's appearance as plain arrays and back, so that a store can draw what it keeps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT
from flawcast.configs.renderers import RENDERERS, Arrays, Box, Spot
from flawcast.generators.backbones.layers.belt import Belt
from flawcast.generators.backbones.layers.carried import Carrier, carry_levels, motion_difference
from flawcast.generators.backbones.layers.composite import CutOut
from flawcast.generators.backbones.layers.defective import DefectiveParts
from flawcast.generators.backbones.layers.defective import from_arrays as defect_from_arrays
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import LayerAppearance, drawn
from flawcast.generators.backbones.layers.noise import Noise
from flawcast.generators.backbones.layers.patches import Patches

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEVELS, USUAL = "levels", "usual"  # what masks are made of; a source has one of them or none


def to_arrays(
    appearance: LayerAppearance, levels: Image | None = None, usual: Keypoints | None = None
) -> dict[str, NDArray[Any]]:
    """Everything that drawing needs, exactly.

    Args:
        appearance: What a source looks like.
        levels: Mask of the main source frame, (H, W), which drawn masks are carried from.
        usual: Keypoints of the usual video, (F, D), which motion masks are compared with.
    """
    cuts = [(layer, one) for layer, cuts in enumerate(appearance.layers) for one in cuts]
    arrays: dict[str, NDArray[Any]] = {
        "plate": appearance.plate,
        "cut_pixels": _joined([one.pixels.reshape(-1, 4) for _, one in cuts], (0, 4), np.uint8),
        "cut_boxes": np.array([one.box for _, one in cuts], np.int64).reshape(-1, 4),
        "cut_layers": np.array([layer for layer, _ in cuts], np.int64),
        "cut_visible": np.array([one.visible for _, one in cuts], np.float64),
        "cut_keypoints": _joined([one.keypoints for _, one in cuts], (0,), np.float32),
        "groups": appearance.groups,
        "keypoints": appearance.keypoints,
        "belt_start": appearance.belt_start,
        "noise": appearance.noise.sigma,
    }
    if appearance.belt is not None:
        belt = appearance.belt
        arrays |= {
            "belt_texture": belt.texture,
            "belt_origin": belt.origin,
            "belt_region": belt.region,
            "belt_positions": belt.positions,
            "belt_rate": np.array([] if belt.rate is None else [belt.rate], np.float64),
        }
    if levels is not None:
        arrays[LEVELS] = levels
    if usual is not None:
        arrays[USUAL] = usual
    return arrays


def from_arrays(arrays: Arrays) -> LayerAppearance:
    """The appearance that `to_arrays` took apart.

    Raises:
        KeyError: If an array is missing.
    """
    groups, layers = arrays["groups"], arrays["cut_layers"]
    cuts: list[list[CutOut]] = [[] for _ in range(int(groups.max()) + 1)]
    pixel = value = 0
    for index, layer in enumerate(layers.tolist()):
        left, top, right, bottom = arrays["cut_boxes"][index].tolist()
        height, width = bottom - top, right - left
        pixels = arrays["cut_pixels"][pixel : pixel + height * width].reshape(height, width, 4)
        count = 6 * int((groups == layer).sum())
        own = arrays["cut_keypoints"][value : value + count]
        box = (left, top, right, bottom)
        cuts[layer].append(CutOut(pixels, box, own, float(arrays["cut_visible"][index])))
        pixel, value = pixel + height * width, value + count
    return LayerAppearance(
        arrays["plate"],
        _belt(arrays) if "belt_texture" in arrays else None,
        tuple(tuple(one) for one in cuts),
        groups,
        arrays["keypoints"],
        arrays["belt_start"],
        Noise(arrays["noise"]),
    )


@RENDERERS.register("layers")
class LayerDrawing:
    """A source that is drawn from its arrays.

    Args:
        arrays: As `to_arrays` makes them.

    Raises:
        KeyError: If an array is missing.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.appearance = from_arrays(arrays)
        self._carrier, self._patches = Carrier(self.appearance), Patches(self.appearance)
        self._levels, self._usual = arrays.get(LEVELS), arrays.get(USUAL)
        defect = defect_from_arrays(arrays)
        self._parts = None if defect is None else DefectiveParts(self.appearance, defect)

    @property
    def always_valid(self) -> bool:
        """Whether all pixels of its maps are reliable: those of a defect alone are exact."""
        return self._parts is not None and self._levels is None and self._usual is None

    def frames(self, keypoints: Keypoints, seed: int | None, wanted: Sequence[int]) -> Image:
        """Draw frames of a video with keypoints (F, D): RGB, (n, H, W, 3)."""
        frames = np.empty((len(wanted), *self.appearance.size, 3), np.uint8)
        generator = None if seed is None else np.random.default_rng(seed)
        cuts_at = None if self._parts is None else self._parts.cuts_at
        pictures = drawn(self.appearance, keypoints, wanted, None, generator, cuts_at)
        for place, (frame, _) in enumerate(pictures):
            frames[place] = frame
        return frames

    def spots(self, keypoints: Keypoints) -> Sequence[Spot]:
        """Where the parts of a video with keypoints (F, D) are, if they have no defect."""
        return self._patches.spots(keypoints)

    def backdrop(self, spot: Spot, box: Box | None = None) -> Image:
        """A frame's backdrop, or a box of it, (h, w, 3)."""
        return self._patches.backdrop(spot, box)

    def patch(self, spot: Spot) -> Image:
        """The box of a frame without noise and defect, (h, w, 3)."""
        return self._patches.patch(spot)

    def maps(self, keypoints: Keypoints, wanted: Sequence[int]) -> tuple[Image, Mask]:
        """Masks of frames of a video and where they are reliable, each (n, H, W)."""
        maps = np.empty((len(wanted), *self.appearance.size), np.uint8)
        valid = np.empty(maps.shape, bool)
        for place, index in enumerate(wanted):
            if self._parts is not None and self.always_valid:
                maps[place], valid[place] = self._parts.levels_at(index, keypoints[index]), True
                continue
            origins = self._carrier.origins(keypoints[index])
            if self._levels is not None:
                maps[place], valid[place] = carry_levels(self._levels, origins), origins.valid
            elif self._usual is not None:
                usual = self._carrier.origins(self._usual[index])
                maps[place], valid[place] = motion_difference(origins, usual)
            else:
                raise KeyError(LEVELS)
            if self._parts is not None and self._levels is not None:
                own = self._parts.levels_at(index, keypoints[index])
                maps[place] = np.maximum(maps[place], own)
                valid[place] |= own == DEFECT
        return maps, valid


def _belt(arrays: Arrays) -> Belt:
    """The moving texture."""
    rate = arrays["belt_rate"]
    return Belt(
        arrays["belt_texture"],
        arrays["belt_origin"],
        arrays["belt_region"],
        arrays["belt_positions"],
        float(rate[0]) if len(rate) else None,
    )


def _joined(pieces: list[NDArray[Any]], empty: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """Pieces one after the other; an empty array of a shape where there are none."""
    return np.concatenate(pieces) if pieces else np.zeros(empty, dtype)
