"""Clips, motion backbones, forecasters, training, sampling and rendering (torch)."""
