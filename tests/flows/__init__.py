"""Tests of `flawcast.flows`."""
