"""Forecasters of keypoint series: one file each, found by name, used through KeypointPredictor."""

from generators.forecasters.base import FORECASTERS, Forecaster, build_forecaster
from generators.forecasters.predictor import KeypointPredictor

__all__ = ["FORECASTERS", "Forecaster", "KeypointPredictor", "build_forecaster"]
