"""Lines to copy from the pages ask for what is shown; the command starts and ends cleanly."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from flawcast.flows.browse.filters import Filter
from flawcast.flows.browse.snippets import lines_for_samples, lines_for_set
from flawcast.storage import SampleSetDataset, SampleStore
from flawcast.storage.sample_cache import CachedSamples
from tests.flows.browse.browsing import (
    first_sample,
    visible_set,
)
from tests.flows.commands.running import mistake, run
from tests.paths import ROOT
from tests.storage.examples import set_id


def test_lines_to_copy_ask_for_what_is_shown(store: SampleStore, tmp_path: Path) -> None:
    store.commit(visible_set(5, label='o\'ring "3" $HOME'))
    held = CachedSamples(store.url)
    store.review(first_sample(store), "rejected")
    for chosen in (
        Filter(),
        Filter(label=["jam", 'o\'ring "3" $HOME'], mae_from=0.02),
        Filter(review=["none", "accepted"], diversity_to=0.5, run=["run-1"], where="rank < 2"),
    ):
        wanted = held.query(chosen.sql)["sample_id"].to_pylist()
        query, export, python = lines_for_samples(store.url, chosen.sql, chosen.order_by)
        words = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {query.text}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")[1:-1]
        rows = json.loads(run(*words, "--json").stdout)
        assert sorted(row["sample_id"] for row in rows) == wanted
        values: dict[str, object] = {}
        exec(python.text, values)  # noqa: S102 - our own line
        dataset = values["dataset"]
        assert isinstance(dataset, SampleSetDataset)
        assert [row["sample_id"] for row in dataset.rows] == wanted
        assert "--where" in export.text or chosen.sql is None
    values = {}
    exec(lines_for_set(store.url, set_id(1))[2].text, values)  # noqa: S102
    assert values["futures"].id == set_id(1)  # type: ignore[attr-defined]


def test_commands_of_the_document_run(store: SampleStore) -> None:
    text = (ROOT / "docs" / "browsing.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [command[1] for command in commands] == ["browse", "query", "query"]
    for command in commands[1:]:  # the first is run until Ctrl-C below
        words = [store.url if word == "STORE" else word for word in command[1:]]
        assert run(*words).returncode == 0


def test_mistakes_are_one_line(store: SampleStore, tmp_path: Path) -> None:
    assert "expected a store, found nothing" in mistake("browse", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = mistake("browse", store.url, "--port", port, "--cache", tmp_path / "cache")
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in said
    assert "cannot listen on 203.0.113.1" in mistake("browse", store.url, "--host", "203.0.113.1")


def test_ctrl_c_ends_it_cleanly(store: SampleStore, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from flawcast.flows.cli import main; main()",
        "browse",
        store.url,
    ]
    options = ["--port", "0", "--json", "--cache", str(tmp_path / "cache")]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == (
            "flawcast: interrupted; the pages are closed, reviews are in the store\n"
        )
