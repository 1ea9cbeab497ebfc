"""Tests of `flawcast.flows.exports`."""
