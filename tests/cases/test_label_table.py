"""labels.csv as people, spreadsheets and programs write it."""

import contextlib
import csv
import io
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flawcast.configs.errors import ClipError
from flawcast.flows.inspection import view_folder
from flawcast.generators.clips import ClipEntry, Reject, list_clips


def folder_of(folder: Path, names: list[str]) -> Path:
    """A folder of clips that are only listed, never read."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def by_name(folder: Path) -> dict[str, ClipEntry]:
    return {entry.name: entry for entry in list_clips(folder)}


@pytest.mark.parametrize(
    ("clip", "row"),
    [
        ("a.mkv", "A.mkv"),
        ("sub/c.mp4", "sub\\c.mp4"),
        (unicodedata.normalize("NFD", "größe.mkv"), unicodedata.normalize("NFC", "größe.mkv")),
        ("007.mp4", "7.mp4"),
        ("7.mp4", "007"),
        ("a.mp4", "a"),
        ("a.mkv", "a.avi"),
        ("Cam1/Förder 02.MKV", "./cam1/förder 2"),
    ],
    ids=["capitals", "slash", "composed", "zeros", "both", "no suffix", "suffix", "all"],
)
def test_a_row_that_is_spelt_otherwise_pairs_if_only_one_clip_fits(
    clip: str, row: str, tmp_path: Path
) -> None:
    folder_of(tmp_path, [clip, "other.mkv"])
    (tmp_path / "labels.csv").write_text(f"file,label,split\n{row},jam,test\nother.mkv,,train\n")
    found = by_name(tmp_path)
    assert (found[clip].label, found[clip].split) == ("jam", "test")
    if "\\" not in row:  # that is the same name
        assert any(f"is taken for {clip}" in note for note in view_folder(tmp_path).notes)


@pytest.mark.parametrize(
    ("clips", "rows"),
    [
        (["a.mkv", "b.mkv"], ["a.mkv", "c.mkv"]),
        (["a.mkv", "A.mkv"], ["./a.MKV"]),
        (["1.mkv", "01.mkv"], ["001.mkv"]),
        (["a.mkv"], ["A.mkv", "A.MKV"]),
    ],
    ids=["another", "two clips", "two clips by zeros", "two rows"],
)
def test_a_clip_without_a_row_beside_a_row_without_a_clip_stops(
    clips: list[str], rows: list[str], tmp_path: Path
) -> None:
    folder_of(tmp_path, clips)
    (tmp_path / "labels.csv").write_text("file,split\n" + "".join(f"{row},test\n" for row in rows))
    with pytest.raises(ClipError, match=r"labels.csv line \d: there is no file .* has no row"):
        list_clips(tmp_path)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("file;label;split;onset\na.mkv;jam;test;12\n", "divided by ';'"),
        ("file\tlabel\tsplit\tonset\na.mkv\tjam\ttest\t12\n", "divided by '\\t'"),
        ("sep=;\nfile;label;split;onset\na.mkv;jam;test;12\n", "divided by ';'"),
        (",file,label,split,onset\n0,a.mkv,jam,test,12\n", "first column, of row numbers"),
        ("Unnamed: 0,file,label,split,onset\n0,a.mkv,jam,test,12.0\n", "of row numbers"),
        ("file,label,split,onset\r\n,,,\r\na.mkv,jam,test,12.0\r\n,,,\r\n", "2 empty rows"),
        ("File, Label ,SPLIT,onset\na.mkv,jam,Test,12,,\n", ""),
        ('"file","label","split","onset"\n"a.mkv","jam","test","12"\n', ""),
    ],
    ids=["semicolon", "tab", "sep", "index", "pandas", "Excel", "capitals", "quoted"],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets_and_programs_are_read(
    text: str, note: str, coding: str, tmp_path: Path
) -> None:
    folder_of(tmp_path, ["a.mkv"])
    (tmp_path / "labels.csv").write_bytes(text.encode(coding))
    view = view_folder(tmp_path)
    (entry,) = view.entries
    assert (entry.label, entry.split, entry.onset) == ("jam", "test", 12)
    assert sum(note in line for line in view.notes) == (1 if note else 0)


@pytest.mark.parametrize("onset", ["12.5", "-1", "1e2", "soon", "١٢"])
def test_a_frame_number_that_is_none_names_the_row(onset: str, tmp_path: Path) -> None:
    folder_of(tmp_path, ["a.mkv"])
    (tmp_path / "labels.csv").write_text(f"file,onset\na.mkv,{onset}\n")
    with pytest.raises(ClipError, match="line 2: onset: expected a frame number"):
        list_clips(tmp_path)


def test_a_table_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    folder_of(tmp_path, ["a.mkv"])
    (tmp_path / "labels.csv").write_bytes("file,label\na.mkv,größe\n".encode("cp1252"))
    with pytest.raises(ClipError, match="save it as UTF-8"):
        list_clips(tmp_path)


NAMES = st.text("aAbBöÖ01 ;,'_-é", min_size=1, max_size=5).map(str.strip).filter(bool)
SPLIT_OF_ROW = st.sampled_from(["train", "Test", "val", ""])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str, str]], str, str]:
    """Clips, rows of (spelling, label, split), and the table as a program might write it."""
    clips = draw(
        st.lists(NAMES.map(lambda name: f"{name}.mkv"), min_size=1, max_size=4, unique=True)
    )
    spellings = st.sampled_from(
        [str, str.upper, lambda name: unicodedata.normalize("NFD", name), lambda name: name[:-4],
         lambda name: f"0{name}", lambda name: f"./{name}", lambda name: name.replace("a", "b")]
    )  # fmt: skip
    rows = []
    for clip in clips:
        if draw(st.booleans()):
            labels = st.sampled_from(["jam", "normal", "größe; 3"])
            rows.append((draw(spellings)(clip), draw(labels), draw(SPLIT_OF_ROW)))
    stream = io.StringIO()
    index = draw(st.booleans())
    delimiter = draw(st.sampled_from(",;\t|"))
    writer = csv.writer(
        stream,
        delimiter=delimiter,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerow([""] * index + ["file", "label", "split"])
    for number, row in enumerate(rows):
        if draw(st.booleans()):
            writer.writerow([""] * (3 + index))
        writer.writerow([number] * index + list(row))
    coding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return clips, rows, stream.getvalue(), coding


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tables())
def test_a_clip_is_never_in_another_split_than_its_row_says(
    table: tuple[list[str], list[tuple[str, str, str]], str, str],
) -> None:
    """Either the right pairing, or a line that names row and reason."""
    clips, rows, text, coding = table
    with tempfile.TemporaryDirectory() as name:
        folder = folder_of(Path(name), clips)
        (folder / "labels.csv").write_bytes(text.encode(coding))
        rejects: list[Reject] = []
        try:
            entries = list_clips(folder, rejects.append)
        except ClipError as error:
            refused = str(error)
        else:
            refused = ""
    if refused:
        assert "labels.csv line " in refused
        return
    said = {row[0]: row for row in rows}
    left_out = {reject.name for reject in rejects}
    exact = {row[0].removeprefix("./") for row in rows} & set(clips)
    assert {entry.name for entry in entries} == set(clips)
    for entry in entries:
        with contextlib.suppress(KeyError):
            _, label, split = said[entry.name]
            assert entry.label == label
            assert entry.split in (split.lower(), "train" if not split else split.lower())
    paired = [entry for entry in entries if entry.label != "unlabelled"]
    assert len(paired) + len(left_out) == len({row[0].removeprefix("./") for row in rows})
    assert len(exact) <= len(paired)
    tests = sum(row[2].lower() == "test" for row in rows if row[0] not in left_out)
    assert sum(entry.split == "test" for entry in entries) == tests
