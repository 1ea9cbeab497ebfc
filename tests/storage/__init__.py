"""Tests of `flawcast.storage`."""
