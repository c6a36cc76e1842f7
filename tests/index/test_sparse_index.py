"""The inverted index answers as brute force does, whatever is pruned, changed or masked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeshard import _native
from edgeshard.index.sparse import SparseIndexConfig, open_index, write_index

Csr = tuple[Any, Any, Any]


def vectors(rng: np.random.Generator, count: int, dimensions: int, *, negative: bool) -> Csr:
    """Random vectors with a few frequent and many rare dimensions; some are empty."""
    sizes = rng.integers(0, 12, count)
    indptr = np.zeros(count + 1, np.int64)
    rows = []
    for row, size in enumerate(sizes.tolist()):
        found = np.unique((dimensions * rng.random(size) ** 4).astype(np.uint32) * 7)
        rows.append(found)
        indptr[row + 1] = indptr[row] + len(found)
    indices = np.concatenate(rows).astype(np.uint32)
    values = rng.lognormal(0, 1, len(indices)).astype(np.float32)
    if negative:
        values *= rng.choice([1, -1], len(values), p=[0.8, 0.2]).astype(np.float32)
    return indptr, indices, values


def query_of(rng: np.random.Generator, dimensions: int, *, negative: bool) -> tuple[Any, Any]:
    size = int(rng.integers(1, 9))
    indices = (dimensions * rng.random(size) ** 3).astype(np.uint32) * 7  # repeated ones add up
    values = rng.lognormal(0, 1, size).astype(np.float32)
    if negative:
        values *= rng.choice([1, -1], size).astype(np.float32)
    return indices, values


def brute(query: tuple[Any, Any], csr: Csr, mask: Any, k: int, *, zeros: bool) -> tuple[Any, Any]:
    order = np.argsort(query[0], kind="stable")
    sims, shared = _native.sparse_scores(query[0][order], query[1][order], *csr)
    keep = mask & (shared > 0)
    if not zeros:
        keep &= sims != 0
    offsets = np.flatnonzero(keep)
    best = offsets[np.lexsort((offsets, -sims[offsets]))][:k]
    return best.astype(np.uint32), sims[best]


def filled(csr: Csr) -> _native.PlainSparseIndex:
    index = _native.PlainSparseIndex()
    index.put(np.arange(len(csr[0]) - 1, dtype=np.uint32), *csr)
    return index


def packed(index: _native.PlainSparseIndex, directory: Path, points: int) -> _native.PackedSparseIndex:
    write_index(directory, index, SparseIndexConfig("ImmutableRam"))
    return open_index(directory, points)[0]


def assert_same(got: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def frequent(rng: np.random.Generator, count: int) -> Csr:
    """Vectors over dimensions of which some are in most points, which are kept as whole arrays too."""
    shares = np.array([0.9, 0.5, 0.2, 0.1, 0.02])
    present = rng.random((count, len(shares))) < shares
    indptr = np.append(0, np.cumsum(present.sum(axis=1))).astype(np.int64)
    indices = np.nonzero(present)[1].astype(np.uint32)
    values = rng.choice([1.0, 0.25, -0.5, 0.0], len(indices), p=[0.4, 0.3, 0.2, 0.1]).astype(np.float32)
    return indptr, indices, values


@pytest.mark.parametrize("zeros", [False, True])
def test_frequent_dimensions_are_added_up_as_arrays(zeros: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    csr = frequent(rng, 20_000)
    plain = filled(csr)
    masks = [np.ones(20_000, np.bool_), rng.random(20_000) < 0.3, rng.random(20_000) < 0.02]
    for index in (plain, packed(plain, tmp_path, 20_000)):
        for mask, k in itertools.product(masks, (1, 10, 500)):
            for dimensions in ([0], [0, 1], [0, 3, 4], [0, 1, 2, 3, 4], [1, 4]):
                weights = rng.choice([2.0, 0.5, -1.0], len(dimensions)).astype(np.float32)
                query = np.array(dimensions, np.uint32), weights
                found = index.search(*query, mask, k, zeros)
                assert_same(found, brute(query, csr, mask, k, zeros=zeros))


def test_arrays_of_frequent_dimensions_follow_changes() -> None:
    rng = np.random.default_rng(9)
    csr = frequent(rng, 5000)
    index, mask = filled(csr), np.ones(5000, np.bool_)
    query = np.array([0, 1, 2], np.uint32), np.array([1.0, 2.0, 0.5], np.float32)
    index.search(*query, mask, 10)
    other = frequent(np.random.default_rng(10), 5000)
    offsets = np.arange(5000, dtype=np.uint32)
    index.remove(offsets, csr[0], csr[1])
    index.put(offsets, *other)
    assert_same(index.search(*query, mask, 100), brute(query, other, mask, 100, zeros=False))


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("count", [1, 130, 9000, 30000])
def test_search_is_brute_force(count: int, negative: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(count)
    csr = vectors(rng, count, 400, negative=negative)
    plain = filled(csr)
    for index in (plain, packed(plain, tmp_path, count)):
        for share, k in itertools.product([1.0, 0.5, 0.01], [1, 10, 100]):
            for _ in range(4):
                query = query_of(rng, 420, negative=negative)
                mask = rng.random(count) < share
                assert_same(index.search(*query, mask, k), brute(query, csr, mask, k, zeros=False))
                assert_same(index.search(*query, mask, k, True), brute(query, csr, mask, k, zeros=True))


def test_search_prunes() -> None:
    rng = np.random.default_rng(5)
    csr = vectors(rng, 60_000, 2000, negative=False)
    index = filled(csr)
    everything = np.ones(60_000, np.bool_)
    query = np.array([0, 7 * 400, 7 * 1500], np.uint32), np.array([0.01, 2, 3], np.float32)
    total = int(index.frequencies(query[0]).sum())
    summed, _, _ = index.search_stats(*query, everything, 10)
    assert summed < total / 2
    assert_same(index.search(*query, everything, 10), brute(query, csr, everything, 10, zeros=False))


def test_score_and_frequencies(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    csr = vectors(rng, 5000, 300, negative=True)
    plain = filled(csr)
    for index in (plain, packed(plain, tmp_path, 5000)):
        for size in (1, 40, 5000):
            query = query_of(rng, 310, negative=True)
            offsets = np.sort(rng.choice(5000, size, replace=False)).astype(np.uint32)
            order = np.argsort(query[0], kind="stable")
            sims, shared = _native.sparse_scores(query[0][order], query[1][order], *csr)
            got = index.score(*query, offsets)
            np.testing.assert_array_equal(got[0], sims[offsets])
            np.testing.assert_array_equal(got[1] > 0, shared[offsets] > 0)
        wanted = np.array([0, 7, 70, 8, 2**32 - 1], np.uint32)
        rows = np.repeat(np.arange(5000), np.diff(csr[0]))
        mask = rng.random(5000) < 0.3
        assert index.frequencies(wanted).tolist() == [int((csr[1] == d).sum()) for d in wanted]
        expected = [int(((csr[1] == d) & mask[rows]).sum()) for d in wanted]
        assert index.frequencies(wanted, mask).tolist() == expected
        assert index.vectors == int((np.diff(csr[0]) > 0).sum())


def test_changes_keep_the_index_exact() -> None:
    rng = np.random.default_rng(11)
    count = 3000
    csr = vectors(rng, count, 200, negative=True)
    rows = [(csr[1][a:b], csr[2][a:b]) for a, b in itertools.pairwise(csr[0])]
    index = filled(csr)
    everything = np.ones(count, np.bool_)
    for _ in range(30):
        offsets = np.sort(rng.choice(count, 40, replace=False)).astype(np.uint32)
        fresh = vectors(rng, 40, 200, negative=True)
        old = [rows[offset] for offset in offsets.tolist()]
        bounds = np.concatenate([[0], np.cumsum([len(row[0]) for row in old])]).astype(np.int64)
        index.remove(offsets, bounds, np.concatenate([row[0] for row in old]))
        index.put(offsets, *fresh)
        for place, offset in enumerate(offsets.tolist()):
            part = slice(fresh[0][place], fresh[0][place + 1])
            rows[offset] = fresh[1][part], fresh[2][part]
        indptr = np.concatenate([[0], np.cumsum([len(row[0]) for row in rows])]).astype(np.int64)
        now = indptr, np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
        query = query_of(rng, 210, negative=True)
        assert_same(index.search(*query, everything, 20), brute(query, now, everything, 20, zeros=False))
        assert index.vectors == sum(len(row[0]) > 0 for row in rows)


def test_many_rows_at_once_are_like_one_by_one() -> None:
    rng = np.random.default_rng(12)
    indptr, indices, values = vectors(rng, 2000, 200, negative=True)
    offsets = rng.permutation(2000).astype(np.uint32)
    together, single = _native.PlainSparseIndex(), _native.PlainSparseIndex()
    together.put(offsets, indptr, indices, values)
    for place, (start, stop) in enumerate(itertools.pairwise(indptr.tolist())):
        bounds = np.array([0, stop - start], np.int64)
        single.put(offsets[place : place + 1], bounds, indices[start:stop], values[start:stop])
    unknown = np.append(indices, np.uint32(5))  # no dimension of the index
    gone = np.append(offsets[:1000], np.uint32(7)), np.append(indptr[:1001], indptr[1000]), unknown
    for index in (together, single):
        index.remove(*gone)
    for left, right in zip(together.encode(0), single.encode(0), strict=True):
        np.testing.assert_array_equal(left, right)
    assert together.vectors == single.vectors == int(np.count_nonzero(np.diff(indptr)[1000:]))


def test_odd_weights() -> None:
    index = _native.PlainSparseIndex()
    weights = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32)
    index.put(np.arange(6, dtype=np.uint32), np.arange(7, dtype=np.int64), np.zeros(6, np.uint32), weights)
    index.put(np.arange(6, 12, dtype=np.uint32), np.arange(7, dtype=np.int64), np.ones(6, np.uint32), weights)
    mask = np.ones(12, np.bool_)
    offsets, sims = index.search(np.array([0], np.uint32), np.array([1], np.float32), mask, 10)
    assert offsets.tolist() == [1, 5]  # neither NaN nor -inf is a score, and 0 is no hit
    assert sims.tolist() == [np.inf, 1]
    offsets, sims = index.search(np.array([0], np.uint32), np.array([1], np.float32), mask, 10, True)
    assert offsets.tolist() == [1, 5, 3, 4]
    assert sims.tolist() == [np.inf, 1, 0, 0]
    offsets, _ = index.search(np.array([0, 1], np.uint32), np.array([1, -1], np.float32), mask, 3)
    assert offsets.tolist() == [1, 8, 5]


def test_searches_in_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(1)
    csr = vectors(rng, 20_000, 300, negative=False)
    index = filled(csr)
    mask = np.ones(20_000, np.bool_)
    queries = [query_of(rng, 300, negative=False) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda query: index.search(*query, mask, 10), queries))
    for query, got in zip(queries, found, strict=True):
        assert_same(got, brute(query, csr, mask, 10, zeros=False))


def test_arguments_are_checked() -> None:
    index = filled((np.array([0, 1], np.int64), np.array([3], np.uint32), np.array([1], np.float32)))
    one, weight = np.array([3], np.uint32), np.array([1], np.float32)
    with pytest.raises(ValueError, match="as many entries"):
        index.search(one, np.ones(2, np.float32), np.ones(1, np.bool_), 1)
    with pytest.raises(TypeError, match="bool"):
        index.search(one, weight, np.ones(1, np.uint8), 1)
    with pytest.raises(ValueError, match="ascending"):
        index.score(one, weight, np.array([1, 0], np.uint32))
    with pytest.raises(ValueError, match="indptr"):
        index.put(one, np.array([0, 2], np.int64), one, weight)
    assert index.search(one, weight, np.ones(0, np.bool_), 5)[0].tolist() == []
    assert index.search(one, weight, np.ones(9, np.bool_), 0)[0].tolist() == []
