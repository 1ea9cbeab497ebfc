"""Tests of defects of looks."""
