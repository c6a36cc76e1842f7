"""The exact scans: top k with masks, ties, chunks, batches and threads; refusals of wrong input."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard import _native


def split(rows: np.ndarray, *cuts: int) -> list[np.ndarray]:
    return np.split(rows, list(cuts))


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
def test_topk_equals_sorting_all_similarities(isa, n, dtype, make_rows, expected_topk):
    rng = np.random.default_rng(n)
    rows, queries = make_rows(rng, n, 31, dtype), make_rows(rng, 5, 31, dtype)
    chunks = split(rows, n // 3, n // 2)
    mask = rng.random(n) < 0.3
    for distance in range(4):
        sims = _native.score_matrix(queries, chunks, None, distance, isa=isa)
        for k in (0, 1, 10, n, 2**63):
            for allowed in (None, mask):
                offsets, found, counts = _native.scan_topk(queries, chunks, allowed, k, distance, isa=isa)
                assert offsets.shape == found.shape == (5, min(k, n))
                for q in range(5):
                    want, want_sims = expected_topk(sims[q], k, allowed)
                    assert counts[q] == len(want)
                    np.testing.assert_array_equal(offsets[q, : counts[q]], want)
                    np.testing.assert_array_equal(found[q, : counts[q]], want_sims)
                    assert (offsets[q, counts[q] :] == 2**32 - 1).all()
                    assert (found[q, counts[q] :] == -np.inf).all()


def test_ties_go_to_the_smaller_offset_with_any_number_of_threads():
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.standard_normal((40, 256)).astype(np.float32), 500, axis=0)
    rows = np.ascontiguousarray(rows[rng.permutation(len(rows))])
    query = rows[:1]
    one = _native.scan_topk(query, split(rows, 4000, 9000), None, 700, 2, threads=1)
    two = _native.scan_topk(query, split(rows, 4000, 9000), None, 700, 2, threads=4)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    sims = one[1][0]
    same = sims[1:] == sims[:-1]
    assert same.sum() > 600
    assert (np.diff(one[0][0].astype(np.int64))[same] > 0).all()


def test_nan_is_never_a_hit_and_infinity_ranks_first():
    rows = np.zeros((4, 3), np.float32)
    rows[1, 0], rows[2, 0], rows[3, 0] = np.nan, np.inf, -np.inf
    offsets, sims, counts = _native.scan_topk(np.ones((1, 3), np.float32), [rows], None, 9, 2)
    assert counts[0] == 3
    assert offsets[0, :3].tolist() == [2, 0, 3]
    assert sims[0, :3].tolist() == [np.inf, 0, -np.inf]
    nan_query = np.full((1, 3), np.nan, np.float32)
    assert _native.scan_topk(nan_query, [rows], None, 9, 2)[2][0] == 0


def test_chunks_of_any_length_and_an_odd_base(make_rows):
    memory = np.zeros(4 + 100 * 20, np.uint8)
    rows = np.frombuffer(memory.data, np.float32, 500, 4).reshape(25, 20)
    rows.flags.writeable = False
    memory[4:] = np.random.default_rng(4).integers(0, 60, 2000)
    query = np.ones((1, 20), np.float32)
    whole = _native.score_matrix(query, [rows], None, 2)
    for cuts in ([], [0], [3], [3, 3, 20], list(range(1, 25))):
        chunks = split(rows, *cuts)
        np.testing.assert_array_equal(_native.score_matrix(query, chunks, None, 2), whole)
        offsets = np.array([24, 0, 3, 3, 19], np.uint32)
        np.testing.assert_array_equal(_native.score_matrix(query, chunks, offsets, 2), whole[:, offsets])


def test_threads_do_not_change_similarities():
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((20_000, 200)).astype(np.float32)
    queries = rng.standard_normal((6, 200)).astype(np.float32)
    offsets = rng.integers(0, len(rows), 15_000).astype(np.uint32)
    one = _native.score_matrix(queries, [rows], None, 1, threads=1)
    np.testing.assert_array_equal(one, _native.score_matrix(queries, [rows], None, 1, threads=3))
    np.testing.assert_array_equal(one[:, offsets], _native.score_matrix(queries, [rows], offsets, 1, threads=3))


ROWS = np.zeros((3, 4), np.float32)
QUERIES = np.zeros((1, 4), np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0]], [ROWS], None, 1, 0), TypeError, "queries: expected a C-contiguous array"),
        ((QUERIES.astype(np.float64), [ROWS], None, 1, 0), TypeError, "queries: expected dtype"),
        ((QUERIES[0], [ROWS], None, 1, 0), ValueError, "queries: expected 2 dimensions, got 1"),
        ((QUERIES, [ROWS[:, ::2]], None, 1, 0), ValueError, "chunks: expected a C-contiguous"),
        ((QUERIES, [ROWS[:, :3].copy()], None, 1, 0), ValueError, "chunks: expected rows of 4 elements"),
        ((QUERIES, [ROWS.astype(np.float16)], None, 1, 0), TypeError, "chunks: dtype differs"),
        ((QUERIES, [ROWS], np.ones(2, bool), 1, 0), ValueError, "mask: expected 3 entries, got 2"),
        ((QUERIES, [ROWS], np.ones(3, np.uint8), 1, 0), TypeError, "mask: expected dtype bool"),
        ((QUERIES, [ROWS], None, 1, 4), ValueError, "distance: expected 0 Cosine"),
    ],
)
def test_wrong_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        _native.scan_topk(*arguments)


def test_offsets_and_sizes_are_checked():
    with pytest.raises(IndexError, match="offsets: 3 is out of range, there are 3"):
        _native.score_matrix(QUERIES, [ROWS], np.array([0, 3], np.uint32), 0)
    with pytest.raises(TypeError, match="offsets: expected dtype uint32"):
        _native.score_matrix(QUERIES, [ROWS], np.array([0]), 0)
    wide = np.zeros((1, 65537), np.uint8)
    with pytest.raises(ValueError, match="65536"):
        _native.scan_topk(wide, [wide], None, 1, 2)
    with pytest.raises(ValueError, match="isa: 'mmx' is unknown"):
        _native.scan_topk(QUERIES, [ROWS], None, 1, 0, isa="mmx")
