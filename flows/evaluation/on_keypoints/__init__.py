"""Forecasters compared on keypoint series alone."""
