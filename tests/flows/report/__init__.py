"""Tests of `flawcast.flows.report`."""
