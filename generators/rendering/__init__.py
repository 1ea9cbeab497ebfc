"""Rendering of a source frame with many keypoints: scenes, carried masks, fast inference."""
