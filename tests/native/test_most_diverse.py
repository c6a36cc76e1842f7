"""Maximal marginal relevance against its definition over the whole matrix of similarities."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgeshard import _native

DISTANCES = range(4)


def choose(relevance: np.ndarray, similarity: np.ndarray, balance: float, limit: int) -> list[int]:
    left = np.arange(len(relevance))
    chosen: list[int] = []
    closest = None
    weight = np.float32(balance)
    while len(left) and len(chosen) < limit:
        score = relevance[left]
        if closest is not None:
            score = weight * score - (np.float32(1) - weight) * closest[left]
        at = len(score) - 1 - int(np.argmax(score[::-1]))
        place = int(left[at])
        chosen.append(place)
        left[at] = left[-1]
        left = left[:-1]
        row = similarity[:, place]
        closest = row.copy() if closest is None else np.maximum(closest, row)
    return chosen


def maxsims(query: np.ndarray, stored: np.ndarray, bounds: np.ndarray, distance: int) -> np.ndarray:
    first, count = bounds[:-1].astype(np.uint32), np.diff(bounds).astype(np.uint32)
    everyone = np.arange(len(first), dtype=np.uint32)
    return _native.maxsim_offsets(query, [stored], first, count, everyone, distance)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("balance", [0.0, 0.3, 0.7, 1.0])
def test_dense_candidates(balance: float, distance: int) -> None:
    rng = np.random.default_rng(distance)
    stored = rng.integers(-2, 3, (60, 3)).astype(np.float32)  # many are equal
    queries = stored * np.float32(0.5)
    query = rng.normal(size=(1, 3)).astype(np.float32)
    relevance = _native.score_matrix(query, [stored], None, distance)[0]
    similarity = _native.score_matrix(queries, [stored], None, distance)
    for limit in (0, 1, 2, 25, 60, 100):
        found = _native.most_diverse(query, queries, stored, None, balance, limit, distance)
        assert found.tolist() == choose(relevance, similarity, balance, limit)


@pytest.mark.parametrize("distance", DISTANCES)
def test_multi_vectors(distance: int) -> None:
    """A point without rows is NaN to all, and all are to it: it comes first."""
    rng = np.random.default_rng(distance)
    bounds = np.concatenate([[0], np.cumsum(rng.integers(0, 5, 40))]).astype(np.int64)
    stored = rng.normal(size=(int(bounds[-1]), 5)).astype(np.float32)
    queries, query = stored * np.float32(2), rng.normal(size=(3, 5)).astype(np.float32)
    relevance = maxsims(query, stored, bounds, distance)
    rows = [queries[start:stop] for start, stop in pairwise(bounds)]
    similarity = np.stack([maxsims(one, stored, bounds, distance) for one in rows])
    for limit in (1, 7, 40):
        found = _native.most_diverse(query, queries, stored, bounds, 0.4, limit, distance)
        assert found.tolist() == choose(relevance, similarity, 0.4, limit)


def test_multi_vectors_of_very_many_rows() -> None:
    """Some too long to be compared along with others, some pairs too long for one comparison of all rows."""
    rng = np.random.default_rng(0)
    bounds = np.cumsum([0, 900, 3, 700, 0, 500, 2, 2, 600, 1]).astype(np.int64)
    stored, query = rng.normal(size=(int(bounds[-1]), 2)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
    rows = [stored[start:stop] for start, stop in pairwise(bounds)]
    similarity = np.stack([maxsims(one, stored, bounds, 1) for one in rows])
    found = _native.most_diverse(query, stored, stored, bounds, 0.5, 9, 1)
    assert found.tolist() == choose(maxsims(query, stored, bounds, 1), similarity, 0.5, 9)


def test_arguments_are_checked() -> None:
    rows, query = np.ones((3, 2), np.float32), np.ones((1, 2), np.float32)
    for wrong in ([0, 4], [1, 3], [0, 2, 1, 3], [], [0, 2]):
        with pytest.raises(ValueError, match="bounds"):
            _native.most_diverse(query, rows, rows, np.array(wrong, np.int64), 0.5, 2, 2)
    for arguments in ((query, rows[:2], rows), (query[:, :1], rows, rows), (rows, rows, rows)):
        with pytest.raises(ValueError, match="expected"):
            _native.most_diverse(*arguments, None, 0.5, 2, 2)
    none = np.zeros((0, 2), np.float32)
    assert len(_native.most_diverse(query, none, none, None, 0.5, 2, 2)) == 0
