"""Tests of `flawcast.flows.generate`."""
