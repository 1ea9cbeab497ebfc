"""Settings of training and generating: frozen pydantic models, YAML presets, single overrides."""

from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.driving import Driving
from flawcast.configs.errors import SettingsError
from flawcast.configs.frozen import Settings as Settings
from flawcast.configs.keep import expect_keep
from flawcast.configs.window_lengths import WindowLengths

Mode = Literal["reconstruction", "transfer"]  # which video a source frame is from
Motion = Literal["relative", "absolute", "avd"]  # how it is carried over to a foreign source
KeepAs = Literal["pixels", "layers"]  # how videos are stored
Detail = Literal["native", "model"]  # the clip's own pixels moved, or the model's own picture
Precision = Literal["fp32", "int8", "bf16", "fp16"]  # of drawing; int8 is for CPUs


class LineSettings(Settings):
    """The built-in line to train on when no clips are given."""

    clips_per_state: int = Field(default=40, ge=1)
    frames: int = Field(default=24, ge=2)
    seed: int = Field(default=0, ge=0)


class Choice(Settings):
    """A registered entry, by name, and its own settings."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class LossWeights(Settings):
    """Weights of the motion models' losses, named as in the official configuration files.

    A backbone uses only its own losses: FOMM has the equivariance of Jacobians, TPS has `warp_loss`
    and `bg`, face-vid2vid has `keypoint`, `headpose` and `expression`.
    """

    perceptual: tuple[float, ...] = (10, 10, 10, 10, 10)
    equivariance_value: float = Field(default=10, ge=0)
    equivariance_jacobian: float = Field(default=10, ge=0)
    warp_loss: float = Field(default=10, ge=0)
    bg: float = Field(default=10, ge=0)
    keypoint: float = Field(default=10, ge=0)
    headpose: float = Field(default=20, ge=0)
    expression: float = Field(default=5, ge=0)
    generator_gan: float = Field(default=0, ge=0)  # 0: no adversarial training
    discriminator_gan: float = Field(default=1, ge=0)
    feature_matching: tuple[float, ...] = (10, 10, 10, 10)


class TransformParams(Settings):
    """The random warp of the equivariance losses: affine noise and a thin-plate spline."""

    sigma_affine: float = Field(default=0.05, ge=0)
    sigma_tps: float = Field(default=0.005, ge=0)
    points_tps: int = Field(default=5, ge=2)


class Jitter(Settings):
    """Largest change of colours between training pairs: relative, hue in turns of the circle."""

    brightness: float = Field(default=0.1, ge=0, lt=1)
    contrast: float = Field(default=0.1, ge=0, lt=1)
    saturation: float = Field(default=0.1, ge=0, lt=1)
    hue: float = Field(default=0, ge=0, le=0.5)


class DiscriminatorParams(Settings):
    """Sizes of the discriminator, named as in the official configuration files."""

    scales: tuple[float, ...] = (1,)
    block_expansion: int = Field(default=32, ge=1)
    max_features: int = Field(default=512, ge=1)
    num_blocks: int = Field(default=4, ge=1)
    sn: bool = False  # spectral norm
    use_kp: bool = False  # the driving frame's keypoints are an input


class MotionDropout(Settings):
    """TPS's dropout of whole transformations early in training; times are shares of the run."""

    until: float = Field(default=0.35, ge=0, le=1)
    ramp: float = Field(default=0.1, gt=0, le=1)  # duration of the rise of the probability
    lowest: float = Field(default=0.1, ge=0, lt=1)
    highest: float = Field(default=0.3, ge=0, lt=1)


class MotionTraining(Settings):
    """Training of a motion model: the originals' losses, schedules and augmentation."""

    steps: int | None = Field(default=100_000, ge=1)  # None: epochs * repeats * clips / batch
    epochs: int = Field(default=100, ge=1)
    repeats: int = Field(default=1, ge=1)  # passes over each clip per epoch
    batch: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)  # batches whose gradients make one step
    learning_rate: float = Field(default=2e-4, gt=0)
    # Factors of the rate by sub-network; 0 freezes it.
    rates: dict[str, float] = Field(default_factory=dict)
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: tuple[float, ...] = (0.6, 0.9)  # shares of the run at which the rate falls tenfold
    weight_decay: float = Field(default=0, ge=0)
    clip_gradient_value: float | None = Field(  # of every gradient value; None clips none
        default=None, gt=0, validation_alias=AliasChoices("clip_gradient_value", "largest_gradient")
    )  # older cards and presets have the second name
    scales: tuple[float, ...] = (1, 0.5, 0.25, 0.125)
    features: str = "random"  # name of the features that the perceptual loss compares
    features_file: Path | None = None  # weights of those features, if they need any
    head_pose_file: Path | None = None  # Hopenet's weights, for face-vid2vid's head pose loss
    loss_weights: LossWeights = LossWeights()
    transform_params: TransformParams = TransformParams()
    discriminator: DiscriminatorParams = DiscriminatorParams()
    gan_mode: Literal["ls", "hinge"] = "ls"
    dropout: MotionDropout = MotionDropout()
    background_from: float = Field(
        default=0, ge=0, lt=1
    )  # share of the run where TPS's `bg` loss begins
    horizontal_flip: bool = True
    resize: tuple[float, float] = (1, 1)  # smallest and largest random scale of a pair
    jitter: Jitter = Jitter()
    precision: Literal["fp32", "bf16"] = "fp32"  # of forward passes; bf16 needs no loss scaling
    checkpoint_every: int = Field(default=100, ge=1)  # steps between checkpoints
    compile: bool = False  # torch.compile of the sub-networks: takes minutes, pays on a GPU

    def total_steps(self, clips: int) -> int:
        """Number of training steps for this number of clips."""
        share = self.batch * self.accumulate
        return self.steps or max(1, -(-self.epochs * self.repeats * clips // share))


class AVDTraining(Settings):
    """Training of TPS's network for animation via disentanglement, named as in its files."""

    steps: int | None = Field(default=None, ge=1)  # None: epochs * repeats * clips / batch
    epochs: int = Field(default=100, ge=1)
    repeats: int = Field(default=1, ge=1)  # passes over each clip per epoch
    batch: int = Field(default=256, ge=2)  # at least two: the network has batch norms
    learning_rate: float = Field(default=1e-3, gt=0)
    milestones: tuple[float, ...] = (0.7, 0.9)  # shares of the run at which the rate falls tenfold
    lambda_shift: float = Field(default=1, gt=0)  # weight of its only loss
    random_scale: float = Field(default=0.25, ge=0, lt=1)  # largest stretch of a pose, relative

    def total_steps(self, clips: int) -> int:
        """Number of training steps for this number of clips."""
        return self.steps or max(1, -(-self.epochs * self.repeats * clips // self.batch))


class ForecastTraining(WindowLengths):
    """Fitting of a forecaster to keypoint series."""

    epochs: int = Field(default=60, ge=1)
    seconds: float | None = Field(default=None, gt=0)  # start no new epoch after this time


class TrainSettings(Settings):
    """All settings of `flawcast train`: the content of a preset file."""

    clips: ClipSettings = ClipSettings()
    line: LineSettings | None = None
    backbone: Choice = Choice(name="fomm")
    start: str | None = None  # model folder, or shipped model, whose backbone is trained further
    motion: MotionTraining = MotionTraining()
    adapt: AdaptTraining | None = None  # self-made pairs, instead of `motion`'s pairs of frames
    avd: AVDTraining | None = None  # None: TPS's AVD network stays untrained
    forecaster: Choice = Choice(name="gru_nf")
    forecast: ForecastTraining = ForecastTraining()
    held_out: float = Field(
        default=0.1, ge=0, lt=1
    )  # share of the clips to hold out, without a split
    seed: int = Field(default=0, ge=0)

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older cards do not have."""
        values: dict[str, Any] = dump(self)
        if values.get("adapt") is None:
            values.pop("adapt", None)
        return values

    def overridden(self, changes: dict[str, Any]) -> "TrainSettings":
        """These settings with single values changed.

        Args:
            changes: Values by dotted path ("motion.steps"); None leaves a value as it is.

        Raises:
            SettingsError: If a value does not fit.
        """
        values = self.model_dump()
        for name, value in changes.items():
            if value is not None:
                *path, last = name.split(".")
                part = reduce(getitem, path, values)
                if last == "name" and value != part["name"]:
                    part["config"] = {}  # the old entry's settings do not fit the new one
                part.pop(f"{last}_seconds", None)  # which the preset may name
                part[last] = value
        return validated(TrainSettings, values, "options")


class Transfer(Settings):
    """How the motion of a driving clip is applied to a source from another clip."""

    mode: Motion = "relative"
    adapt_movement_scale: bool = False  # scale displacements to the size of the object


class GenerateSettings(WindowLengths):
    """All settings of `flawcast generate` that decide the content of a sample set."""

    samples: int = Field(default=100, ge=2)
    keep: int = Field(default=20, ge=2)
    mode: Mode = "reconstruction"
    transfer: Transfer = Transfer()
    temperature: float = Field(default=1.0, gt=0)
    selector: str = "lowest_mae"
    seed: int = Field(default=0, ge=0)
    precision: Precision = "fp32"
    driving: Driving | None = None  # of the sets of `augment`; None for those of `generate`

    @model_validator(mode="after")
    def _keeps_what_it_draws(self) -> Self:
        """Refuse to keep more than is drawn."""
        expect_keep(self.keep, self.samples)
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older sets do not have, so that they keep their ids."""
        values = self._frames_or_seconds(dump(self))
        if values.get("precision") == "fp32":
            del values["precision"]
        if values.get("driving") is None:
            values.pop("driving", None)
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
        ours = problem.get("ctx", {}).get("error")
        if isinstance(ours, SettingsError):  # of a rule between several values
            raise SettingsError(str(ours)) from None
        place = ".".join(map(str, problem["loc"])) or "settings"
        raise SettingsError(
            f"{origin}: {place}: {problem['msg'].lower()}, got {problem['input']!r}; "
            "mend this value"
        ) from None
