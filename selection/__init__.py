"""Metrics and selectors over arrays, in NumPy, OpenCV and SciPy."""
