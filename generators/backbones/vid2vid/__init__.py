"""face-vid2vid; importing this package registers it as `vid2vid`."""

from flawcast.generators.backbones.vid2vid.model import Vid2Vid

__all__ = ["Vid2Vid"]
