"""A source drawn with many keypoints: scenes, carried masks, fast and exact inference."""
