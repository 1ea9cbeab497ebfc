"""Tests of `flawcast.configs`."""
