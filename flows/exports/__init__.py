"""Samples in the formats that detectors read: one format, one file, found by name."""

from flows.exports.base import EXPORTS, ExportSample, ExportSettings
from flows.exports.run import Exported, export

__all__ = ["EXPORTS", "ExportSample", "ExportSettings", "Exported", "export"]
