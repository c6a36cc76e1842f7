"""Counting by value: what a column of single texts counts is what groups made of it would."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeshard._native import extract_column
from edgeshard.filter.column_store import Batch, ColumnStore
from edgeshard.filter.selections import Selection
from edgeshard.index.payload import schema
from edgeshard.index.payload.value_groups import ColumnGroups, SingleGroups, column_groups
from edgeshard.index.payload.values import holders, values_of
from edgeshard.models.paths import parse_path

VALUES = st.sampled_from([None, "a", "b", "c", 1, 7.0, 7.5, True, {}])


def column_of(values: list[object]) -> object:
    raw = [json.dumps({"k": value}).encode() for value in values]
    data = np.frombuffer(b"".join(raw), np.uint8)
    bounds = np.cumsum([0, *map(len, raw)]).astype(np.int64)
    store = ColumnStore()
    failure, *arrays = extract_column(data, bounds, parse_path("k").steps, False, store.strings)
    assert failure is None
    store.put(np.arange(len(raw), dtype=np.uint32), Batch(*arrays))
    return store.read()


@given(st.lists(VALUES, min_size=1, max_size=30), st.randoms())
def test_single_texts_are_counted_as_groups_would(values: list[object], random: object) -> None:
    column = column_of(values)
    single, groups = SingleGroups(column), ColumnGroups(column, schema.KEYWORD)
    for mask in (np.ones(len(values), np.bool_), np.array([random.random() < 0.5 for _ in values])):
        chosen = Selection(mask)
        assert single.size == groups.size
        assert single.count(chosen).tolist() == groups.count(chosen).tolist()
        ours, theirs = single.tally(chosen), groups.tally(chosen)
        assert ours[1:] == theirs[1:]
        assert ours.counts.tolist() == theirs.counts.tolist()
    assert isinstance(column_groups(column, schema.KEYWORD), SingleGroups)


@given(st.lists(VALUES | st.lists(VALUES, max_size=3), min_size=1, max_size=20))
def test_holders_are_the_points_with_values(values: list[object]) -> None:
    column = column_of(values)
    for kind in (schema.KEYWORD, schema.INT, schema.FLOAT, schema.BOOL, schema.DATETIME):
        places, _ = values_of(column, kind)
        owners = places if column.owners is None else column.owners[places]
        assert np.flatnonzero(holders(column, kind)).tolist() == sorted(set(owners.tolist()))


def test_a_column_without_texts_counts_nothing() -> None:
    assert SingleGroups(column_of([1, None])).tally(Selection(np.ones(2, np.bool_)))[1:] == (0, 0, 0)
