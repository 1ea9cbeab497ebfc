"""The experiment on clips with masks: do anomalies, moved along their own tracks, help?"""

from flawcast.flows.uplift.tracks.request import TracksRequest
from flawcast.flows.uplift.tracks.run import uplift_tracks

__all__ = ["TracksRequest", "uplift_tracks"]
