"""Levels of a drawn mask: a mask of one level holds DEFECT alone."""

PART, DEFECT = 128, 255
