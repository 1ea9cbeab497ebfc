"""Tests of `flawcast.flows.running`."""
