"""What several test modules need: the real clips beside the project, and tiny models."""

import os
from pathlib import Path

# Set before Ray and Prefect are imported: no telemetry, no warnings about what we chose.
from flawcast.flows.running.services import silence_telemetry

silence_telemetry()

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from tests.browser import chromium, page  # noqa: E402, F401
from tests.paths import ROOT, SHARED  # noqa: E402
from tests.places import bucket_url, s3_server, small_disk, store_url  # noqa: E402, F401
from tests.processes import PROCESSES  # noqa: E402, F401 - before a fork server starts

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["FLAWCAST_KERNELS"] = "usual"  # nothing is measured, and the user's cache stays as it is

TINY_FOMM = {
    "common_params": {"num_kp": 3},
    "kp_detector_params": {
        "block_expansion": 4,
        "max_features": 8,
        "num_blocks": 2,
        "scale_factor": 0.5,
    },
    "generator_params": {
        "block_expansion": 4,
        "max_features": 8,
        "num_down_blocks": 1,
        "num_bottleneck_blocks": 1,
        "dense_motion_params": {
            "block_expansion": 4,
            "max_features": 8,
            "num_blocks": 2,
            "scale_factor": 0.5,
        },
    },
}

TINY_TPS = {
    "common_params": {"num_tps": 2},
    "encoder_params": {"block_expansion": 4},
    "generator_params": {"block_expansion": 4, "max_features": 16, "num_down_blocks": 2},
    "dense_motion_params": {
        "block_expansion": 4,
        "max_features": 8,
        "num_blocks": 2,
        "scale_factor": 0.5,
    },
    "avd_network_params": {"id_bottle_size": 4, "pose_bottle_size": 4},
}


TINY_VID2VID = {
    "common_params": {"num_kp": 3, "feature_channel": 2},
    "kp_detector_params": {
        "block_expansion": 4,
        "max_features": 8,
        "num_blocks": 2,
        "scale_factor": 0.5,
        "reshape_channel": 16,
        "reshape_depth": 2,
    },
    "he_estimator_params": {"block_expansion": 4, "max_features": 32, "num_bins": 66},
    "generator_params": {
        "block_expansion": 4,
        "max_features": 8,
        "num_down_blocks": 1,
        "reshape_channel": 2,
        "reshape_depth": 4,
        "num_resblocks": 1,
        "dense_motion_params": {
            "block_expansion": 4,
            "max_features": 8,
            "num_blocks": 2,
            "reshape_depth": 4,
            "compress": 2,
        },
    },
}


# Modules of half a minute and more, the longest first: two processes that begin with them end at
# about the same time.
LONGEST = (
    *("flows/generate/test_on_ray.py", "test_readme.py", "flows/train/test_train.py"),
    *("flows/schedule/test_schedule.py", "flows/running/test_executor.py"),
    *("flows/augment/test_augment.py", "flows/uplift/test_gate.py"),
    *("flows/uplift/test_uplift.py", "flows/benchmarks/test_benchmarks.py"),
    *("flows/generate/test_defects.py", "flows/generate/test_clips_once.py"),
    *("test_shipped_model.py", "flows/test_doctor.py"),
    *("flows/evaluation/test_evaluate.py", "flows/browse/test_browse_pages.py"),
    *("flows/generate/test_kill.py", "generators/forecasters/test_keypoint_predictor.py"),
)
TURNS = {ROOT / "tests" / name: turn for turn, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules; give slow tests half an hour if they do not say how long."""
    items.sort(key=lambda item: TURNS.get(item.path, len(TURNS)))
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture
def shared() -> Path:
    """The folder of real clips, and of what is not ours to give away, beside the project."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared: real clips, published weights and photographs")
    return SHARED.resolve()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
