"""Forecasters compared by the videos that they render."""
