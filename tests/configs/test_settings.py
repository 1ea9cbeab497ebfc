"""Presets, overrides, registry, shapes and ids: the vocabulary that all folders share."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.configs.identity import content_id, derive_seed, hash_files
from flawcast.configs.preset_files import load_preset, preset_names
from flawcast.configs.registry import Registry
from flawcast.configs.settings import MotionTraining, validated
from flawcast.configs.shapes import expect_shape


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_builds_its_sizes(name: str) -> None:
    assert load_preset(name).backbone.config


def test_overrides_change_one_value_and_leave_the_rest() -> None:
    settings = load_preset("tiny")
    changed = settings.overridden({"motion.steps": 7, "seed": None})
    assert changed.motion.steps == 7
    assert changed.model_copy(update={"motion": settings.motion}) == settings


def test_another_forecaster_does_not_inherit_the_settings_of_the_first() -> None:
    settings = load_preset("demo")
    assert settings.forecaster.config
    assert settings.overridden({"forecaster.name": "gru_nf"}) == settings
    assert settings.overridden({"forecaster.name": "vrnn"}).forecaster.config == {}


def test_an_override_out_of_range_names_its_place() -> None:
    with pytest.raises(SettingsError, match=r"motion\.steps"):
        load_preset("tiny").overridden({"motion.steps": 0})


def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("[1, 2]")
    with pytest.raises(SettingsError, match="settings"):
        load_preset(str(tmp_path / "a.yaml"))
    (tmp_path / "b.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match="expected YAML"):
        load_preset(str(tmp_path / "b.yaml"))


def test_an_unknown_name_lists_those_that_exist() -> None:
    registry: Registry[int] = Registry("thing", "configs")
    registry.register("one")(1)
    registry.register("two")(2)
    with pytest.raises(SettingsError, match="thing: expected one of one, two; got 'three'"):
        registry["three"]


def test_a_repeated_letter_must_agree() -> None:
    assert expect_shape("a", np.zeros((2, 3, 2)), "N M N") == {"N": 2, "M": 3}
    with pytest.raises(ShapeError, match=r"a: expected axes \(N, M, N\), got shape \(2, 3, 4\)"):
        expect_shape("a", np.zeros((2, 3, 4)), "N M N")


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.randoms())
def test_ids_do_not_depend_on_order(parts: dict[str, object], random: object) -> None:
    items = list(parts.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert content_id("set", parts=parts) == content_id("set", parts=dict(items))


@given(st.integers(0), st.integers(0), st.text())
def test_seeds_differ_by_every_part(first: int, second: int, name: str) -> None:
    assert 0 <= derive_seed(first, name) < 2**63
    assert (derive_seed(first, name) == derive_seed(second, name)) == (first == second)


def test_hashes_of_files_see_order_and_borders(tmp_path: Path) -> None:
    for name, data in (("a", b"12"), ("b", b"3"), ("c", b"1"), ("d", b"23")):
        (tmp_path / name).write_bytes(data)
    paths = {name: tmp_path / name for name in "abcd"}
    hashes = {
        hash_files([paths[name] for name in names]) for names in ("ab", "ba", "cd", "a", "dc")
    }
    assert len(hashes) == 5


def test_an_older_name_of_a_setting_is_read() -> None:
    """Cards and presets written before the name changed."""
    old = MotionTraining.model_validate({"largest_gradient": 10})
    assert old == MotionTraining(clip_gradient_value=10)
    assert old.model_dump()["clip_gradient_value"] == 10
    with pytest.raises(SettingsError, match=r"clip_gradient_value"):
        validated(MotionTraining, {"clip_gradient_value": -1}, "options")
