"""FlatIndex and MultiFlatIndex over plain arrays: codes come and go, the answers stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard.filter.selections import Selection
from edgeshard.index import flat


class Source:
    def __init__(self, rows: np.ndarray, *cuts: int) -> None:
        self.rows, self.cuts = rows, cuts

    def chunks(self) -> list[np.ndarray]:
        return np.split(self.rows, self.cuts)


class MultiSource(Source):
    def row_table(self) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(0, len(self.rows), 2, dtype=np.uint32), np.full(len(self.rows) // 2, 2, np.uint32)

    def rows_of(self, offsets):
        first, count = self.row_table()
        return first[offsets], count[offsets], np.arange(len(offsets), dtype=np.uint32)


def without_codes(source: Source, distance: int) -> flat.FlatIndex:
    index = flat.FlatIndex(source, distance)
    index.cold = True
    return index


def assert_same(a: list, b: list) -> None:
    for (offsets, sims), (want_offsets, want_sims) in zip(a, b, strict=True):
        np.testing.assert_array_equal(offsets, want_offsets)
        np.testing.assert_array_equal(sims, want_sims)


@pytest.mark.parametrize("distance", range(4))
def test_codes_are_built_when_searching_pays_for_them_and_never_show(distance):
    rng = np.random.default_rng(0)
    source = Source(rng.standard_normal((5000, 24)).astype(np.float32), 1000, 3000)
    index = flat.FlatIndex(source, distance)
    plain = without_codes(source, distance)
    queries = rng.standard_normal((3, 24)).astype(np.float32)
    mask = rng.random(5000) < 0.1
    listed = Selection(mask)
    for _ in range(5):
        assert_same(index.search(queries, 10), plain.search(queries, 10))
        assert_same(index.search(queries, 10, mask=mask), plain.search(queries, 10, mask=mask))
        assert_same(index.search(queries, 10, listed=listed), plain.search(queries, 10, mask=mask))
        assert_same(plain.search(queries, 10, listed=listed), plain.search(queries, 10, mask=mask))
    assert (index.codes_bytes > 0) == (distance != flat.MANHATTAN)
    assert plain.codes_bytes == 0


def test_half_byte_codes_are_built_when_scans_go_on_and_follow_changes():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((4000, 24)).astype(np.float32)
    source = Source(rows, 1000, 3000)
    index, plain = flat.FlatIndex(source, 0), without_codes(source, 0)
    query = rng.standard_normal((1, 24)).astype(np.float32)
    for _ in range(flat.CODES_AFTER_SCANS + flat.NIBBLES_AFTER_SCANS - 2):
        assert_same(index.search(query, 10), plain.search(query, 10))
    bytes_alone = index.codes_bytes
    assert_same(index.search(query, 10), plain.search(query, 10))
    assert index.codes_bytes > bytes_alone > 0
    source.chunks()[0][7] = 9 * query[0]
    index.invalidate(np.array([7], np.uint32))
    assert_same(index.search(query, 10), plain.search(query, 10))
    assert index.search(query, 1)[0][0].tolist() == [7]


def test_changed_and_appended_rows_are_seen():
    rng = np.random.default_rng(1)
    source = Source(rng.standard_normal((4000, 16)).astype(np.float32), 100)
    index = flat.FlatIndex(source, 2)
    queries = rng.standard_normal((20, 16)).astype(np.float32)
    index.search(queries, 5)
    assert index.codes_bytes
    changed = np.array([3999, 5, 5, 100], np.uint32)
    source.rows[changed] *= 100
    index.invalidate(changed)
    source.rows = np.concatenate([source.rows, 200 * rng.standard_normal((50, 16)).astype(np.float32)])
    source.cuts = (100, 4000)
    index.invalidate(np.array([4001], np.uint32))
    plain = without_codes(source, 2)
    assert_same(index.search(queries, 5), plain.search(queries, 5))


def test_other_dtypes_and_an_empty_storage_are_scanned_directly():
    rng = np.random.default_rng(2)
    for dtype in (np.float16, np.uint8):
        rows = rng.integers(0, 9, (3000, 8)).astype(dtype)
        index = flat.FlatIndex(Source(rows), 1)
        for _ in range(12):
            (found,) = index.search(rows[7:8], 1)
        assert found[1][0] == 0
        assert index.codes_bytes == 0
    empty = flat.FlatIndex(Source(np.zeros((0, 3), np.float32)), 0)
    ((offsets, _),) = empty.search(np.zeros((1, 3), np.float32), 5)
    assert len(offsets) == 0


def test_scores_of_some():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((100, 5)).astype(np.float32)
    index = flat.FlatIndex(Source(rows, 30), 2)
    some = np.array([99, 0, 30], np.uint32)
    np.testing.assert_allclose(index.score_matrix(rows[:3], some), rows[:3] @ rows[some].T, rtol=1e-5, atol=1e-6)


def test_multi_vectors():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((200, 6)).astype(np.float32)
    index = flat.MultiFlatIndex(MultiSource(rows, 77), 2)
    query = rng.standard_normal((3, 6)).astype(np.float32)
    want = (rows @ query.T).reshape(100, 2, 3).max(axis=1).sum(axis=1)
    few = np.array([3, 50, 20], np.uint32)
    np.testing.assert_allclose(index.score(query, few), want[few], rtol=1e-5)
    offsets, sims = index.search(query, 7)
    np.testing.assert_array_equal(offsets, np.argsort(-want)[:7])
    np.testing.assert_allclose(sims, want[offsets], rtol=1e-5)


def test_one_query_is_answered_as_several_are():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((3000, 8)).astype(np.float32)
    index = flat.FlatIndex(Source(rows, 1000), 2)
    queries = rng.standard_normal((2, 8)).astype(np.float32)
    offsets = np.arange(0, 3000, 7, dtype=np.uint32)
    lists = [{"listed": Selection.listed(offsets[:many], 3000)} for many in (50, len(offsets))]
    for selection in ({}, {"mask": rng.random(3000) < 0.1}, *lists):
        for _ in range(12):  # as floats, then through codes
            both = index.search(queries, 10, **selection)
            for at in range(2):
                assert_same(index.search(queries[at : at + 1], 10, **selection), both[at : at + 1])
    assert index.codes_bytes > 0
    assert len(index.search(queries[:1], 10, mask=np.zeros(3000, np.bool_))[0][0]) == 0
