"""The experiment with a few defective stills: do pasted defects help a detector on features?"""

from flawcast.flows.uplift.few.request import FewRequest
from flawcast.flows.uplift.few.run import uplift_few

__all__ = ["FewRequest", "uplift_few"]
