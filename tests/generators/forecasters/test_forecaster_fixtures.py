"""Flow, GRU-NF and VRNN equal their reference numbers."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from flawcast.generators.forecasters.models.gru_nf import GRUNFConfig, GRUNFForecaster
from flawcast.generators.forecasters.models.realnvp import ConditionalRealNVP
from flawcast.generators.forecasters.models.vrnn import VRNNConfig, VRNNForecaster
from tests.filling import forecaster_value
from tests.paths import FIXTURES

FLOWS = (
    "d7_h16_l5_bn",
    "d7_h16_l5_nobn",
    "d60_h64_l3_bn",
    "d60_h64_l3_nobn",
    "d60_h32_l5_bn",
    "d60_h32_l5_nobn",
)


@pytest.mark.parametrize("name", FLOWS)
def test_flow_reproduces_the_reference(name: str) -> None:
    facts = json.loads((FIXTURES / "flow" / f"{name}.json").read_text())
    truth = {
        key: torch.as_tensor(value)
        for key, value in np.load(FIXTURES / "flow" / f"{name}.npz").items()
    }
    layers = facts["n_hidden"] + 2
    flow = ConditionalRealNVP(
        facts["dim"], facts["cond"], facts["hidden"], layers, facts["n_blocks"], facts["bn"]
    ).double()
    state = {
        key: torch.as_tensor(
            forecaster_value(key, value["shape"], facts["seed"], facts["last_layer"])
        )
        for key, value in facts["keys"].items()
    }
    flow.load_state_dict(state, strict=True)
    flow.eval()
    close = {"rtol": 1e-9, "atol": 1e-9}
    for suffix in ("", "_seq"):
        values, condition = truth[f"x{suffix}"], truth[f"cond{suffix}"]
        latent, change = flow(values, condition)
        torch.testing.assert_close(latent, truth[f"z{suffix}"], **close)
        torch.testing.assert_close(change, truth[f"logdet{suffix}"], **close)
        density = flow.log_prob(values, condition)
        torch.testing.assert_close(density, truth[f"log_prob{suffix}"], **close)
        drawn = flow.inverse(truth[f"noise{suffix}"], condition)
        torch.testing.assert_close(drawn, truth[f"x_from_noise{suffix}"], **close)
    if facts["bn"]:
        flow.train()
        density = flow.log_prob(truth["x_seq"], truth["cond_seq"])
        torch.testing.assert_close(density, truth["train_log_prob_seq"], **close)
        for index, layer in enumerate(flow.batchnorm):
            for kind in ("mean", "var"):
                found = getattr(layer, f"running_{kind}")
                torch.testing.assert_close(found, truth[f"train_running_{kind}_{index}"], **close)


@pytest.mark.parametrize("name", ["rollout_a", "rollout_b"])
def test_gru_nf_reproduces_the_reference(name: str) -> None:
    facts = json.loads((FIXTURES / "gru_nf" / f"{name}.json").read_text())
    truth = {
        key: torch.as_tensor(value)
        for key, value in np.load(FIXTURES / "gru_nf" / f"{name}.npz").items()
    }
    sizes = facts["flow"]
    config = GRUNFConfig(
        hidden=facts["hidden"],
        gru_layers=facts["layers"],
        condition=facts["condition"],
        blocks=sizes["n_blocks"],
        flow_hidden=sizes["hidden"],
        flow_layers=sizes["n_hidden"] + 2,
        batch_norm=sizes["bn"],
        affine=False,
        target="positions",
    )
    model = GRUNFForecaster(facts["dim"], config).double()
    state = {
        f"flow.{key}": torch.as_tensor(
            forecaster_value(key, shape, facts["seed"], facts["last_layer"])
        )
        for key, shape in facts["flow_keys"].items()
    }
    for key, shape in (facts["gru_keys"] | facts["condition_keys"]).items():
        state[key] = torch.as_tensor(forecaster_value(key, shape, facts["seed"]))
    model.load_state_dict(state | {"step_scale": torch.ones(facts["dim"])}, strict=True)
    model.eval()
    drawn = model.roll_out(truth["context"], truth["noise"])
    torch.testing.assert_close(drawn, truth["samples"], rtol=1e-9, atol=1e-9)
    density = model.log_prob(torch.cat([truth["context"], truth["future"]], dim=1))
    wanted = truth["log_prob_teacher_forced"]
    torch.testing.assert_close(density, wanted, rtol=1e-9, atol=1e-9)


def test_vrnn_reproduces_the_reference() -> None:
    facts: dict[str, Any] = json.loads((FIXTURES / "vrnn" / "rollout.json").read_text())
    truth = {
        key: torch.as_tensor(value)
        for key, value in np.load(FIXTURES / "vrnn" / "rollout.npz").items()
    }
    config = VRNNConfig(
        hidden=facts["hidden"],
        latent=facts["latent"],
        mlp=facts["mlp"],
        target="positions",
        output_noise=False,
    )
    model = VRNNForecaster(facts["dim"], config).double()
    state = {
        key: torch.as_tensor(forecaster_value(key, shape, facts["seed"]))
        for key, shape in facts["keys"].items()
    }
    model.load_state_dict(state | {"step_scale": torch.ones(facts["dim"])}, strict=True)
    model.eval()
    close = {"rtol": 1e-9, "atol": 1e-9}
    with torch.no_grad():
        decoded, divergence, seen = model.encode(truth["context"], truth["eps_context"])
    torch.testing.assert_close(decoded, truth["reconstruction"], **close)
    torch.testing.assert_close(divergence, truth["kl"], **close)
    model.start = lambda past: seen  # type: ignore[method-assign]  # the reference drew its past
    drawn = model.roll_out(truth["context"], truth["eps_future"])
    torch.testing.assert_close(drawn, truth["samples"], **close)
