"""Forecasters of keypoint series, used by name through KeypointPredictor."""

from flawcast.generators.forecasters.base import FORECASTERS, Forecaster, build_forecaster
from flawcast.generators.forecasters.predictor import KeypointPredictor

__all__ = ["FORECASTERS", "Forecaster", "KeypointPredictor", "build_forecaster"]
