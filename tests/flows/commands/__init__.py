"""Tests of `flawcast.flows.commands`."""
