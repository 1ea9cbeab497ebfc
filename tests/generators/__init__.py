"""Tests of `flawcast.generators`."""
