"""Tests of `flawcast.flows.query`."""
