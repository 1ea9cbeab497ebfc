"""The drawn clips of the journeys, for the cases that generate."""

from tests.flows.conftest import line_folder

__all__ = ["line_folder"]
