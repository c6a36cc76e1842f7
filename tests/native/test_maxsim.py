"""MaxSim over multi-vectors: sum over query rows of the best similarity with any row of the point."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard import _native


@pytest.fixture(params=["f4", "f2", "u1"])
def multi(request, make_rows):
    """Chunks of rows, the row table of 60 points (some empty, rows in odd order) and a query of 6 rows."""
    rng = np.random.default_rng(6)
    count = rng.integers(0, 6, 60).astype(np.uint32)
    order = rng.permutation(60)
    first = np.zeros(60, np.uint32)
    first[order] = np.concatenate(([0], np.cumsum(count[order])[:-1]))
    rows = make_rows(rng, int(count.sum()), 33, request.param)
    return rows, [rows[:50], rows[50:51], rows[51:]], first, count, make_rows(rng, 6, 33, request.param)


def expected(sims: np.ndarray, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    parts = [sims[:, f : f + c] for f, c in zip(first, count, strict=True)]
    return np.array([p.max(axis=1).astype(np.float64).sum() if p.size else np.nan for p in parts])


@pytest.mark.parametrize("distance", range(4))
def test_maxsim_equals_its_definition(isa, multi, distance, expected_topk):
    rows, chunks, first, count, query = multi
    want = expected(_native.score_matrix(query, [rows], None, distance, isa=isa), first, count)
    every = np.arange(60, dtype=np.uint32)
    got = _native.maxsim_offsets(query, chunks, first, count, every, distance, isa=isa)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    mask = np.arange(60) % 3 != 0
    for allowed in (None, mask):
        for k in (1, 10, 1000):
            offsets, sims = _native.maxsim_topk(query, chunks, first, count, allowed, k, distance, isa=isa)
            want_offsets, want_sims = expected_topk(got, k, allowed)
            np.testing.assert_array_equal(offsets, want_offsets)
            np.testing.assert_array_equal(sims, want_sims)


def test_a_nan_row_does_not_hide_the_others():
    rows = np.array([[np.nan], [2], [3], [np.nan]], np.float32)
    first, count = np.array([0, 3], np.uint32), np.array([3, 1], np.uint32)
    sims = _native.maxsim_offsets(np.ones((1, 1), np.float32), [rows], first, count, np.arange(2, dtype=np.uint32), 2)
    assert sims[0] == 3
    assert np.isnan(sims[1])


def test_threads_give_the_same_answer():
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((40_000, 64)).astype(np.float32)
    first = np.arange(0, 40_000, 8, dtype=np.uint32)
    count = np.full(5000, 8, np.uint32)
    query = rng.standard_normal((10, 64)).astype(np.float32)
    one = _native.maxsim_topk(query, [rows], first, count, None, 50, 1, threads=1)
    two = _native.maxsim_topk(query, [rows], first, count, None, 50, 1, threads=4)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_row_tables_are_checked():
    rows, query = np.zeros((4, 2), np.float32), np.zeros((1, 2), np.float32)
    u32 = lambda *values: np.array(values, np.uint32)  # noqa: E731
    with pytest.raises(IndexError, match="a point ends at row 5, there are 4"):
        _native.maxsim_topk(query, [rows], u32(0, 3), u32(1, 2), None, 1, 0)
    with pytest.raises(IndexError, match="a point ends at row 4294967297"):
        _native.maxsim_topk(query, [rows], u32(2**32 - 1), u32(2), None, 1, 0)
    with pytest.raises(ValueError, match="count: expected as many"):
        _native.maxsim_topk(query, [rows], u32(0, 3), u32(1), None, 1, 0)
    with pytest.raises(IndexError, match="offsets: 2 is out of range"):
        _native.maxsim_offsets(query, [rows], u32(0, 3), u32(1, 1), u32(2), 0)


@pytest.mark.parametrize("rows", range(1, 10))
def test_queries_of_any_number_of_rows_add_up_the_same(isa, multi, rows):
    """Whether rows of the query are compared one by one, in fours, or in fours filled up."""
    _, chunks, first, count, query = multi
    query = np.concatenate([query, query[::-1]])[:rows]
    sims = _native.score_matrix(query, chunks, None, 1, isa=isa)
    got = _native.maxsim_offsets(query, chunks, first, count, np.arange(60, dtype=np.uint32), 1, isa=isa)
    for point, found in enumerate(got):
        best = sims[:, first[point] : first[point] + count[point]]
        want = np.float32(0 if count[point] else np.nan)
        for value in best.max(axis=1) if count[point] else []:
            want += value
        np.testing.assert_array_equal(found, want)


def test_nan_hides_nothing_in_fours(isa):
    rows = np.array([[np.nan, 0], [2, 1], [np.nan, 5], [1, 4]], np.float32)
    first, count = np.array([0], np.uint32), np.array([4], np.uint32)
    query = np.array([[1, 0], [0, 1], [1, 1]], np.float32)  # with the last, too, NaN is NaN
    found = _native.maxsim_offsets(query, [rows], first, count, np.zeros(1, np.uint32), 2, isa=isa)
    assert found[0] == 2 + 4 + 5
