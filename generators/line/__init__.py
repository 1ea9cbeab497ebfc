"""The built-in production line, drawn with NumPy and OpenCV: parts, belt, motion, camera."""
