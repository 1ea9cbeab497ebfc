"""Tests of `flawcast.flows.train`."""
