"""Samples in the formats that detectors read: one format, one file, found by name."""

from flawcast.flows.exports.base import EXPORTS, ExportSample, ExportSettings
from flawcast.flows.exports.run import Exported, export

__all__ = ["EXPORTS", "ExportSample", "ExportSettings", "Exported", "export"]
