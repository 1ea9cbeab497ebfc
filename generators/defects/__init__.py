"""Defects of looks: layers with exact masks that are drawn on a part and move with it."""
