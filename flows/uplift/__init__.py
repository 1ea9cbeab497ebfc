"""Does a detector get better with synthetic samples? Arms that differ in their training data."""

from flawcast.flows.uplift.request import UpliftRequest
from flawcast.flows.uplift.run import uplift

__all__ = ["UpliftRequest", "uplift"]
