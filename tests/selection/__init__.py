"""Tests of `flawcast.selection`."""
