"""What documents say can be typed: commands exist with their options, code runs, links lead on.

`RUN_BY` says which module runs a page's commands and code, `NOT_RUN` why none does.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import yaml
from PIL import Image

import flawcast
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.commands.line import app
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.schedule.serve import read_schedule
from flawcast.generators.backbones import build_backbone
from flawcast.generators.clips.video_files import write_video
from flawcast.generators.line.clips import draw_clip, draw_line, write_line
from flawcast.generators.model import shipped_model
from tests.flows.commands.running import run
from tests.paths import ROOT

TABLES = ROOT / "docs" / "benchmarks"  # as `benchmark --all` writes them
DOCUMENTS = [page for page in (ROOT / "docs").rglob("*.md") if TABLES not in page.parents]
PAGES = [ROOT / "README.md", *sorted(DOCUMENTS)]
RUN_BY = {
    "README.md": "tests/test_readme.py",
    "browsing.md": "tests/flows/browse/test_browse_commands.py",
    "formats.md": "tests/generators/clips/annotations/test_importing.py",
    "training.md": "tests/flows/test_training.py",
    **dict.fromkeys(
        ("defects.md", "extending.md", "index.md", "models.md", "running.md"),
        "tests/test_docs.py",
    ),
    "store.md": "tests/test_docs.py",
    **{page.name: "tests/test_tutorials.py" for page in PAGES if page.parent.name == "tutorials"},
}
NOT_RUN = {  # each with what runs the same commands, smaller
    "cameras.md": "clips of cameras; tests/cases/test_folders.py",
    "watch.md": "minutes, on many clips; tests/flows/evaluation/test_watch.py",
    "benchmarks.md": "hours; tests/flows/benchmarks/test_benchmarks.py",
    "evaluation.md": "hours, on clips that are not ours; tests/flows/evaluation/test_evaluate.py",
    "uplift-images.md": "hours, on pictures that are not ours; "
    "tests/flows/uplift/test_uplift_images.py",
    "uplift-line.md": "hours; tests/flows/uplift/test_uplift.py",
}
NAMES = {"CLIPS": "demo/clips", "STORE": "demo/store"}  # what a user puts a name of his own for
SMALLER = {
    "fit": ["--epochs", "1"],
    "generate": ["--samples", "4", "--keep", "2", "--windows", "1", "--workers", "0"],
}
WAITS = {  # runs until it is interrupted, or for long: tested there
    "schedule": "tests/flows/schedule/test_schedule.py",
    "benchmark defects": "tests/flows/benchmarks/test_defects.py",
}
ELSEWHERE = {"docker": "needs an engine", "make": "tests/test_readme.py"}


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Commands in a page's shell blocks."""
    whole = (block.replace("\\\n", " ") for block in blocks(page, "sh"))
    lines = [line for block in whole for line in block.splitlines() if line.strip()]
    return [shlex.split(line, comments=True) for line in lines]


def mentions(page: Path) -> Iterator[list[str]]:
    """Every mention of a command with its options, in blocks and in the text."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for code in re.findall(r"`([^`]*)`", text):
        line = " ".join(code.split())
        if line.startswith("flawcast ") and "\"'" not in line:
            yield shlex.split(line.replace("[", "").replace("]", "").replace("...", ""))
    for command in commands(page):
        if command[0].endswith("flawcast"):
            yield command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_exist_with_their_options(page: Path) -> None:
    whole = typer.main.get_command(app)
    for command in mentions(page):
        own = whole if command[1].startswith("--") else whole.commands.get(command[1])  # type: ignore[attr-defined]
        assert own is not None, command
        own = getattr(own, "commands", {}).get(" ".join(command[2:3]), own)  # of a group
        options = {name for item in own.params for name in item.opts} | {"--help"}
        used = {word.partition("=")[0] for word in command if word.startswith("--")}
        assert used <= options, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", found.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text())
        found = {(page.parent / link).resolve() for link in links if "://" not in link}
        waiting += [page for page in found if page not in seen]
    assert {page.resolve() for page in PAGES} <= seen


def test_the_examples_of_extending_run(tmp_path: Path) -> None:
    code = "\n".join(blocks(ROOT / "docs" / "extending.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_example_of_defects_runs() -> None:
    (code,) = blocks(ROOT / "docs" / "defects.md", "python")
    values: dict[str, object] = {}
    exec(code, values)  # noqa: S102 - that it runs is what is tested
    assert values["mask"].any()  # type: ignore[attr-defined]
    assert values["moved"].mask.any()  # type: ignore[attr-defined]


def make_store(folder: Path) -> None:
    """What `flawcast demo` leaves in its folder, but for the numbers."""
    clips = write_line(folder / "clips", draw_line(1, seed=3, states=("normal", "jam")))
    settings, store = GenerateSettings(samples=4, keep=2), str(folder / "store")
    model = shipped_model()
    generate(GenerateRequest(clips=clips, model=model, store=store, settings=settings, workers=0))


def run_page(name: str) -> list[str]:
    """Run a page's commands in its order, in this folder; returns which were run."""
    ran = []
    for command in commands(ROOT / "docs" / name):
        if command[0] in ELSEWHERE:
            continue
        assert command[0] == "flawcast", command
        waits = [words for words in (command[1], " ".join(command[1:3])) if words in WAITS]
        if waits:
            assert waits[0].split()[-1] in (ROOT / WAITS[waits[0]]).read_text()
            continue
        words = [NAMES.get(word, word) for word in command[1:]]
        done = run(*words, *SMALLER.get(command[1], []))
        assert done.returncode == 0, (command, done.stderr)
        ran.append(command[1])
    return ran


def test_every_block_is_run_or_it_is_said_why_not() -> None:
    for page in PAGES:
        has_any = re.search(r"^```(sh|bash|python)", page.read_text(), flags=re.MULTILINE)
        assert (page.name in RUN_BY) + (page.name in NOT_RUN) == bool(has_any), page
    for name, tests in RUN_BY.items():
        assert name in (ROOT / tests).read_text(), f"{tests} does not run {name}"
    for reason in NOT_RUN.values():
        assert (ROOT / reason.split()[-1]).is_file(), reason


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_about_defects_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_line(tmp_path / "clips", draw_line(1, seed=3, states=("normal", "slip"), size=128))
    Image.new("L", (128, 128), 255).save("region.png")
    for number, folder in enumerate(("stills", "stills", "stills-of-the-test-split")):
        (tmp_path / folder).mkdir(exist_ok=True)
        clip = draw_clip("crack", seed=number, frames=8, size=128)
        levels = np.where(clip.defect_masks[-1], 255, 128 * clip.part_masks[-1]).astype(np.uint8)
        Image.fromarray(clip.frames[-1]).save(tmp_path / folder / f"crack_{number}.png")
        Image.fromarray(levels).save(tmp_path / folder / f"crack_{number}_mask.png")
    add = ["defects", "add", "stills", "--bank", "bank"]
    assert run(*add).returncode == 0  # the page explains banks after it has used one
    monkeypatch.setitem(SMALLER, "generate", [*SMALLER["generate"], "--model", "demo"])
    monkeypatch.setitem(SMALLER, "benchmark", ["--samples", "10", "--repeats", "1"])
    made = ["generate", "generate", "generate", "query"]
    assert run_page("defects.md") == [*made, "defects", "defects", "defects", "benchmark"]


@pytest.mark.slow
def test_commands_of_the_front_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SMALLER, "generate", [*SMALLER["generate"], "--model", "demo"])
    assert run_page("index.md") == ["inspect", "generate", "query"]


@pytest.mark.slow
def test_commands_and_code_about_running_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_line(tmp_path / "clips", draw_line(1, seed=3, states=("normal",)))
    (code,) = blocks(ROOT / "docs" / "running.md", "python")
    exec(code, {})  # noqa: S102 - that it runs is what is tested
    monkeypatch.setitem(SMALLER, "generate", [*SMALLER["generate"], "--model", "demo"])
    assert run_page("running.md") == ["generate"]
    assert (tmp_path / "run.log").is_file()


def test_examples_of_settings_are_read(tmp_path: Path) -> None:
    """The schedule of docs/running.md, and the rules for Prometheus beside it."""
    schedule, rules = blocks(ROOT / "docs" / "running.md", "yaml")
    (tmp_path / "nightly.yaml").write_text(schedule)
    assert read_schedule(tmp_path / "nightly.yaml").metrics == tmp_path / "line-7.prom"
    (group,) = yaml.safe_load(rules)["groups"]
    text = (ROOT / "flows" / "schedule" / "metrics.py").read_text()
    for rule in group["rules"]:
        (name,) = re.findall(r"flawcast_(\w+)", rule["expr"])
        assert f'"{name.removesuffix("_total")}"' in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_and_code_about_the_store_run(
    bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "demo")
    (code,) = blocks(ROOT / "docs" / "store.md", "python")
    code = code.replace("s3://bucket/line-7", bucket_url)
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102 - that it runs is what is tested
    care = ["verify", "gc", "compact", "runs", "report"]
    versions = ["tag", "tags", "export", "diff", "tag", "forget", "forget", "forget", "query"]
    assert run_page("store.md") == [*care, *versions]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_about_models_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights of the published size that nobody trained."""
    monkeypatch.chdir(tmp_path)
    clips = list(draw_line(1, seed=3, states=("normal", "jam")))
    write_line(tmp_path / "demo" / "clips", clips)
    Image.fromarray(clips[0].frames[0]).save(tmp_path / "source.png")
    write_video(tmp_path / "driving.mp4", clips[1].frames[:4], 12)
    weights = build_backbone("fomm", load_preset("vox-256", "fomm").backbone.config)
    content = {name: network.state_dict() for name, network in weights.named_children()}
    torch.save(content, tmp_path / "vox-256.pth.tar")
    assert run_page("models.md") == ["import", "animate", "fit", "generate", "benchmark"]
    assert (tmp_path / "moved.mp4").is_file()
    assert list((tmp_path / "store" / "sets").iterdir())


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    named = set(re.findall(r"^::: flawcast\.(\w+)$", text, flags=re.MULTILINE))
    assert named == set(flawcast.__all__) - {"__version__"}


def test_the_site_has_every_page() -> None:
    wanted = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    named = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE))
    assert named == wanted | {"commands.md"}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """And a page of all commands with it; a warning ends a strict build."""
    build = [Path(sys.executable).parent / "mkdocs", "build", "--quiet", "--site-dir", tmp_path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "flawcast generate" in (tmp_path / "commands.html").read_text()
    reference = (tmp_path / "reference.html").read_text()
    assert 'id="flawcast.SampleStore"' in reference
