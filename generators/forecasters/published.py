"""Import of the VRNN and VAE weights that the paper's authors publish."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.errors import ModelError, one_line
from flawcast.generators.forecasters.predictor import KeypointPredictor
from flawcast.generators.weights import load_into

# Our name of a layer -> its name in the published file.
VRNN_LAYERS = {
    "cell": "rnn_cell",
    "prior_hidden": "prior_net.fc1",
    "prior_mean": "prior_net.means",
    "prior_std": "prior_net.stds",
    "posterior_hidden": "posterior_net.fc1",
    "posterior_mean": "posterior_net.means",
    "posterior_std": "posterior_net.stds",
    "decoder_hidden": "decoder.fc1",
    "decoder_out": "decoder.fc2",
}
# Not part of the model: the authors' training also saves two copies of the decoder and a counter.
VRNN_IGNORED = ("sample_best.decoder.", "sample_all.decoder.", "kl_module.train_step")
VAE_LAYERS = {
    "encoder.0": "encoder.input_layer.0",
    "encoder.2": "encoder.hidden_network.0.0",
    "encoder.4": "encoder.hidden_network.1.0",
    "encoder.6": "encoder.hidden_network.2.0",
    "encoder.8": "encoder.output_layer.0",
    "latent_mean": "lmbd.z_mean",
    "latent_log_variance": "lmbd.z_log_var",
    "decoder.0": "decoder.input_layer.0",
    "decoder.2": "decoder.hidden_network.0.0",
    "decoder.4": "decoder.hidden_network.1.0",
    "decoder.6": "decoder.hidden_network.2.0",
    "decoder.8": "decoder.hidden_network.3.0",
    "decoder.10": "decoder.output_layer.0",
}
FEATURES = 60


def import_published(path: Path, name: str, past: int = 12) -> KeypointPredictor:
    """Read a predictor that the paper's authors published; here it uses only the past.

    The authors' code scales each video by its minimum and maximum, including the future, and feeds
    the true future back. Here each window is scaled by the range of its past, and the model's own
    predictions are fed back. Keypoints are FOMM's: 10 with Jacobians, D = 60.

    Args:
        path: A `.pth` file, read without executing code.
        name: Kind of the predictor, "vrnn" or "vae".
        past: Observed frames P of its training; the VAE predicts that many frames ahead.

    Raises:
        ModelError: If the file is absent, damaged, or of another layout or size.
    """
    if name not in ("vrnn", "vae"):
        raise ModelError(f"published forecaster: expected vrnn or vae, got {name!r}; name one")
    predictor = KeypointPredictor(name, FEATURES, {"preset": "authors"}, coordinates="past_range")
    published = _read(path)
    layers = VRNN_LAYERS if name == "vrnn" else VAE_LAYERS
    state = predictor.forecaster.state_dict()
    # The published files hold no scales, so these keep their initial values.
    kept = {key: value for key, value in state.items() if key in ("step_scale", "way_scale", "lag")}
    translated = {}
    for key, value in published.items():
        if name == "vrnn" and key.startswith(VRNN_IGNORED):
            continue
        translated[_translated(key, layers)] = value
    load_into(predictor.forecaster, translated | kept, f"published {name} {path}")
    if name == "vae":
        predictor.forecaster.get_buffer("lag").fill_(past)
    return predictor


def _translated(key: str, layers: dict[str, str]) -> str:
    """Our name of a published weight; unknown names stay as they are and are refused later."""
    for ours, theirs in layers.items():
        if key.startswith((f"{theirs}.weight", f"{theirs}.bias")):
            return ours + key.removeprefix(theirs)
    return key


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file without executing code."""
    wanted = f"published forecaster: expected a PyTorch state dict in {path}"
    if not path.is_file():
        raise ModelError(f"{wanted}, found no such file; download it from its authors")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # errors of torch.load for damaged files share no other base class
        raise ModelError(
            f"{wanted}, cannot read it: {one_line(error)}; download it again"
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise ModelError(f"{wanted}, found something else; use the published file as it is")
    return content
