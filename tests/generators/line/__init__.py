"""Tests of `flawcast.generators.line`."""
