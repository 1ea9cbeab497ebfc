"""Settings of training and generating: frozen pydantic models, YAML presets, single overrides."""

from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import SettingsError
from flawcast.configs.frozen import Settings as Settings


class LineSettings(Settings):
    """The built-in line to train on when no clips are given."""

    clips_per_state: int = Field(40, ge=1)
    frames: int = Field(24, ge=2)
    seed: int = Field(0, ge=0)


class Choice(Settings):
    """A registered thing and its own settings."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class LossWeights(Settings):
    """Weights of the motion models' losses, named as in the official configuration files.

    A backbone uses those that it has: equivariance of Jacobians is FOMM's, `warp_loss` and `bg` are
    TPS's, `keypoint`, `headpose` and `expression` are face-vid2vid's.
    """

    perceptual: tuple[float, ...] = (10, 10, 10, 10, 10)
    equivariance_value: float = Field(10, ge=0)
    equivariance_jacobian: float = Field(10, ge=0)
    warp_loss: float = Field(10, ge=0)
    bg: float = Field(10, ge=0)
    keypoint: float = Field(10, ge=0)
    headpose: float = Field(20, ge=0)
    expression: float = Field(5, ge=0)
    generator_gan: float = Field(0, ge=0)  # 0: no adversarial training
    discriminator_gan: float = Field(1, ge=0)
    feature_matching: tuple[float, ...] = (10, 10, 10, 10)


class TransformParams(Settings):
    """The random warp of the equivariance losses: affine noise and a thin-plate spline."""

    sigma_affine: float = Field(0.05, ge=0)
    sigma_tps: float = Field(0.005, ge=0)
    points_tps: int = Field(5, ge=2)


class Jitter(Settings):
    """Largest change of colours between training pairs: relative, hue in turns of the circle."""

    brightness: float = Field(0.1, ge=0, lt=1)
    contrast: float = Field(0.1, ge=0, lt=1)
    saturation: float = Field(0.1, ge=0, lt=1)
    hue: float = Field(0, ge=0, le=0.5)


class DiscriminatorParams(Settings):
    """Sizes of the discriminator, named as in the official configuration files."""

    scales: tuple[float, ...] = (1,)
    block_expansion: int = Field(32, ge=1)
    max_features: int = Field(512, ge=1)
    num_blocks: int = Field(4, ge=1)
    sn: bool = False  # spectral norm
    use_kp: bool = False  # it sees where the driving frame's keypoints are


class MotionDropout(Settings):
    """TPS's dropout of whole transformations early in training, in shares of the run."""

    until: float = Field(0.35, ge=0, le=1)
    ramp: float = Field(0.1, gt=0, le=1)  # how long the probability takes to rise
    lowest: float = Field(0.1, ge=0, lt=1)
    highest: float = Field(0.3, ge=0, lt=1)


class MotionTraining(Settings):
    """How a motion model is trained: the originals' losses, schedules and augmentation."""

    steps: int | None = Field(100_000, ge=1)  # or none: epochs * repeats * clips / batch
    epochs: int = Field(100, ge=1)
    repeats: int = Field(1, ge=1)  # how often an epoch passes over each clip
    batch: int = Field(16, ge=1)
    accumulate: int = Field(1, ge=1)  # batches whose gradients make one step
    learning_rate: float = Field(2e-4, gt=0)
    # Factors of the rate by sub-network; 0 freezes it.
    rates: dict[str, float] = Field(default_factory=dict)
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: tuple[float, ...] = (0.6, 0.9)  # shares of the run where the rate falls tenfold
    weight_decay: float = Field(0, ge=0)
    largest_gradient: float | None = Field(None, gt=0)  # where single values are cut; none: nowhere
    scales: tuple[float, ...] = (1, 0.5, 0.25, 0.125)
    features: str = "random"  # whose features the perceptual loss compares
    features_file: Path | None = None  # weights of those features, where they need any
    head_pose_file: Path | None = None  # Hopenet's weights, for face-vid2vid's head pose loss
    loss_weights: LossWeights = LossWeights()
    transform_params: TransformParams = TransformParams()
    discriminator: DiscriminatorParams = DiscriminatorParams()
    gan_mode: Literal["ls", "hinge"] = "ls"
    dropout: MotionDropout = MotionDropout()
    background_from: float = Field(0, ge=0, lt=1)  # share of the run where TPS's `bg` loss begins
    horizontal_flip: bool = True
    resize: tuple[float, float] = (1, 1)  # least and largest random scale of a pair
    jitter: Jitter = Jitter()
    precision: Literal["fp32", "bf16"] = "fp32"  # of forward passes; bf16 needs no loss scaling
    checkpoint_every: int = Field(100, ge=1)  # steps between states that a kill cannot take away
    compile: bool = False  # torch.compile of the sub-networks: worth its minutes on a GPU

    def total_steps(self, clips: int) -> int:
        """Steps of a training on so many clips."""
        share = self.batch * self.accumulate
        return self.steps or max(1, -(-self.epochs * self.repeats * clips // share))


class AVDTraining(Settings):
    """How TPS's network for animation via disentanglement is trained, named as in its files."""

    steps: int | None = Field(None, ge=1)  # or none: epochs * repeats * clips / batch
    epochs: int = Field(100, ge=1)
    repeats: int = Field(1, ge=1)  # how often an epoch passes over each clip
    batch: int = Field(256, ge=2)  # at least two: the network has batch norms
    learning_rate: float = Field(1e-3, gt=0)
    milestones: tuple[float, ...] = (0.7, 0.9)  # shares of the run where the rate falls tenfold
    lambda_shift: float = Field(1, gt=0)  # weight of its only loss
    random_scale: float = Field(0.25, ge=0, lt=1)  # largest stretch of a pose, relative

    def total_steps(self, clips: int) -> int:
        """Steps of a training on so many clips."""
        return self.steps or max(1, -(-self.epochs * self.repeats * clips // self.batch))


class ForecastTraining(Settings):
    """How a forecaster is fitted to keypoint series."""

    past: int = Field(12, ge=1)
    future: int = Field(12, ge=2)
    epochs: int = Field(60, ge=1)
    seconds: float | None = Field(None, gt=0)  # no new epoch after so long


class TrainSettings(Settings):
    """All of `flawcast train`: what a preset file holds."""

    clips: ClipSettings = ClipSettings()
    line: LineSettings | None = None
    backbone: Choice = Choice(name="fomm")
    start: str | None = None  # a model folder, or a shipped model, whose backbone to train further
    motion: MotionTraining = MotionTraining()
    avd: AVDTraining | None = None  # none: a TPS's AVD network stays untrained
    forecaster: Choice = Choice(name="gru_nf")
    forecast: ForecastTraining = ForecastTraining()
    held_out: float = Field(0.1, ge=0, lt=1)  # share of the clips, where no split says which
    seed: int = Field(0, ge=0)

    def overridden(self, changes: dict[str, Any]) -> "TrainSettings":
        """These settings with single values changed.

        Args:
            changes: Values by dotted place ("motion.steps"); None leaves a value as it is.

        Raises:
            SettingsError: If a value does not fit.
        """
        values = self.model_dump()
        for place, value in changes.items():
            if value is not None:
                *path, last = place.split(".")
                part = reduce(getitem, path, values)
                if last == "name" and value != part["name"]:
                    part["config"] = {}  # was the other one's
                part[last] = value
        return validated(TrainSettings, values, "options")


class Transfer(Settings):
    """How a driving clip's motion is carried over to a foreign source."""

    mode: Literal["relative", "absolute", "avd"] = "relative"
    adapt_movement_scale: bool = False  # scale displacements to the size of the object


class GenerateSettings(Settings):
    """All of `flawcast generate` that decides what a sample set holds."""

    past: int = Field(12, ge=1)
    future: int = Field(12, ge=2)
    samples: int = Field(100, ge=2)
    keep: int = Field(20, ge=2)
    mode: Literal["reconstruction", "transfer"] = "reconstruction"
    transfer: Transfer = Transfer()
    temperature: float = Field(1.0, gt=0)
    selector: str = "lowest_mae"
    seed: int = Field(0, ge=0)
    precision: Literal["fp32", "int8", "bf16", "fp16"] = "fp32"  # of drawing; int8 is for CPUs

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave fp32 out: ids of sets that are drawn so stay what they were."""
        values: dict[str, Any] = dump(self)
        if values.get("precision") == "fp32":
            del values["precision"]
        return values


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Any, origin: str) -> Model:
    """Build settings from plain values with an error that names the first wrong one.

    Raises:
        SettingsError: If a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "settings"
        raise SettingsError(
            f"{origin}: {place}: {problem['msg'].lower()}, got {problem['input']!r}; "
            "mend this value"
        ) from None
