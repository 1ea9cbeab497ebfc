"""Tests, mirroring the folders."""
