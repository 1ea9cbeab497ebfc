"""Tests of `flawcast.flows.pictures`."""
