"""Tests of `flawcast.generators.backbones.layers`."""
