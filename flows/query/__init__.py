"""Answers of a store for people and files, and subsets that differ most."""
