"""`flawcast watch`: tells what no sampled future had expected, frame by frame, from good clips."""
