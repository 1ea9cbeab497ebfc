"""Tests of `flawcast.generators.forecasters`."""
