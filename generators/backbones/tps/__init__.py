"""The thin-plate-spline motion model; importing this package registers it as `tps`."""

from flawcast.generators.backbones.tps.model import TPS

__all__ = ["TPS"]
