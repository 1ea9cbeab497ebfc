"""Tests of `flawcast.flows.schedule`."""
