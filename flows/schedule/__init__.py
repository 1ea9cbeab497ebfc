"""Runs at set times, and alarms where one is late or drifts."""
