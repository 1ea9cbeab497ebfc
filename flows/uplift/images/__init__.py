"""The experiment on stills with masks: does a mask scorer get better with frames made of them?"""

from flows.uplift.images.run import ImagesRequest, uplift_images

__all__ = ["ImagesRequest", "uplift_images"]
