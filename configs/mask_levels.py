"""Grey levels of a drawn mask; a mask with a single level is all DEFECT."""

PART, DEFECT = 128, 255
