"""Parts of face-vid2vid: head geometry, estimators, dense motion in 3D, the two generators."""
