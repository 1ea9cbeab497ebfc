"""Tests of `flawcast augment`."""
