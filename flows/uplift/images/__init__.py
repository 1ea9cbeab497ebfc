"""The experiment on stills with masks: does a mask scorer get better with frames made of them?"""

from flawcast.flows.uplift.images.request import ImagesRequest
from flawcast.flows.uplift.images.run import uplift_images

__all__ = ["ImagesRequest", "uplift_images"]
