"""Ids in little memory: as a Python set of them, whatever their length."""

import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawcast.storage.ids import IdSet, PartIds, Whereabouts, are_plain, in_portions, keys_of

PLAIN = st.integers(0, 40).map(lambda number: f"set-{number * 0x123456789ABCDEF:016x}")
LONG = st.tuples(PLAIN, st.sampled_from(["", "0", "a0", "f" * 48])).map("".join)


@settings(deadline=None)
@given(st.lists(LONG), st.lists(LONG))
def test_it_is_as_a_set_of_them(ids: list[str], asked: list[str]) -> None:
    found = IdSet(ids)
    assert list(found) == sorted(set(ids))
    assert len(found) == len(set(ids))
    assert found.holds(asked).tolist() == [item in set(ids) for item in asked]
    assert [item in found for item in asked] == [item in set(ids) for item in asked]
    assert set(found & IdSet(asked)) == set(ids) & set(asked)
    assert list(found - set(asked)) == sorted(set(ids) - set(asked))
    assert list(found | IdSet(asked)) == sorted(set(ids) | set(asked))
    assert (found == IdSet(asked)) == (set(ids) == set(asked))
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_what_is_no_id_is_not_in_it() -> None:
    found = IdSet(["set-00000000000000a0"])
    assert not any(item in found for item in (7, "", "set-", "set-00000000000000A0", "a" * 20))


@settings(deadline=None)
@given(st.lists(st.lists(LONG, max_size=8), max_size=4), st.lists(LONG))
def test_rows_are_found_in_parts(parts: list[list[str]], asked: list[str]) -> None:
    known: set[str] = set()
    unique = []
    for ids in parts:
        unique.append([item for item in dict.fromkeys(ids) if item not in known])
        known.update(ids)
    where = Whereabouts([PartIds.of(pa.array(ids, pa.string())) for ids in unique])
    numbers, positions = where.find(pa.array(asked, pa.string()))
    for item, part, position in zip(asked, numbers, positions, strict=True):
        assert (part >= 0) == (item in known)
        if part >= 0:
            assert unique[part][position] == item


@pytest.mark.parametrize("bad", ["", "set-", "set-zz", "x"])
def test_damaged_ids_are_not_taken_for_others(bad: str) -> None:
    ids = pa.array([bad, "set-0000000000000001"])
    assert keys_of(ids).tolist() == [0, 1]
    assert not are_plain(ids)
    assert keys_of(ids.slice(1)).tolist() == [1]
    assert IdSet(ids).holds(["set-0000000000000000", "set-0000000000000001"]).tolist() == [
        False,
        True,
    ]


def test_portions_are_lists_of_ids() -> None:
    assert list(in_portions("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(in_portions([])) == []
