"""Metrics and selectors over arrays (NumPy, OpenCV, scikit-image)."""
