"""What `flawcast benchmark` measures: one subject, one file, found by name."""

from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, Report

__all__ = ["BENCHMARKS", "BenchmarkRequest", "Report"]
