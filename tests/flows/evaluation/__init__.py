"""Tests of `flawcast.flows.evaluation`."""
