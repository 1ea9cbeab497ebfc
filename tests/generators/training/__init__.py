"""Tests of `flawcast.generators.training`."""
