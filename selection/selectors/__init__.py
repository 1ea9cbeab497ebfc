"""Selectors of the futures that are kept: one file each, found by name."""

from flawcast.selection.selectors.base import SELECTORS, Candidates, Selector
from flawcast.selection.selectors.lowest_mae import lowest_mae

__all__ = ["SELECTORS", "Candidates", "Selector", "lowest_mae"]
