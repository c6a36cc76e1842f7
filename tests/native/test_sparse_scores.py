"""Sparse brute force against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard import _native


def csr(rows: list[list[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = [pair for row in rows for pair in sorted(row)]
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return indptr, np.array([i for i, _ in flat], np.uint32), np.array([v for _, v in flat], np.float32)


@pytest.mark.parametrize("universe", [30, 2**32])
def test_scores_equal_dictionaries(universe):
    rng = np.random.default_rng(8)
    words = rng.integers(0, universe, 30)
    rows = [
        [
            (int(i), float(np.float32(rng.standard_normal())))
            for i in set(rng.choice(words, rng.integers(0, 20)).tolist())
        ]
        for _ in range(500)
    ]
    for size in (0, 1, 5, 40):
        indices = rng.choice(words, size).astype(np.uint32)  # repeats add up
        values = rng.standard_normal(size).astype(np.float32)
        sims, hits = _native.sparse_scores(indices, values, *csr(rows))
        query: dict[int, float] = {}
        for i, v in zip(indices.tolist(), values.tolist(), strict=True):
            query[i] = query.get(i, 0.0) + v
        want = [sum(v * query.get(i, 0.0) for i, v in row) for row in rows]
        np.testing.assert_allclose(sims, want, rtol=1e-4, atol=1e-5)
        assert hits.tolist() == [sum(i in query for i, _ in row) for row in rows]


def test_extreme_indices_and_a_zero_weight_still_hit():
    sims, hits = _native.sparse_scores(
        np.array([2**32 - 1, 0], np.uint32),
        np.array([2, 0], np.float32),
        *csr([[(0, 1.0), (2**32 - 1, 3.0)], [(0, 5.0)], []]),
    )
    assert sims.tolist() == [6, 0, 0]
    assert hits.tolist() == [2, 1, 0]


def test_bad_row_tables_are_refused():
    one_u32, one_f32 = np.zeros(1, np.uint32), np.zeros(1, np.float32)
    for indptr in ([0, 2], [-1, 1], [1, 0, 1], []):
        with pytest.raises(ValueError, match="indptr"):
            _native.sparse_scores(one_u32, one_f32, np.array(indptr, np.int64), one_u32, one_f32)
    with pytest.raises(ValueError, match="values"):
        _native.sparse_scores(one_u32, one_f32, np.array([0, 1]), one_u32, np.zeros(2, np.float32))
