"""Inputs and situations that real users meet, and what must come out."""
