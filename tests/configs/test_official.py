"""Official configuration files say the same in our words; shipped presets agree with them."""

from pathlib import Path

import pytest
import yaml

from flawcast.configs.errors import SettingsError
from flawcast.configs.official import backbone_of, from_official
from flawcast.configs.preset_files import load_preset, preset_names
from flawcast.configs.settings import TrainSettings
from flawcast.generators.backbones import build_backbone

MGIF = """
dataset_params:
  root_dir: data/moving-gif
  image_shape: [256, 256, 3]
  augmentation_params:
    flip_param: {horizontal_flip: True, time_flip: True}
    crop_param: {size: [256, 256]}
    resize_param: {ratio: [0.9, 1.1]}
    jitter_param: {hue: 0.5}
model_params:
  common_params: {num_kp: 10, num_channels: 3, estimate_jacobian: True}
  kp_detector_params:
    {temperature: 0.1, block_expansion: 32, max_features: 1024, scale_factor: 0.25, num_blocks: 5,
     single_jacobian_map: True}
  generator_params:
    block_expansion: 64
    max_features: 512
    num_down_blocks: 2
    num_bottleneck_blocks: 6
    estimate_occlusion_map: True
    dense_motion_params:
      {block_expansion: 64, max_features: 1024, num_blocks: 5, scale_factor: 0.25}
  discriminator_params:
    {scales: [1], block_expansion: 32, max_features: 512, num_blocks: 4, sn: True}
train_params:
  num_epochs: 100
  num_repeats: 25
  epoch_milestones: [60, 90]
  lr_generator: 2.0e-4
  lr_discriminator: 2.0e-4
  lr_kp_detector: 0
  batch_size: 36
  scales: [1, 0.5, 0.25, 0.125]
  checkpoint_freq: 100
  transform_params: {sigma_affine: 0.05, sigma_tps: 0.005, points_tps: 5}
  loss_weights:
    {generator_gan: 1, discriminator_gan: 1, feature_matching: [10, 10, 10, 10],
     perceptual: [10, 10, 10, 10, 10], equivariance_value: 10, equivariance_jacobian: 10}
reconstruction_params: {num_videos: 1000, format: '.mp4'}
animate_params: {num_pairs: 50}
visualizer_params: {kp_size: 5, draw_border: True, colormap: 'gist_rainbow'}
"""


def test_an_official_file_is_accepted_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MGIF)
    settings = load_preset(str(path))
    shipped = load_preset("mgif-256")
    assert settings.backbone == shipped.backbone
    assert settings.motion.rates == {"kp_detector": 0}
    assert settings.motion.model_copy(update={"rates": {}}) == shipped.motion
    assert settings.clips == shipped.clips


def test_epochs_become_steps_and_shares() -> None:
    motion = TrainSettings.model_validate(from_official(yaml.safe_load(MGIF))).motion
    assert motion.milestones == (0.6, 0.9)
    assert motion.total_steps(clips=360) == 100 * 25 * 360 // 36


TED = """
dataset_params: {root_dir: ../TED384-v2, frame_shape: null, id_sampling: True}
model_params:
  common_params: {num_tps: 10, num_channels: 3, bg: True, multi_mask: True}
  generator_params: {block_expansion: 64, max_features: 512, num_down_blocks: 3}
  dense_motion_params: {block_expansion: 64, max_features: 1024, num_blocks: 5, scale_factor: 0.25}
"""


def test_the_size_is_in_the_name_where_the_file_leaves_it_open(tmp_path: Path) -> None:
    path = tmp_path / "ted-384.yaml"
    path.write_text(TED)
    assert load_preset(str(path)).clips.size == load_preset("ted-384").clips.size == 384


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_holds_valid_settings(name: str) -> None:
    settings = load_preset(name)
    assert settings.motion.total_steps(clips=100) >= 1


FOMM = ("vox", "vox-adv", "bair", "mgif", "taichi", "taichi-adv", "fashion", "nemo")


@pytest.mark.parametrize("name", [f"{dataset}-256" for dataset in FOMM])
def test_official_names_of_fomm(name: str) -> None:
    settings = load_preset(name, "fomm")
    assert settings.backbone.name == "fomm"
    assert settings == load_preset(f"fomm/{name}")


def test_the_backbone_is_told_by_its_networks() -> None:
    assert backbone_of({"model_params": {"common_params": {"num_tps": 10}}}) == "tps"
    assert backbone_of({"model_params": {"he_estimator_params": {}}}) == "vid2vid"
    with pytest.raises(SettingsError, match="expected model_params of FOMM, TPS or face-vid2vid"):
        backbone_of({"model_params": {"painter": {}}})


def test_a_file_of_another_backbone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MGIF)
    with pytest.raises(SettingsError, match="expected one for backbone tps, found one for fomm"):
        load_preset(str(path), "tps")


def build_from(path: Path) -> None:
    """Read a configuration and make its backbone."""
    settings = load_preset(str(path))
    build_backbone(settings.backbone.name, settings.backbone.config)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("num_epochs: 100", "num_epochs: 0", "train_params"),
        ("num_epochs: 100", "num_epochs: many", "train_params"),
        ("num_kp: 10", "num_kp: -1", "num_kp"),
        ("batch_size: 36", "batch_size: none", "motion.batch"),
        ("train_params:\n", "train_params: 3\nother:\n", "expected a section, got 3"),
    ],
    ids=["no epochs", "many epochs", "negative", "no number", "no section"],
)
def test_wrong_values_are_named(old: str, new: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MGIF.replace(old, new, 1))
    with pytest.raises(SettingsError, match=reason):
        build_from(path)
