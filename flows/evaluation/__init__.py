"""`flawcast evaluate`: forecasters compared, on keypoints alone or by what they render."""
