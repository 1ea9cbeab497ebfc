"""Tests of `flawcast.generators.backbones`."""
