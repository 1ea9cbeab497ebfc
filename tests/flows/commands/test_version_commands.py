"""`tag`, `tags`, `diff`, `forget` and `--tag`, as a user meets them."""

import csv
import json
from pathlib import Path

import pytest

from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run
from tests.storage.examples import sample_set, set_id


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Four sets: jam, normal, slip, jam."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(4):
        store.commit(sample_set(seed))
    return store


def found(*arguments: object) -> list[str]:
    """Ids that a query prints."""
    done = run("query", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [row["set_id"] for row in json.loads(done.stdout)]


def test_a_tag_is_made_listed_shown_and_deleted(store: SampleStore) -> None:
    done = run("tag", store.url, "for-detector-7", "--where", "label <> 'slip'")
    assert (done.returncode, done.stdout) == (0, "tag for-detector-7: 3 sets\n")
    made = json.loads(run("tag", store.url, "all", "--json").stdout)
    assert made == {"tag": "all", "sets": 4, "where": None}
    rows = json.loads(run("tags", store.url, "--json").stdout)
    assert [(row["tag"], row["sets"], row["where"]) for row in rows] == [
        ("for-detector-7", 3, "label <> 'slip'"),
        ("all", 4, None),
    ]
    lines = run("tags", store.url).stdout.splitlines()
    (line,) = (line for line in lines if "for-detector-7" in line)
    assert line.rstrip().endswith("label <> 'slip'")
    store.forget([set_id(0)])
    assert found(store.url, "--tag", "for-detector-7") == [set_id(n) for n in (0, 1, 3)]
    told = run("verify", store.url, "--tag", "all").stdout
    assert told.endswith("4 sets, 4 problems\n")  # their ids are no hashes
    assert run("verify", store.url).stdout.endswith("3 sets, 3 problems\n")
    assert run("tag", store.url, "all", "--delete").stdout == "tag all: deleted\n"
    assert len(json.loads(run("tags", store.url, "--json").stdout)) == 1


def test_exports_and_reports_show_a_tag(store: SampleStore, tmp_path: Path) -> None:
    sample = sample_set(1).sample_id(sample_set(1).indices[0])
    store.review(sample, "rejected")
    store.tag("v-1")
    store.forget([set_id(1)])
    out = tmp_path / "made"
    done = run("export", store.url, "--format", "mp4", "--out", out, "--tag", "v-1")
    assert done.returncode == 0, done.stderr
    with (out / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert [row["sample_id"] for row in rows if row["review"] == "rejected"] == [sample]
    assert f"- store: {store.url}, tag v-1" in (out / "README.md").read_text()
    page = tmp_path / "report.html"
    told = json.loads(run("report", store.url, "--out", page, "--tag", "v-1", "--json").stdout)
    assert (told["sets"], told["damaged"]) == (4, [])
    text = page.read_text()
    assert "tag <code>v-1</code>" in text
    assert f"flawcast export {store.url} --tag v-1 --format mp4" in text
    assert f"SampleStore.open(&#39;{store.url}&#39;, tag=&#39;v-1&#39;)" in text
    assert json.loads(run("report", store.url, "--out", page, "--json").stdout)["sets"] == 3
    assert "--tag" not in page.read_text()


def test_sets_are_forgotten_and_come_back(store: SampleStore) -> None:
    done = run("forget", store.url, "--where", "label = 'jam'", "--note", "two belts")
    undo = f"`flawcast forget {store.url} --undo` takes it back until gc"
    assert (done.returncode, done.stdout) == (0, f"2 sets forgotten; {undo}\n")
    assert found(store.url) == [set_id(1), set_id(2)]
    listed = json.loads(run("query", store.url, "--rows", "forgotten", "--json").stdout)
    assert [(row["set_id"], row["note"]) for row in listed] == [
        (set_id(0), "two belts"),
        (set_id(3), "two belts"),
    ]
    assert "two belts" in run("query", store.url, "--rows", "forgotten").stdout
    told = json.loads(run("forget", store.url, set_id(1), set_id(2), "--json").stdout)
    assert told == {"forgotten": [set_id(1), set_id(2)]}
    assert run("forget", store.url, "--undo").stdout == "2 sets are back\n"
    told = json.loads(run("forget", store.url, "--undo", set_id(3), "--json").stdout)
    assert told == {"back": [set_id(3)]}
    assert found(store.url) == [set_id(1), set_id(2), set_id(3)]
    assert "removed 6 files" in run("gc", store.url, "--older-than", "0").stdout
    assert "has removed it" in mistake("forget", store.url, "--undo", set_id(0))


@pytest.mark.parametrize("compacted", [False, True])
def test_damaged_sets_are_forgotten(store: SampleStore, compacted: bool) -> None:
    """Ids are no hashes in this store: those that verify names for that alone are damaged, too."""
    if compacted:
        store.compact()
    root = store.root or Path()
    shard = next(root.glob(f"arrays/{set_id(2)}.*/videos/c*"))
    shard = next(path for path in (shard, *shard.rglob("*")) if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(bytes(data))
    bad = {item.set_id for item in store.verify(ids=True)}
    assert set_id(2) in bad
    told = json.loads(run("forget", store.url, "--damaged", "--json").stdout)
    assert told == {"forgotten": sorted(bad), "left": []}
    assert run("verify", store.url).returncode == 0
    assert run("forget", store.url, "--damaged").stdout == (
        "nothing was forgotten: no set is damaged\n"
    )
    note = store.query(rows="forgotten")["note"].to_pylist()
    assert set(note) == {"damaged"}


def test_diff_tells_what_changed(store: SampleStore) -> None:
    ids = [sample_set(n).sample_id(sample_set(n).indices[0]) for n in range(4)]
    store.review(ids[1], "rejected")
    store.review(ids[2], "accepted")
    store.tag("before")
    store.forget([set_id(0)])
    store.commit(sample_set(4))
    store.review(ids[1], "accepted")
    store.review(ids[2], "none")
    store.forget([set_id(3)])
    store.commit(sample_set(3), again=True)
    told = json.loads(run("diff", store.url, "before", "now", "--json").stdout)
    assert told == {
        "before": "before",
        "after": "now",
        "sets": [4, 4],
        "added": [set_id(4)],
        "removed": [set_id(0)],
        "made_again": [set_id(3)],
        "reviews": [
            {"sample_id": ids[1], "before": "rejected", "after": "accepted"},
            {"sample_id": ids[2], "before": "accepted", "after": "none"},
        ],
        "labels": [
            {"label": "jam", "before": 2, "after": 1, "added": 0, "removed": 1},
            {"label": "normal", "before": 1, "after": 2, "added": 1, "removed": 0},
            {"label": "slip", "before": 1, "after": 1, "added": 0, "removed": 0},
        ],
    }
    back = json.loads(run("diff", store.url, "now", "before", "--json").stdout)
    assert (back["added"], back["removed"]) == (told["removed"], told["added"])
    lines = run("diff", store.url, "before", "now").stdout.splitlines()
    assert ["all", "4", "4", "1", "1"] in [line.split() for line in lines]
    assert f"  {ids[1]}: rejected -> accepted" in lines
    same = run("diff", store.url, "before", "before").stdout
    assert "added:" not in same


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tag", "STORE", "v1"), "tag v1: it is there, with 4 sets"),
        (("tag", "STORE", "a/b"), "tag: expected a name of letters"),
        (("tag", "STORE", "now"), "'now' means the store as it is"),
        (("tag", "STORE", "v2", "--where", ""), "where: expected an expression, got nothing"),
        (("tag", "STORE", "v2", "--where", "x = 1"), "where: "),
        (("tag", "STORE", "v2", "--delete"), "no tag 'v2'; its tags: v1"),
        (("tag", "STORE", "v1", "--delete", "--where", "true"), "--delete removes a whole tag"),
        (("query", "STORE", "--tag", "v2"), "no tag 'v2'; its tags: v1"),
        (("export", "STORE", "--format", "mp4", "--out", "no", "--tag", "v2"), "no tag 'v2'"),
        (("report", "STORE", "--tag", "v2"), "no tag 'v2'"),
        (("browse", "STORE", "--tag", "v2"), "no tag 'v2'"),
        (("verify", "STORE", "--tag", "v2"), "no tag 'v2'"),
        (("diff", "STORE", "v1", "v2"), "no tag 'v2'"),
        (("forget", "STORE"), "expected one of SET_ID..., --where, --damaged and --undo, got none"),
        (("forget", "STORE", set_id(1), "--where", "true"), "got SET_ID and --where; give one"),
        (("forget", "STORE", "--where", " "), "where: expected an expression, got nothing"),
        (("forget", "STORE", set_id(9)), f"no set {set_id(9)}"),
        (("forget", "STORE", "--undo"), "nothing can be undone"),
        (("forget", "STORE", "--undo", set_id(1)), "it is not forgotten"),
    ],
)
def test_mistakes_are_one_line(
    store: SampleStore, arguments: tuple[str, ...], message: str
) -> None:
    store.tag("v1")
    assert message in mistake(*(store.url if word == "STORE" else word for word in arguments))
    assert len(store.set_ids()) == 4


def test_no_store_is_made_by_a_mistake(tmp_path: Path) -> None:
    for command in (("tag", "v1"), ("forget", set_id(1)), ("tags",), ("diff", "now", "now")):
        name, *rest = command
        assert "expected a store, found nothing" in mistake(name, tmp_path / "no", *rest)
    assert not (tmp_path / "no").exists()
