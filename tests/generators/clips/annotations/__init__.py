"""Tests of `flawcast.generators.clips.annotations`."""
