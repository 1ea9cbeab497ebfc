"""Shared vocabulary: settings, presets, registry, shapes, errors, ids and seeds."""
