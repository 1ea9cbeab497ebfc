"""Tests of `flawcast.flows.benchmarks`."""
