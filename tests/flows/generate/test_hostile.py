"""Damaged model and store folders: a clear error or a sound answer, never a traceback."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flawcast.configs.errors import FlawcastError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.generators.model import load_model
from flawcast.storage import SampleStore

SETTINGS = GenerateSettings(past=4, future=4, samples=12, keep=5)
ROUNDS = [4, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]


def flip(data: bytes, draw: random.Random) -> bytes:
    """Change a few bytes."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def cut(data: bytes, draw: random.Random) -> bytes:
    """Lose the end."""
    return data[: draw.randrange(len(data))]


def swell(data: bytes, draw: random.Random) -> bytes:
    """Repeat a part in the middle."""
    where = draw.randrange(len(data))
    return data[:where] + data[max(0, where - 50) : where] * 40 + data[where:]


def digits(data: bytes, draw: random.Random) -> bytes:
    """Make numbers absurd."""
    places = [index for index, byte in enumerate(data[:20_000]) if 48 <= byte <= 57]
    changed = bytearray(data)
    for place in draw.sample(places, min(3, len(places))):
        changed[place] = 57
    return bytes(changed)


DAMAGE = (flip, cut, swell, digits)
Damage = Callable[[bytes, random.Random], bytes]


def damaged(folder: Path, copy: Path, damage: Damage, draw: random.Random) -> str:
    """Copy a folder and damage one of its files; its name."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
    victim = draw.choice(files)
    victim.write_bytes(damage(victim.read_bytes(), draw))
    return str(victim.relative_to(copy))


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damaged_models_are_refused_or_sound(
    damage: Damage, rounds: int, tiny_model: Path, tmp_path: Path
) -> None:
    draw = random.Random(7)  # noqa: S311 - damage, no secrets
    refused = 0
    for _ in range(rounds):
        name = damaged(tiny_model, tmp_path / "model", damage, draw)
        refused += attempt(lambda: load_model(tmp_path / "model").clip_settings(), name) is None
    assert refused


@pytest.fixture(scope="module")
def store(line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three sets."""
    folder = tmp_path_factory.mktemp("hostile") / "store"
    request = {"clips": line_folder, "model": tiny_model, "store": str(folder), "workers": 0}
    generate(GenerateRequest.model_validate(request | {"settings": SETTINGS}))
    return folder


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damaged_stores_never_hand_out_other_videos(
    damage: Damage, rounds: int, store: Path, tmp_path: Path
) -> None:
    draw = random.Random(11)  # noqa: S311 - damage, no secrets
    sound = {name: SampleStore.open(store).load(name) for name in SampleStore.open(store).set_ids()}
    for _ in range(rounds):
        name = damaged(store, tmp_path / "store", damage, draw)
        steps: list[Callable[[SampleStore], object]] = [
            lambda opened: opened.query(),
            lambda opened: opened.query(rows="runs"),
            lambda opened: opened.verify(),
            lambda opened: list(opened.gc(dry_run=True)),
        ]
        for step in steps:
            attempt(lambda step=step: step(SampleStore.open(tmp_path / "store")), name)
        for set_id, truth in sound.items():
            found = attempt(
                lambda set_id=set_id: SampleStore.open(tmp_path / "store").load(set_id), name
            )
            assert found is None or (found.videos == truth.videos).all(), name


def attempt(action: Callable[[], Any], name: str) -> Any:
    """Do something with a damaged folder: an answer, or None for a clear refusal in one line."""
    message = ""
    try:
        return action()
    except FlawcastError as error:
        message = str(error)
    assert "\n" not in message, name
    return None


@pytest.mark.parametrize(
    "set_id",
    ["../../etc/passwd", "set-0/../../x", "/etc/passwd", "set-" + "0" * 5000, "", "set-\0"],
)
def test_ids_lead_nowhere_else(set_id: str, store: Path) -> None:
    opened = SampleStore.open(store)
    for ask in (opened.has, opened.load, opened.row):
        with pytest.raises(FlawcastError):
            ask(set_id)


def test_a_card_full_of_nonsense_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    for nonsense in (None, 3, [], {"clips": {"size": 10**9}}, {"clips": {"size": "x"}}):
        text = json.dumps({**card, "settings": nonsense})
        (tmp_path / "model" / "card.json").write_text(text)
        with pytest.raises(FlawcastError):
            load_model(tmp_path / "model").clip_settings()
