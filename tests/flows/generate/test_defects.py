"""`generate --defects`: from the order in the plan to videos, masks, rows and the ledger."""

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image as Pictures

from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.errors import DefectError, FlawcastError, LeakError, SettingsError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.flows.benchmarks.mask_renderings import rendered_agreements
from flawcast.flows.generate.defects.inputs import check_defects, defects_from_options
from flawcast.flows.generate.defects.ledger import count_defects
from flawcast.flows.generate.defects.orders import order_defects
from flawcast.flows.generate.plan import SetPlan, SourceFrame
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.run import generate
from flawcast.generators.clips import Window
from flawcast.generators.clips.listing import ClipEntry
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.defects.bank import Bank, add_pictures
from flawcast.generators.line.clips import draw_clip
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake
from tests.flows.generate.test_own_model import request

KINDS = ("scratch", "stain", "pit", "crack")
SETTINGS = {"past": 4, "future": 6, "samples": 8, "keep": 3}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of the built-in line at 128x128, two of which are good."""
    folder = tmp_path_factory.mktemp("line") / "clips"
    folder.mkdir()
    rows = ["file,label"]
    for label, seed in (("normal", 3), ("normal", 4), ("slip", 3)):
        name = f"{label}{seed}.mkv"
        write_ffv1(folder / name, draw_clip(label, seed, 20, 128).frames, 12.5)
        rows.append(f"{name},{label}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def model(made: tuple[Path, Any]) -> Path:
    """What the first run fitted to the clips; the others need not do so again."""
    return made[0].with_name("store.model")


def asked(clips: Path, store: Path, **values: Any) -> Any:
    """Generate with defects, in this process."""
    defects = {"types": KINDS, "share": 0.5, "severity": (0.6, 1.0), **values.pop("defects", {})}
    settings = {**SETTINGS, **values.pop("settings", {})}
    return generate(request(clips, store, defects=defects, settings=settings, **values))


@pytest.fixture(scope="module")
def made(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A store with defects and placebos, kept as layers, and the summary of its run."""
    store = tmp_path_factory.mktemp("made") / "store"
    return store, asked(clips, store, keep_as="layers")


def test_a_share_of_the_sets_has_a_defect_and_the_others_a_placebo(made: tuple[Path, Any]) -> None:
    store, summary = made
    rows = SampleStore.open(store).query().to_pylist()
    defective = [row for row in rows if row["defect_type"]]
    assert (summary.defects.requested, summary.defects.made) == (3, len(defective))
    assert len(defective) >= 2
    assert summary.defects.made + sum(summary.defects.rejected.values()) == 3
    assert summary.defects.placebos == sum(row["placebo"] for row in rows) == 3
    for row in defective:
        assert row["label"] == row["defect_type"] in KINDS
        assert row["motion_label"] in ("normal", "slip")
        assert row["defect_source"] == "procedural"
        assert 0.6 <= row["defect_severity"] <= 1
        assert 0 < row["defect_frame_x"] < 1
        assert row["defect_contrast"] > 2
        assert row["masks"] == "drawn"
    for row in rows:
        if row["placebo"]:
            assert row["label"] == row["motion_label"]
            assert row["defect_type"] is None


def test_defects_can_be_asked_for_in_sql(made: tuple[Path, Any]) -> None:
    store = SampleStore.open(made[0])
    sets = store.query("defect_severity > 0.5 and not placebo")
    samples = store.query("defect_type is not null and defect_size > 0.01", rows="samples")
    assert samples.num_rows == 3 * sets.num_rows > 0
    assert min(samples["defect_contrast"].to_pylist()) > 1.5


def test_the_run_keeps_its_ledger(made: tuple[Path, Any]) -> None:
    (run,) = SampleStore.open(made[0]).query(rows="runs").to_pylist()
    assert '"defect_ledger": {' in run["settings"]
    assert made[1].to_json()["defects"]["requested"] == 3
    lines = made[1].defects.lines()
    assert lines[0].startswith("defects: 3 requested = ")


def test_masks_are_where_the_rendering_moves_the_defect(made: tuple[Path, Any]) -> None:
    """A layer in a colour of its own, in the defect's place, changes the pixels of the mask."""
    store = SampleStore.open(made[0])
    overlaps = []
    for set_id in store.query("defect_type is not null")["set_id"].to_pylist():
        layers = store.load(set_id).layers
        assert layers is not None
        overlaps += rendered_agreements(layers)
    assert len(overlaps) >= 20
    assert np.mean(overlaps) >= 0.85


def test_a_placebo_has_an_empty_mask_on_the_part(made: tuple[Path, Any]) -> None:
    store = SampleStore.open(made[0])
    for set_id in store.query("placebo")["set_id"].to_pylist():
        masks = np.asarray(store.load(set_id).masks)
        assert (masks == PART).any()
        assert not (masks == DEFECT).any()


def test_the_same_seed_gives_the_same_bytes_as_pixels_and_as_layers(
    made: tuple[Path, Any], model: Path, clips: Path, tmp_path: Path
) -> None:
    layered = SampleStore.open(made[0])
    asked(clips, tmp_path / "again", model=model, keep_as="pixels")
    plain = SampleStore.open(tmp_path / "again")
    assert plain.set_ids() == layered.set_ids()
    for set_id in plain.set_ids():
        one, other = layered.load(set_id), plain.load(set_id)
        assert np.array_equal(np.asarray(one.videos), other.videos)
        assert np.array_equal(np.asarray(one.masks), other.masks)
        assert np.array_equal(np.asarray(one.valid), other.valid)
    for store, folder in ((layered, made[0]), (plain, tmp_path / "again")):
        assert store.verify(ids=True) == []
        samples = store.query("rank = 1", rows="samples").to_pylist()
        for row in (
            next(r for r in samples if r["placebo"]),
            next(r for r in samples if r["defect_type"]),
        ):
            again = regenerate(str(folder), row["sample_id"])
            assert (again.equal, again.largest) == (True, 0)


def test_defects_change_neither_other_ids_nor_the_choice(
    made: tuple[Path, Any], model: Path, clips: Path, tmp_path: Path
) -> None:
    defective = SampleStore.open(made[0])
    asked(clips, tmp_path / "half", model=model, defects={"placebo": False})
    half = SampleStore.open(tmp_path / "half")
    generate(request(clips, tmp_path / "plain", model=model, settings=SETTINGS))
    plain = SampleStore.open(tmp_path / "plain")
    good = half.query("defect_type is null")["set_id"].to_pylist()
    assert len(good) == 3
    assert set(good) < set(plain.set_ids())
    by_window = {(row["clip_id"], row["window_start"]): row for row in plain.query().to_pylist()}
    for row in defective.query().to_pylist():
        same = by_window[row["clip_id"], row["window_start"]]
        kept = defective.load(row["set_id"]).indices
        assert set(kept) <= set(plain.load(same["set_id"]).indices)
        assert row["set_id"] != same["set_id"]
        if row["keep"] == same["keep"]:
            assert (row["mae"], row["apd"]) == (same["mae"], same["apd"])


def test_a_defect_grows_from_its_onset_on(clips: Path, model: Path, tmp_path: Path) -> None:
    defects = {"types": ("stain",), "onset": (2, 2), "share": 1}
    asked(clips, tmp_path / "store", model=model, windows=1, defects=defects)
    store = SampleStore.open(tmp_path / "store")
    rows = store.query().to_pylist()
    assert rows
    for row in rows:
        assert (row["defect_onset"], row["onset"]) == (2, row["window_start"] + 4 + 2)
        areas = (np.asarray(store.load(row["set_id"]).masks) == DEFECT).sum(axis=(2, 3))
        assert (areas[:, :2] == 0).all()
        assert (areas[:, -1] > 1.5 * areas[:, 2]).all()


def test_a_learned_model_moves_defects_by_its_own_motion(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    drawn = {"size": 128, "detail": "native", "windows": 1}
    defects = {"types": ("stain", "scratch"), "share": 0.7}
    summary = asked(clips, tmp_path / "store", model=tiny_model, defects=defects, **drawn)
    assert summary.defects.made >= 2
    store = SampleStore.open(tmp_path / "store")
    assert store.verify(ids=True) == []
    row = store.query("defect_type is not null", rows="samples").to_pylist()[0]
    masks = np.asarray(store.load(row["set_id"]).masks)
    assert (masks == DEFECT).any()
    assert (masks == PART).any()
    assert regenerate(str(tmp_path / "store"), row["sample_id"]).equal


def test_cut_outs_of_a_bank_are_put_on_parts(clips: Path, model: Path, tmp_path: Path) -> None:
    stills, rng = tmp_path / "stills", np.random.default_rng(0)
    stills.mkdir()
    still = rng.normal(150, 4, (96, 96, 3)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((96, 96), np.uint8)
    mask[40:52, 30:66] = 255
    still[mask > 0] = 40
    Pictures.fromarray(still).save(stills / "a.png")
    Pictures.fromarray(mask).save(stills / "a_mask.png")
    add_pictures(stills, Bank(tmp_path / "bank"), label="burn")
    asked(
        clips,
        tmp_path / "store",
        model=model,
        defects={"types": (), "bank": tmp_path / "bank", "size": (0.2, 0.3)},
        windows=1,
        masks=True,
    )
    store = SampleStore.open(tmp_path / "store")
    rows = store.query("label = 'burn'").to_pylist()
    assert rows
    assert {row["masks"] for row in rows} == {"drawn"}
    assert set(store.query("placebo")["masks"].to_pylist()) == {"motion"}  # as --masks asks
    assert store.verify(ids=True) == []
    (item,) = Bank(tmp_path / "bank")
    assert {row["defect_source"] for row in rows} == {item.item_id}
    assert {row["defect_type"] for row in rows} == {"cut_out"}
    with pytest.raises(LeakError, match="expected no cut-outs of test stills"):
        check_defects(DefectSettings(bank=tmp_path / "bank", test=(stills / "a.png",)), 6)


def test_a_region_off_the_part_is_a_reason(clips: Path, model: Path, tmp_path: Path) -> None:
    corner = np.zeros((128, 128), np.uint8)
    corner[:6, :6] = 255
    Pictures.fromarray(corner).save(tmp_path / "corner.png")
    wanted = {"where": tmp_path / "corner.png", "share": 1}
    with pytest.raises(DefectError, match="the region has no room for it on the part"):
        asked(clips, tmp_path / "store", model=model, defects=wanted, windows=1)
    rejects = SampleStore.open(tmp_path / "store").query(rows="rejects").to_pylist()
    assert len(rejects) == 3


def test_a_region_of_another_aspect_is_refused(clips: Path, model: Path, tmp_path: Path) -> None:
    Pictures.fromarray(np.full((50, 80), 255, np.uint8)).save(tmp_path / "wide.png")
    wide = {"where": tmp_path / "wide.png"}
    with pytest.raises(DefectError, match=r"of the frames' size 128x128 .* is 80x50; draw it"):
        asked(clips, tmp_path / "store", model=model, defects=wide)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"defects": "rust"}, "the folder of one bank, got 'rust'"),
        ({"defects": "pit", "share": 1.5}, "defect-share: expected more than 0 and at most 1"),
        ({"defects": "pit", "severity": "1:0.2"}, "severity: expected the smaller number first"),
        ({"defects": "pit", "severity": "0:2"}, "severity: expected 0 to 1, got 0:2"),
        ({"defects": "pit", "size": "big"}, "defect-size: expected a range such as 0.2:1.0"),
        ({"defects": "pit", "size": "0.5:3"}, "defect-size: expected 0 to 1, got 0.5:3"),
        ({"defects": "pit", "onset": "0.5"}, "defect-onset: expected a range such as 2:5"),
        ({"defects": None, "severity": "0.5"}, "severity: expected --defects with it"),
        ({"defects": ","}, "defects: expected types or a bank, got neither"),
    ],
)
def test_options_that_do_not_fit_are_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        defects_from_options(**options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_banks_and_regions_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    Pictures.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "empty.png")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no bank")
    wrong = {
        "expected a mask that marks something": {"where": tmp_path / "empty.png"},
        "where: .*absent.png": {"where": tmp_path / "absent.png"},
        "bank: expected items.parquet": {"bank": tmp_path / "other"},
        "bank: expected defects in": {"bank": tmp_path / "none"},
        "defect-onset: expected a future frame from 0 to 5": {"onset": (2, 6)},
    }
    for said, values in wrong.items():
        with pytest.raises(FlawcastError, match=said):
            check_defects(DefectSettings(types=("pit",), **values), 6)  # type: ignore[arg-type]


def test_the_command_names_what_is_wrong(clips: Path, tmp_path: Path) -> None:
    said = mistake("generate", clips, "--store", tmp_path / "s", "--defects", "rust")
    assert "scratch" in said


def plan_of(number: int) -> SetPlan:
    entry = ClipEntry(Path(f"{number}.mkv"), f"{number}.mkv", "normal")
    window, source = Window(0, 4, 6), SourceFrame(entry, f"clip-{number}", 0)
    return SetPlan(f"set-{number:016x}", entry, f"clip-{number}", window, source, "reconstruction")


def test_orders_are_spread_as_asked() -> None:
    plans = [plan_of(number) for number in range(400)]
    settings = DefectSettings(types=("scratch", "pit"), share=0.25, severity=(0.3, 0.4))
    orders = order_defects(plans, settings, 7)
    defects = [order for order in orders if order and not order.placebo]
    assert len(defects) == 100
    assert sum(order.placebo for order in orders if order) == 300
    assert 30 < Counter(order.type for order in defects)["pit"] < 70
    assert all(0.3 <= order.severity <= 0.4 for order in defects)
    assert orders == order_defects(plans, settings, 7)
    assert orders != order_defects(plans, settings, 8)
    assert (
        order_defects(plans, settings.model_copy(update={"placebo": False}), 7).count(None) == 300
    )


def test_the_ledger_adds_up() -> None:
    plans = [plan_of(number) for number in range(4)]
    orders = order_defects(plans, DefectSettings(types=("pit",), share=1), 0)
    plans = [replace(plan, order=order) for plan, order in zip(plans, orders, strict=True)]
    ledger = count_defects(plans, {}, {plans[0].set_id: "faint", plans[1].set_id: "hidden"})
    assert ledger is not None
    assert (ledger.requested, ledger.made, ledger.failed) == (4, 0, 2)
    assert ledger.rejected == {"faint": 1, "hidden": 1}
    assert count_defects([plan_of(0)], {}, {}) is None


@pytest.mark.slow
def test_two_workers_on_ray_make_the_same(
    made: tuple[Path, Any], clips: Path, tmp_path: Path
) -> None:
    short = Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))  # Ray wants short names
    with mock.patch.object(tempfile, "tempdir", str(short)):
        summary = asked(clips, tmp_path / "store", keep_as="layers", workers=2)
    shutil.rmtree(short, ignore_errors=True)
    assert summary.defects == made[1].defects
    here, there = (SampleStore.open(store) for store in (made[0], tmp_path / "store"))
    assert here.set_ids() == there.set_ids()
    columns = ["sample_id", "label", "video_sha256", "defect_contrast"]
    rows = [store.query(rows="samples").select(columns).to_pylist() for store in (here, there)]
    assert rows[0] == rows[1]
