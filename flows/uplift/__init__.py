"""Does a detector get better with synthetic samples? Arms that differ in their training data."""

from flawcast.flows.uplift.run import UpliftRequest, uplift

__all__ = ["UpliftRequest", "uplift"]
