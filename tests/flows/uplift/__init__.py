"""Tests of `flawcast.flows.uplift`."""
