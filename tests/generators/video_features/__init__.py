"""Tests of `flawcast.generators.video_features`."""
