"""From clips to a model: motion model, keypoints, forecaster; published weights."""
