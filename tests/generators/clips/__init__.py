"""Tests of `flawcast.generators.clips`."""
