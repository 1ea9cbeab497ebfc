"""Procedural types of defects, registered by name: each file holds one or two that are alike."""
