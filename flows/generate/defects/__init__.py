"""Defects of looks in sample sets: which set gets which, on which part, and what became of it."""
