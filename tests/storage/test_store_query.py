"""SQL over sets and samples: right answers, clear mistakes, no way out of the sandbox."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawcast.configs.errors import QueryError
from flawcast.storage import SampleStore
from flawcast.storage.schema import ANSWERS
from tests.storage.examples import sample_set, set_id

COUNT = 9


@pytest.fixture(scope="module")
def store() -> Iterator[SampleStore]:
    """Nine sets in a folder whose name looks like a pattern and a partition."""
    with tempfile.TemporaryDirectory() as folder:
        store = SampleStore.open(Path(folder) / "[a]*'x'" / "label=jam", "a")
        for seed in range(COUNT):
            store.commit(sample_set(seed, coherence=float("nan") if seed == 4 else seed / 4))
        yield store


def ids(table: pa.Table) -> list[str]:
    return table["set_id"].to_pylist()  # type: ignore[no-any-return]


def test_columns_are_those_of_the_schema(store: SampleStore) -> None:
    assert store.query().schema.equals(ANSWERS["sets"])
    assert store.query(rows="samples").schema.equals(ANSWERS["samples"])


def test_set_rows_hold_scores_and_provenance(store: SampleStore) -> None:
    row = store.query(f"set_id = '{set_id(4)}'").to_pylist()[0]
    made = sample_set(4)
    kept = made.mae[made.indices].astype(float)
    assert (row["mae"], row["best_mae"]) == pytest.approx((kept.mean(), kept.min()))
    assert row["ssim"] == pytest.approx(made.ssim.astype(float).mean())
    assert (row["apd"], row["hold_mae"], row["coherence"]) == (made.apd, 0.25, None)
    assert (row["height"], row["width"], row["keypoint_length"]) == (8, 10, 5)
    assert row["clip_name"] == "line's 4 'clip' é"
    assert (row["onset"], row["fps"], row["seed"]) == (3, 12.5, 4)


def test_sample_rows_hold_each_kept_sample(store: SampleStore) -> None:
    rows = store.query(f"set_id = '{set_id(4)}'", order_by="rank", rows="samples").to_pylist()
    made = sample_set(4)
    assert [row["index"] for row in rows] == made.indices
    assert [row["sample_id"] for row in rows] == [
        f"{made.id}-{index:03d}" for index in made.indices
    ]
    assert [row["mae"] for row in rows] == [float(made.mae[index]) for index in made.indices]
    assert [row["diversity"] for row in rows] == made.diversity.tolist()
    assert {row["label"] for row in rows} == {made.provenance.label}


def test_where_order_and_limit_work_together(store: SampleStore) -> None:
    jam = [sample_set(seed) for seed in range(0, COUNT, 3)]
    wanted = sorted((made for made in jam if made.apd > 0.1), key=lambda made: -made.apd)[:2]
    table = store.query("apd > 0.1 and label = 'jam'", order_by="apd desc", limit=2)
    assert ids(table) == [made.id for made in wanted]


def test_order_is_that_of_sql_and_ties_go_by_id(store: SampleStore) -> None:
    apd = store.query(order_by="apd")["apd"].to_pylist()
    assert apd == sorted(apd)
    by_label = store.query(order_by="label desc, window_start % 2 -- a remark")
    assert by_label["label"].to_pylist() == ["slip"] * 3 + ["normal"] * 3 + ["jam"] * 3
    assert ids(store.query(order_by="keep")) == ids(store.query()) == sorted(ids(store.query()))


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("label in ('jam', 'slip')", 6),
        ("label like 'j%' -- a remark", 3),
        ("onset is null", 4),
        ("coherence is null", 1),
        ("apd >= (select avg(apd) from sets)", None),
        ("created_at > '2020-01-01' and created_at < '2999-01-01'", 9),
        ("json_extract(settings, '$.past') = 2", 9),
        ("clip_name = 'line''s 3 ''clip'' é'", 1),
        ("(1 = 1) or (2 = 2)", 9),
        ("false", 0),
    ],
)
def test_conditions_are_full_sql(store: SampleStore, where: str, count: int | None) -> None:
    found = store.query(where).num_rows
    assert found == count if count is not None else 0 < found < COUNT


MISTAKES = {
    "typo": ("adp > 0.02", 'where: Referenced column "adp" not found.*"apd".*columns are: set_id,'),
    "unquoted text": ("label = jam", "'single quotes'"),
    "half": ("apd >", "where: syntax error"),
    "empty": (" ", "where: expected an expression, got nothing"),
    "text": ("'x'", "query: Could not convert string 'x' to BOOL"),
    "function": ("adp(apd) > 1", "where: Scalar Function with name adp does not exist"),
    "parameter": ("apd > ?", "where: "),
    "bytes that are no text": ("label = '\udcff'", "where: "),
    "zero byte": ("apd > 0\0 or true", "where: "),
    "hidden column": ("arrays = 'x'", 'where: Referenced column "arrays"'),
    "nesting": ("(" * 20000 + "1" + ")" * 20000, "where: "),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_helps(store: SampleStore, name: str) -> None:
    where, message = MISTAKES[name]
    with pytest.raises(QueryError, match=message) as error:
        store.query(where)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "order_by", ["adp", "apd limit 1", "apd desk", "apd; select 1", "", "1=1)"]
)
def test_a_wrong_order_is_refused(store: SampleStore, order_by: str) -> None:
    with pytest.raises(QueryError, match="order by: "):
        store.query(order_by=order_by)


def test_wrong_limits_and_rows_are_refused(store: SampleStore) -> None:
    with pytest.raises(QueryError, match="limit: expected 0 or more, got -1"):
        store.query(limit=-1)
    with pytest.raises(QueryError, match=r"rows: expected 'sets', 'samples', .* got 'videos'"):
        store.query(rows="videos")


ATTACKS = [
    "1=1; drop table sets",
    "1=1) ; copy sets to '{out}' --",
    "true) union all (select * from sets",
    "true) limit (1",
    "true) group by (set_id",
    "true) order by (apd",
    "true) qualify (true",
    "(select count(*) from read_csv('/etc/passwd')) > 0",
    "(select count(*) from '/etc/passwd') > 0",
    "(select count(*) from '{parquet}') > 0",
    "(select count(*) from read_parquet('{parquet}')) > 0",
    "(select content from read_text('/etc/hostname')) is not null",
    "exists (select * from glob('/etc/*'))",
    "(select count(*) from query('copy sets to ''{out}''')) > 0",
    "(select count(*) from enable_profiling(save_location='{out}')) >= 0",
    "(select count(*) from enable_logging(storage_path='{out}')) >= 0",
    "(select count(*) from arrow_scan(null, null, null)) >= 0",
    "(select count(*) from secret) >= 0",
    "set_id in (copy sets to '{out}')",
    "getenv('HOME') is not null",
    "apd in (insert into sets select * from sets returning apd)",
    "attach '{out}'",
    "install httpfs",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("clause", ["where", "order_by"])
def test_no_expression_leads_out(
    store: SampleStore, tmp_path: Path, attack: str, clause: str
) -> None:
    secret = store.query()  # a table of this process, which SQL must not see by its name
    parquet = next((store.root / "sets").iterdir())
    text = attack.format(out=tmp_path / "out", parquet=str(parquet).replace("'", "''"))
    with pytest.raises(QueryError):
        store.query(**{clause: text})
    assert list(tmp_path.iterdir()) == []
    assert store.query().equals(secret)


def test_an_empty_store_answers_with_its_columns(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    for rows, schema in (("sets", ANSWERS["sets"]), ("samples", ANSWERS["samples"])):
        table = store.query("apd > 0.02", order_by="apd desc", limit=5, rows=rows)
        assert (table.num_rows, table.schema) == (0, schema)
    with pytest.raises(QueryError, match="adp"):
        store.query("adp > 0.02")


def test_a_query_is_not_disturbed_by_later_commits(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(0))
    table = store.query()
    store.commit(sample_set(1))
    assert ids(table) == [set_id(0)]


@settings(max_examples=15, deadline=None)
@given(
    column=st.sampled_from(["apd", "mae", "label", "coherence", "onset", "clip_name", "hold_mae"]),
    descending=st.booleans(),
    limit=st.none() | st.integers(0, COUNT + 2),
    least=st.floats(0, 1),
    rows=st.sampled_from(["sets", "samples"]),
)
def test_answers_are_those_of_a_plain_sort(
    store: SampleStore,
    column: str,
    descending: bool,
    limit: int | None,
    least: float,
    rows: str,
) -> None:
    found = store.query(
        f"apd >= {least!r}", f"{column} {'desc' if descending else ''}", limit, rows
    )
    everything = store.query(rows=rows)
    chosen = everything.filter(pc.field("apd") >= least).to_pylist()
    chosen.sort(key=lambda row: row["sample_id" if rows == "samples" else "set_id"])
    known = [row for row in chosen if row[column] is not None]
    known.sort(key=lambda row: row[column], reverse=descending)  # stable: ties stay by id
    unknown = [row for row in chosen if row[column] is None]
    assert found.to_pylist() == (known + unknown)[:limit]
