"""Tests of self-made pairs and of what learns from them."""
