"""Records laid out for graph walks: the similarities of the records, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard import _native
from edgeshard._native import WalkCodes
from edgeshard.index.quantization.fit import turbo_code_bits, turbo_padded

ROWS = 70


def vectors(dim: int, count: int = ROWS) -> np.ndarray:
    return np.random.default_rng(dim).normal(size=(count, dim)).astype(np.float32)


def codec(method: str, dim: int, distance: int) -> _native.RecordCodec:
    if method == "scalar":
        alpha, offset = 8.0 / 127, -4.0
        return _native.scalar_codec(dim, distance, alpha, offset, (2 if distance == 1 else 1) * alpha**2)
    if method == "binary":
        return _native.binary_codec(dim, 0, 1, -(-dim // 128) * 16, None, None)
    padded = turbo_padded(method, dim)
    shift, scale = np.full(padded, 0.01), np.full(padded, 1.1)
    plus = method != "bits8"
    corrections = (shift, scale) if plus else (None, None)
    return _native.turbo_codec(dim, turbo_code_bits(method), padded, distance, plus, True, *corrections)


@pytest.mark.parametrize("dim", [3, 64, 100, 384])
@pytest.mark.parametrize("distance", [0, 1, 2])
@pytest.mark.parametrize("method", ["scalar", "binary", "bits1", "bits1_5", "bits2", "bits4", "bits8"])
def test_similarities_are_those_of_the_records(method: str, distance: int, dim: int, isa: str) -> None:
    rows, query = vectors(dim), vectors(dim, ROWS + 1)[-1]
    one = codec(method, dim, distance)
    records = one.encode(rows)
    walk = WalkCodes.build(one, [records[:30], records[30:]])
    offsets = np.random.default_rng(1).permutation(ROWS).astype(np.uint32)[: ROWS - 3]
    expected = one.score(query[None], [records], offsets)[0]
    found = walk.score(query, offsets)
    if method in ("scalar", "binary"):  # no byte of the query is rounded that is not rounded for records
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    assert np.abs(found - expected).max() <= 0.05 * np.std(expected) + 1e-4
    np.testing.assert_array_equal(walk.score(query, offsets, isa), found)


def test_codes_can_lie_in_any_memory() -> None:
    one = codec("bits4", 100, 0)
    walk = WalkCodes.build(one, [one.encode(vectors(100))])
    size = WalkCodes.expected_bytes(one, ROWS)
    assert walk.data.nbytes == size == ROWS * (64 + 8)
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    memory[start : start + size] = walk.data
    again = WalkCodes.around(one, ROWS, memory[start : start + size])
    offsets = np.arange(ROWS, dtype=np.uint32)
    np.testing.assert_array_equal(again.score(vectors(100)[0], offsets), walk.score(vectors(100)[0], offsets))
    with pytest.raises(ValueError, match="aligned"):
        WalkCodes.around(one, ROWS, memory[start + 1 : start + 1 + size])
    with pytest.raises(ValueError, match=f"expected {size} bytes"):
        WalkCodes.around(one, ROWS, memory[start : start + size - 1])


def test_methods_that_are_walked_on_as_they_are() -> None:
    manhattan = codec("scalar", 8, 3)
    assert not WalkCodes.possible(manhattan)
    with pytest.raises(ValueError, match="as they are"):
        WalkCodes.build(manhattan, [manhattan.encode(vectors(8))])
    with pytest.raises(IndexError):
        one = codec("bits4", 8, 0)
        WalkCodes.build(one, [one.encode(vectors(8))]).score(vectors(8)[0], np.array([ROWS], np.uint32))
