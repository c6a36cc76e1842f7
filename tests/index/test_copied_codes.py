"""Copies of the codes that a filter leaves: made when it is asked again and again, current, and bounded."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import edgeshard as es
from edgeshard.filter.selections import Selection
from edgeshard.index import copied_codes, flat
from edgeshard.index.codes_budget import BUDGET

ROWS, DIM, COSINE = 4000, 24, 0
ONE_MORE = copied_codes.COPY_AFTER_SCANS + 1


class Source:
    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def chunks(self) -> list[np.ndarray]:
        return [self.rows]


@pytest.fixture
def rows() -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def index(rows) -> flat.FlatIndex:
    made = flat.FlatIndex(Source(rows), COSINE)
    assert made.all_codes() is not None
    return made


def every(step: int, start: int = 0) -> Selection:
    return Selection.listed(np.arange(start, ROWS, step, dtype=np.uint32), ROWS)


def best(rows: np.ndarray, chosen: Selection, query: np.ndarray) -> list[int]:
    return chosen.offsets[np.argsort(-(rows[chosen.offsets] @ query))[:5]].tolist()


def ask(index: flat.FlatIndex, chosen: Selection, query: np.ndarray, times: int = 1) -> list[int]:
    for _ in range(times):
        found = index.search(query[None], 5, listed=chosen)[0][0].tolist()
    return found


def test_a_selection_that_is_asked_again_and_again_gets_copies(index, rows):
    chosen, query, held = every(5), rows[40], BUDGET.held_bytes
    alone = index.codes_bytes
    assert ask(index, chosen, query, ONE_MORE - 1) == best(rows, chosen, query)
    assert index.codes_bytes == alone
    assert ask(index, chosen, query) == best(rows, chosen, query)
    assert index.codes_bytes >= alone + len(chosen) * DIM
    assert BUDGET.held_bytes > held
    assert all(ask(index, chosen, query) == best(rows, chosen, query) for query in rows[:200])
    del chosen
    gc.collect()
    assert index.codes_bytes == alone
    assert BUDGET.held_bytes == held


def test_rows_that_change_are_seen(index, rows):
    chosen, query = every(5), rows[40].copy()
    assert ask(index, chosen, query, ONE_MORE)[0] == 40
    rows[1000], rows[40] = query, -query
    index.invalidate(np.array([1000, 40], np.uint32))
    assert ask(index, chosen, query, 2 * ONE_MORE) == best(rows, chosen, query)
    assert ask(index, chosen, query)[0] == 1000
    rows[3995], rows[1000] = query, -query
    index.invalidate_one(3995)
    index.invalidate_one(1000)
    assert ask(index, chosen, query)[0] == 3995


def test_copies_stay_below_half_of_the_codes(index, rows):
    alone, query = index.codes_bytes, rows[3]
    parts = [every(4, start) for start in range(4)]
    for chosen in parts:
        assert ask(index, chosen, query, ONE_MORE) == best(rows, chosen, query)
        assert index.codes_bytes <= 1.6 * alone  # a little is lost to whole pages
    held = index.codes_bytes
    assert held > alone
    ask(index, parts[-1], query, 5)
    assert index.codes_bytes == held
    most = Selection.listed(np.arange(1, ROWS, dtype=np.uint32), ROWS)
    assert ask(index, most, query, 3 * ONE_MORE) == best(rows, most, query)
    assert index.codes_bytes == held


def test_a_full_budget_refuses_them(index, rows):
    alone, chosen, query = index.codes_bytes, every(5), rows[40]
    es.options.codes_limit_bytes = BUDGET.held_bytes
    try:
        assert ask(index, chosen, query, 3 * ONE_MORE) == best(rows, chosen, query)
        assert index.codes_bytes == alone
    finally:
        es.options.codes_limit_bytes = None
    assert ask(index, chosen, query, ONE_MORE) == best(rows, chosen, query)
    assert index.codes_bytes > alone


def test_a_shard_sees_what_changes_behind_a_filter(tmp_path, rows):
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(DIM, es.Distance.Cosine))
    condition = es.Filter(must=[es.FieldCondition(key="k", match=es.MatchValue(value="a"))])
    kinds = [{"k": "a" if at % 5 == 0 else "b"} for at in range(ROWS)]
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(es.UpdateOperation.upsert_batch(np.arange(ROWS, dtype=np.uint64), rows, kinds))

        def nearest(query: np.ndarray) -> int:
            for _ in range(9 * flat.CODES_AFTER_SCANS):
                found = shard.query_arrays(query, limit=1, filter=condition)[0]
            return int(found[0])

        (segment,) = shard._store.segments
        assert nearest(rows[40]) == 40
        assert segment.fields[""].flat._copies.size_bytes > 0
        moved = [es.PointVectors(40, (-rows[40]).tolist()), es.PointVectors(35, rows[40].tolist())]
        shard.update(es.UpdateOperation.update_vectors(moved))
        assert nearest(rows[40]) == 35
        shard.update(es.UpdateOperation.set_payload([35], {"k": "b"}))
        assert nearest(rows[40]) not in (35, 40)
        shard.update(es.UpdateOperation.upsert_points([es.Point(ROWS, rows[40].tolist(), {"k": "a"})]))
        assert nearest(rows[40]) == ROWS
        shard.update(es.UpdateOperation.delete_points([ROWS]))
        assert nearest(rows[40]) not in (35, 40, ROWS)
