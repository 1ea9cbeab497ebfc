"""Tests of `flawcast.flows.browse`."""
