"""OpenCV without its type stubs, which give every picture, mask and field one and the same type."""

from typing import Any

import cv2 as opencv

cv2: Any = opencv
