"""`flawcast defects`: add, list and show."""

import json
from pathlib import Path

from PIL import Image

from tests.flows.commands.running import mistake, run
from tests.generators.defects.test_bank import with_labelme, write_still


def test_stills_are_added_listed_and_shown(tmp_path: Path) -> None:
    write_still(tmp_path / "stills" / "a.png")
    write_still(tmp_path / "stills" / "b.png", 1)
    with_labelme(tmp_path / "stills")
    bank = ("--bank", tmp_path / "bank")
    done = run("defects", "add", tmp_path / "stills", *bank, "--licence", "CC0")
    assert "1 added, 0 known already, 1 stills left out" in done.stdout
    assert "left out: b.png: no defect is marked in it" in done.stdout
    (item,) = json.loads(run("defects", "list", *bank, "--json").stdout)
    assert (item["label"], item["licence"]) == ("rust", "CC0")
    table = run("defects", "list", *bank).stdout
    assert item["item_id"] in table
    sheet = tmp_path / "sheet.png"
    run("defects", "show", item["item_id"][:12], *bank, "--out", sheet)
    with Image.open(sheet) as picture:
        assert picture.width > 100


def test_a_wrong_bank_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no bank")
    line = mistake("defects", "list", "--bank", tmp_path)
    assert line.startswith("flawcast: bank: expected items.parquet")
    assert "got none; add some first" in mistake("defects", "show", "--bank", tmp_path / "new")
