"""The thin-plate-spline motion model; importing it makes it known as `tps`."""

from flawcast.generators.backbones.tps.model import TPS

__all__ = ["TPS"]
