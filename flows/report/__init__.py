"""`flawcast report`: one self-contained page about a store."""

from flawcast.flows.report.run import Reported, write_report

__all__ = ["Reported", "write_report"]
