"""Exact search through byte codes: the float scan's answer, bit for bit, on data made to break bounds."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgeshard import _native

N = 3000


def normal(rng, dim):
    return rng.standard_normal((N, dim))


def duplicates(rng, dim):
    return rng.standard_normal((30, dim))[rng.integers(0, 30, N)]


def near_ties(rng, dim):
    base = rng.standard_normal(dim).astype(np.float32)
    ulps = rng.integers(-2, 3, (N, dim)).astype(np.int32)
    return (base.view(np.int32) + ulps).view(np.float32)


def outliers(rng, dim):
    return rng.standard_normal((N, dim)) * 10 ** rng.uniform(-3, 3, (N, dim))


def wild_norms(rng, dim):
    return rng.standard_normal((N, dim)) * 10 ** rng.uniform(-37, 37, (N, 1))


def denormals(rng, dim):
    return rng.standard_normal((N, dim)) * 1e-39


def mostly_zero(rng, dim):
    return rng.standard_normal((N, dim)) * (rng.random((N, 1)) < 0.01)


def far_from_origin(rng, dim):
    return rng.standard_normal((N, dim)) + 1000


def not_finite(rng, dim):
    rows = rng.standard_normal((N, dim))
    rows[5], rows[6, 0], rows[7, -1], rows[8] = np.nan, np.inf, -np.inf, 3e38
    return rows


KINDS = [
    normal,
    duplicates,
    near_ties,
    outliers,
    wild_norms,
    denormals,
    mostly_zero,
    far_from_origin,
    not_finite,
]


def assert_same(codes, queries, chunks, mask, k, distance, isa):
    got = codes.search(queries, chunks, mask, None, k, distance, isa=isa)
    want = _native.scan_topk(queries, chunks, mask, k, distance, isa=isa)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dim", [1, 3, 31, 97, 384])
def test_answer_is_that_of_the_float_scan(isa, kind, dim):
    rng = np.random.default_rng(dim)
    with np.errstate(over="ignore"):
        rows = kind(rng, dim).astype(np.float32)
    chunks = [rows[:1000], rows[1000:]]
    codes = _native.Codes8(dim, isa)
    for chunk in chunks:
        codes.extend(chunk)
    queries = np.concatenate([rows[:2], rng.standard_normal((2, dim)).astype(np.float32), np.zeros((1, dim), "f4")])
    mask = rng.random(N) < 0.2
    listed = rng.permutation(N)[:400].astype(np.uint32)
    within = np.isin(np.arange(N), listed)
    for distance in (0, 1, 2):
        for k in (1, 10, 500, N):
            assert_same(codes, queries, chunks, None, k, distance, isa)
        assert_same(codes, queries, chunks, mask, 10, distance, isa)
        want = _native.scan_topk(queries, chunks, within, 10, distance, isa=isa)
        for copies in (None, codes.copies(listed)):
            got = codes.search(queries, chunks, None, listed, 10, distance, isa=isa, copies=copies)
            for a, b in zip(got, want, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dim", [3, 97, 384])
def test_answer_through_half_bytes_is_that_of_the_float_scan(isa, kind, dim):
    rng = np.random.default_rng(dim)
    with np.errstate(over="ignore"):
        rows = kind(rng, dim).astype(np.float32)
    codes = _native.Codes8(dim, isa)
    codes.extend(rows[:1000])
    codes.make_nibbles()
    assert codes.has_nibbles
    codes.extend(rows[1000:])  # encoded as they come
    queries = np.concatenate([rows[:2], rng.standard_normal((1, dim)).astype(np.float32), np.zeros((1, dim), "f4")])
    mask = rng.random(N) < 0.8
    listed = rng.permutation(N)[:2500].astype(np.uint32)
    within = np.isin(np.arange(N), listed)
    for distance in (0, 1, 2):
        for at in range(len(queries)):
            query = queries[at : at + 1]
            for k in (1, 150):
                assert_same(codes, query, [rows], None, k, distance, isa)
            assert_same(codes, query, [rows], mask, 10, distance, isa)
            got = codes.search(query, [rows], None, listed, 10, distance, isa=isa)
            want = _native.scan_topk(query, [rows], within, 10, distance, isa=isa)
            for a, b in zip(got, want, strict=True):
                np.testing.assert_array_equal(a, b)


def test_half_bytes_follow_updates():
    rng = np.random.default_rng(12)
    rows = rng.standard_normal((4000, 40)).astype(np.float32)
    codes = _native.Codes8(40)
    codes.extend(rows)
    before = codes.size_bytes
    codes.make_nibbles()
    assert codes.size_bytes >= before + 4000 * (32 + 16)
    changed = np.array([3999, 0, 17], np.uint32)
    rows[changed] *= 50
    codes.update(changed, rows[changed])
    for at in changed:
        assert_same(codes, rows[at : at + 1], [rows], None, 10, 2, None)


def test_many_queries_and_threads_on_clustered_data():
    rng = np.random.default_rng(9)
    centres = rng.standard_normal((50, 128))
    rows = (centres[rng.integers(0, 50, 30_000)] + 0.1 * rng.standard_normal((30_000, 128))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codes = _native.Codes8(128)
    codes.extend(rows, threads=3)
    queries = rows[rng.integers(0, len(rows), 40)]
    want = _native.scan_topk(queries, [rows], None, 20, 0)
    for threads in (1, 2, 4):
        for a, b in zip(codes.search(queries, [rows], None, None, 20, 0, threads=threads), want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_updated_and_appended_rows_are_found():
    rng = np.random.default_rng(10)
    rows = rng.standard_normal((4000, 40)).astype(np.float32)
    codes = _native.Codes8(40)
    codes.extend(rows[:3000])
    codes.extend(rows[3000:])
    assert codes.count == 4000
    changed = np.array([3999, 0, 17], np.uint32)
    rows[changed] *= 50
    codes.update(changed, rows[changed])
    assert_same(codes, rows[changed], [rows], None, 10, 2, None)


def test_codes_may_grow_while_others_search():
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((20_000, 32)).astype(np.float32)
    codes = _native.Codes8(32)
    codes.extend(rows[:100])
    stop, refusals = threading.Event(), []

    def search():
        while not stop.is_set():
            count = codes.count
            try:
                codes.search(rows[:2], [rows[:count]], None, None, 5, 2)
            except ValueError as error:  # grown in between: refused, never a wrong answer
                refusals.append(str(error))

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at in range(100, 20_000, 100):
        codes.extend(rows[at : at + 100])
    stop.set()
    for thread in threads:
        thread.join()
    assert all("rows like the codes" in text for text in refusals)
    assert_same(codes, rows[:2], [rows], None, 5, 2, None)


def test_wrong_input_is_refused():
    codes = _native.Codes8(4)
    codes.extend(np.ones((3, 4), np.float32))
    rows, query = np.ones((3, 4), np.float32), np.ones((1, 4), np.float32)
    with pytest.raises(IndexError, match="3 is out of range"):
        codes.copies(np.array([3], np.uint32))
    listed, other = np.array([2, 0], np.uint32), _native.Codes8(5)
    other.extend(np.ones((2, 5), np.float32))
    for offsets, copies in ((listed, codes.copies(listed[:1])), (listed, other), (None, codes.copies(listed))):
        with pytest.raises(ValueError, match="copies: expected those of the codes at the offsets"):
            codes.search(query, [rows], None, offsets, 1, 2, copies=copies)
    with pytest.raises(ValueError, match="codes bound Cosine, Euclid and Dot"):
        codes.search(query, [rows], None, None, 1, 3)
    with pytest.raises(ValueError, match="expected 3 rows like the codes, got 2"):
        codes.search(query, [rows[:2]], None, None, 1, 2)
    with pytest.raises(ValueError, match="give one of them"):
        codes.search(query, [rows], np.ones(3, bool), np.zeros(1, np.uint32), 1, 2)
    with pytest.raises(IndexError, match="3 is out of range"):
        codes.search(query, [rows], None, np.array([3], np.uint32), 1, 2)
    with pytest.raises(ValueError, match="expected 4 columns"):
        codes.extend(np.ones((1, 5), np.float32))
    with pytest.raises(TypeError, match="expected dtype float32"):
        codes.extend(np.ones((1, 4), np.float16))
    with pytest.raises(IndexError, match="9 is out of range"):
        codes.update(np.array([9], np.uint32), query)
    with pytest.raises(ValueError, match="dim: expected 1 to 65536"):
        _native.Codes8(0)
    empty = codes.search(query, [rows], None, np.zeros(0, np.uint32), 1, 2)
    assert empty[0].shape == (1, 0)
