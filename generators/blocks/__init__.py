"""Layers and geometry that several networks share."""
