"""FOMM and face-vid2vid find what the published implementations find, with the official keys."""

from pathlib import Path

import numpy as np
import torch

from flawcast.generators.backbones.vid2vid.estimators import HeadMotion
from flawcast.generators.backbones.vid2vid.model import Vid2VidAppearance
from tests.parity import Parity


@torch.no_grad()
def test_fomm_reproduces_the_original(shared: Path) -> None:
    """Keypoints within 1e-4 and frames within 2e-3, 2e-4 on average."""
    original = Parity.load(shared, "vox-256")
    model, truth = original.model("fomm"), original.truth
    appearance = model.appearance(original.frame("source"))
    for time in (0, 40):
        vectors = model.keypoints(original.frame(f"driving{time}")[None])
        parts = vectors.view(10, 6).numpy()
        np.testing.assert_allclose(parts[:, :2], truth[f"value{time}"], atol=1e-4)
        jacobian = truth[f"jacobian{time}"].reshape(10, 4)
        np.testing.assert_allclose(parts[:, 2:], jacobian, atol=1e-4)
        error = np.abs(model.render(appearance, vectors)[0].numpy() - truth[f"prediction{time}"])
        assert error.max() < 2e-3
        assert error.mean() < 2e-4


@torch.no_grad()
def test_vid2vid_reproduces_the_original(shared: Path) -> None:
    """Head pose, keypoints, occlusion and frames of the reference, with the official keys."""
    original = Parity.load(shared, "vid2vid-vox-256-original")
    model, truth = original.model("vid2vid"), original.truth
    appearance = model.appearance(original.frame("source"))
    assert isinstance(appearance, Vid2VidAppearance)
    np.testing.assert_allclose(appearance.canonical[0], truth["canonical"], atol=1e-4)
    np.testing.assert_allclose(appearance.keypoints[0], truth["source_kp"], atol=1e-4)
    for time in (0, 40):
        vectors = model.keypoints(original.frame(f"driving{time}")[None])
        pose = [truth[f"driving{time}_{name}"] for name in ("yaw", "pitch", "roll", "t", "exp")]
        np.testing.assert_allclose(vectors[0], np.concatenate(pose), atol=1e-4)
        moved = HeadMotion.from_vectors(vectors).moved(appearance.canonical)
        np.testing.assert_allclose(moved[0], truth[f"kp{time}"], atol=1e-4)
        found = model.rendering(appearance, vectors)
        assert found.occlusion is not None
        np.testing.assert_allclose(found.occlusion[0], truth[f"occlusion{time}"], atol=1e-4)
        error = np.abs(found.frames[0].numpy() - truth[f"prediction{time}"])
        assert error.max() < 2e-3
        assert error.mean() < 2e-4
