"""Sizes of every backbone that run in milliseconds, for 32x32 frames."""

from typing import Any

from flawcast.generators.backbones import BACKBONES
from tests.conftest import TINY_FOMM, TINY_TPS, TINY_VID2VID

TINY: dict[str, dict[str, Any]] = {"fomm": TINY_FOMM, "tps": TINY_TPS, "vid2vid": TINY_VID2VID}

LEARNED = [name for name in BACKBONES.names() if BACKBONES[name].learns]
