"""Tests of `flawcast.generators.rendering`."""
