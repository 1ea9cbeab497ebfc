"""Scheduled runs, and alarms if a run is late or its results drift."""
