"""The authors' weights come in, whole or not at all, and run without reading the future."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ModelError
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.published import import_published

FILES = {
    "vrnn-12": ("VRNN_3883videos_vox_12-12_pytorch_T3.pth", "vrnn", 12),
    "vrnn-6": ("VRNN_3883videos_vox_6-6_pytorch_T3.pth", "vrnn", 6),
    "vae-12": ("VAE_3883videos_vox_12-12.pth", "vae", 12),
}


def keypoints(shared: Path) -> list[torch.Tensor]:
    """The real series, in the order of our keypoint vectors, (T, 60) each."""
    series = []
    for path in sorted((shared / "clips" / "kp").glob("*.npz")):
        with np.load(path) as stored:
            value, jacobian = stored["value"], stored["jacobian"]
        whole = np.concatenate([value, jacobian.reshape(len(value), 10, 4)], axis=2)
        series.append(torch.as_tensor(whole.reshape(len(value), 60), dtype=torch.float32))
    return series


@pytest.fixture(params=FILES.values(), ids=FILES.keys())
def imported(request: pytest.FixtureRequest, shared: Path) -> tuple[KeypointPredictor, int]:
    file, name, past = request.param
    return import_published(shared / "forecast" / "authors" / file, name, past), past


def test_they_run_free(imported: tuple[KeypointPredictor, int], shared: Path) -> None:
    predictor, past = imported
    series = keypoints(shared)[0]
    noisy = series.clone()
    noisy[past:] = torch.randn(noisy[past:].shape)
    draws = [
        predictor.sample(track[:past], 2 * past, 5, torch.Generator().manual_seed(0))
        for track in (series, noisy)
    ]
    assert draws[0].shape == (5, 2 * past, 60)
    assert draws[0].isfinite().all()
    assert torch.equal(*draws)


def test_they_stay_near_the_past(imported: tuple[KeypointPredictor, int], shared: Path) -> None:
    """Free-running, they lose to holding the last frame, but not by an order of magnitude."""
    predictor, past = imported
    ours, hold = [], []
    for series in keypoints(shared)[::3]:
        seen, truth = series[: 2 * past].split(past)
        ours.append((predictor.predict(seen, past) - truth).abs().mean())
        hold.append((seen[-1] - truth).abs().mean())
    ratio = torch.stack(ours).mean() / torch.stack(hold).mean()
    assert 0.5 < ratio < 3


def test_they_can_be_saved_as_ours(
    imported: tuple[KeypointPredictor, int], shared: Path, tmp_path: Path
) -> None:
    predictor, past = imported
    predictor.save(tmp_path)
    loaded = KeypointPredictor.load(tmp_path)
    seen = keypoints(shared)[0][:past]
    assert torch.equal(predictor.predict(seen, past), loaded.predict(seen, past))


def test_vrnn_follows_what_it_observes(shared: Path) -> None:
    """The posterior's reconstruction of real keypoints is near them: every layer is in place."""
    path = shared / "forecast" / "authors" / FILES["vrnn-12"][0]
    predictor = import_published(path, "vrnn")
    series = keypoints(shared)[0][:24]
    window = ((series - series.amin(0)) / (series.amax(0) - series.amin(0)))[None]
    with torch.no_grad():
        decoded, _, _ = predictor.forecaster.encode(window, None)  # type: ignore[operator]
    error = (decoded - window).abs().mean()
    assert error < 0.5 * (window - window.mean(dim=1, keepdim=True)).abs().mean()


def test_another_layout_is_refused(shared: Path, tmp_path: Path) -> None:
    folder = shared / "forecast" / "authors"
    with pytest.raises(ModelError, match=r"published vae .* lacks key"):
        import_published(folder / FILES["vrnn-12"][0], "vae")
    whole = torch.load(folder / FILES["vrnn-12"][0], map_location="cpu", weights_only=True)
    torch.save({**whole, "extra": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(ModelError, match="has an unexpected key extra"):
        import_published(tmp_path / "more.pth", "vrnn")


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "code.pth")
    with pytest.raises(ModelError, match="cannot read it"):
        import_published(tmp_path / "code.pth", "vrnn")
    with pytest.raises(ModelError, match="found no such file"):
        import_published(tmp_path / "absent.pth", "vrnn")
    with pytest.raises(ModelError, match="expected vrnn or vae, got 'gru'"):
        import_published(tmp_path / "code.pth", "gru")
