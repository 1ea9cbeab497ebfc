"""In a notebook, sets and answers show frames; answers stay pyarrow tables."""

import atexit
import base64
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

from flawcast.storage import SampleStore
from flawcast.storage.notebook import tell_ipython
from tests.storage.examples import sample_set, set_id

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython without a history, whose files go with the test."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setitem(
        sys.modules, "__main__", sys.modules["__main__"]
    )  # IPython puts its own there
    quiet = Config()
    quiet.HistoryManager.enabled = False
    made = InteractiveShell.instance(config=quiet)
    tell_ipython()  # as importing the store does in a notebook
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()
    InteractiveShell.clear_instance()


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    opened = SampleStore.open(tmp_path / "store", "a")
    for seed in range(3):
        opened.commit(sample_set(seed, label=HOSTILE))
    return opened


def pictures(html: str) -> list[tuple[int, int]]:
    """Sizes of the pictures."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))).size for data in found]


def shown(shell: InteractiveShell, value: object) -> dict[str, str]:
    """What a notebook gets for a value."""
    formatted, _ = shell.display_formatter.format(value)
    return dict(formatted)


def test_a_set_shows_past_reference_and_futures(shell: InteractiveShell) -> None:
    html = shown(shell, sample_set(label=HOSTILE))["text/html"]
    assert pictures(html) == [(20, 8), *[(40, 8)] * 4]  # 2 frames, then 4 each, 8x10 pixels
    assert HOSTILE not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(("rows", "count"), [("sets", 3), ("samples", 8)])
def test_an_answer_shows_frames(
    rows: str, count: int, shell: InteractiveShell, store: SampleStore
) -> None:
    answer = store.query(rows=rows)
    html = shown(shell, answer)["text/html"]
    assert len(pictures(html)) == count
    assert f"{answer.num_rows} rows" in html
    assert HOSTILE not in html


def test_an_answer_without_frames_is_a_table(shell: InteractiveShell, store: SampleStore) -> None:
    assert "<th>reason</th>" in shown(shell, store.query(rows="rejects"))["text/html"]
    chosen = store.query().select(["label", "apd"])
    assert pictures(shown(shell, chosen)["text/html"]) == []


def test_other_tables_and_a_users_own_way_stay_as_they_are(
    shell: InteractiveShell, store: SampleStore
) -> None:
    answer = store.query()
    assert "text/html" not in shown(shell, pa.table({"a": [1]}))
    shell.display_formatter.formatters["text/html"].for_type(pa.Table, lambda table: "mine")
    tell_ipython()
    assert shown(shell, answer)["text/html"] == "mine"


def test_an_answer_is_a_pyarrow_table(store: SampleStore, tmp_path: Path) -> None:
    answer = store.query()
    assert type(answer) is pa.Table
    assert pa.concat_tables([answer, store.query(limit=1)]).num_rows == 4
    pq.write_table(answer, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(answer)


def test_an_answer_outlives_its_store(shell: InteractiveShell, store: SampleStore) -> None:
    answer = store.query()
    assert store.root is not None
    (store.root / "store.json").unlink()
    html = shown(shell, answer)["text/html"]
    assert pictures(html) == []
    assert set_id(0) in html
