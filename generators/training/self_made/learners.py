"""What is trained on self-made pairs: the detector of `layers`, or FOMM's detector and motion."""

from torch import Tensor, nn

from flawcast.configs.adapt_settings import AdaptLosses
from flawcast.generators.backbones.fomm import FOMM, DenseMotion, Keypoints
from flawcast.generators.backbones.layers.detector import PartDetector
from flawcast.generators.training.self_made.losses import detector_losses
from flawcast.generators.training.self_made.motion_losses import motion_losses
from flawcast.generators.training.self_made.pairs import PairBatch


class DetectorLearner:
    """The detector that `layers` follows parts with.

    Args:
        detector: Trained in place.
        weights: What each loss counts.
    """

    def __init__(self, detector: PartDetector, weights: AdaptLosses) -> None:
        self.networks: nn.Module = detector
        self.side = detector.config.frame
        self._detector, self._weights = detector, weights

    def losses(self, pairs: PairBatch) -> tuple[dict[str, Tensor], Tensor]:
        """Weighted losses by name, and the motion's error as a share of half the frame."""
        return detector_losses(self._detector, pairs, self._weights)


class FOMMLearner:
    """FOMM's detector and dense motion; its decoder stays as it is.

    What is learnt is the motion that `detail: native` moves a source's pixels with.

    Args:
        backbone: Its two networks are trained in place.
        side: Side of its frames.
        weights: What each loss counts.
    """

    def __init__(self, backbone: FOMM, side: int, weights: AdaptLosses) -> None:
        self._detector = backbone.kp_detector
        self._motion = backbone.generator.dense_motion_network
        self.networks: nn.Module = nn.ModuleList([self._detector, self._motion])
        self.side, self._weights = side, weights

    def losses(self, pairs: PairBatch) -> tuple[dict[str, Tensor], Tensor]:
        """Weighted losses by name, and the motion's error as a share of half the frame."""
        source: Keypoints = self._detector(pairs.source)
        driving: Keypoints = self._detector(pairs.driving)
        found: DenseMotion = self._motion(self._motion.down(pairs.source), source, driving)
        return motion_losses(source, driving, found, pairs, self._weights)
