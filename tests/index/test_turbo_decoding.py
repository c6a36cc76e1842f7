"""TurboQuant records decoded eight at a time, against the definition written down one vector at a time."""

from __future__ import annotations

import instruction_sets
import numpy as np
import pytest

from edgeshard import _native

EUCLID, DOT, MANHATTAN = 1, 2, 3
SEEDS = 654605292835415893, 8636605637963351413, 1775280196666917949
POSITIVE = {
    1: [0.7978846],
    2: [0.4528, 1.510],
    4: [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733],
}
DIMS = [1, 2, 3, 7, 16, 31, 100, 256, 520, 1536]
"""Every number of levels of butterflies, alone and one behind the other."""
COUNTS = [1, 8, 11]


def permutation(state: int, size: int) -> list[int]:
    order = list(range(size))
    for i in range(size - 1, 0, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        j = (state >> 32) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def transformed(x: np.ndarray) -> np.ndarray:
    """Orthonormal Walsh-Hadamard transforms of blocks of decreasing powers of two."""
    done, start = np.empty_like(x), 0
    while start < len(x):
        size = 1 << ((len(x) - start).bit_length() - 1)
        block = x[start : start + size]
        step = 1
        while step < size:
            pairs = block.reshape(-1, 2, step)
            block = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
            step *= 2
        done[start : start + size] = block * (1 / np.sqrt(np.float64(size)))
        start += size
    return done


def rotated_back(x: np.ndarray) -> np.ndarray:
    for seed in reversed(SEEDS):
        moved = np.empty_like(x)
        moved[permutation(seed, len(x))] = transformed(x)
        x = moved
    return transformed(x)


def codes_of(record: np.ndarray, padded: int, bits: int) -> np.ndarray:
    code_bytes = record[: padded * bits // 8]
    if bits == 16:
        return code_bytes.copy().view("<i2").astype(np.float64)
    if bits == 8:
        return code_bytes.astype(np.float64) - 128
    numbers = code_bytes[:, None] >> np.arange(0, 8, bits) & (1 << bits) - 1
    levels = np.array([-level for level in POSITIVE[bits][::-1]] + POSITIVE[bits], np.float32).astype(np.float64)
    return levels[numbers.reshape(-1)]


def decoded(record: np.ndarray, dim: int, padded: int, bits: int, distance: int) -> np.ndarray:
    values = codes_of(record, padded, bits)
    factor = np.float64(record[padded * bits // 8 :][:4].copy().view("<f4")[0])
    by, repair = factor, 1.0
    if distance == MANHATTAN:
        length = np.sqrt(np.float64(padded) if bits < 8 else (values**2).sum())
        by = factor / length if length > 0 else 0.0
    values = values * by
    if bits < 8 and distance != MANHATTAN:
        sums = [0.0] * 4
        for i, value in enumerate(values):
            sums[i % 4 if i < padded // 4 * 4 else 0] += value * value
        square = (sums[0] + sums[1]) + (sums[2] + sums[3])
        repair = np.sqrt(square) / (abs(factor) * np.sqrt(np.float64(padded))) if factor else 1.0
    return (rotated_back(values[:dim]) * repair).astype(np.float32)


def setup(dim: int, bits: int, distance: int, count: int) -> tuple[_native.RecordCodec, int, np.ndarray, np.ndarray]:
    per_byte = max(8 // bits, 1)
    padded = -(-dim // per_byte) * per_byte
    codec = _native.turbo_codec(dim, bits, padded, distance, False, False, None, None)
    vectors = np.random.default_rng(dim).normal(size=(count, dim)).astype(np.float32)
    vectors[count // 2] = 0
    return codec, padded, vectors, codec.encode(vectors)


@pytest.mark.parametrize("distance", [EUCLID, DOT, MANHATTAN])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("dim", DIMS)
def test_vectors_are_those_of_the_definition(dim: int, bits: int, distance: int) -> None:
    for count in COUNTS:
        codec, padded, _, records = setup(dim, bits, distance, count)
        expected = [decoded(record, dim, padded, bits, distance) for record in records]
        np.testing.assert_array_equal(codec.decode(records), np.stack(expected))


@pytest.mark.parametrize("isa", instruction_sets.available())
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("dim", DIMS)
def test_manhattan_adds_up_one_after_the_other(dim: int, bits: int, isa: str) -> None:
    """Not even rounding depends on the instruction set, or on how many records are compared at once."""
    for count in COUNTS:
        codec, padded, vectors, records = setup(dim, bits, MANHATTAN, count)
        rows = np.stack([decoded(record, dim, padded, bits, MANHATTAN) for record in records])
        apart = np.abs(vectors[:1] - rows)
        expected = -np.add.accumulate(apart, axis=1, dtype=np.float32)[:, -1]
        np.testing.assert_array_equal(codec.score(vectors[:1], [records], None, isa=isa)[0], expected)
        few = np.array([count - 1, 0], np.uint32)
        np.testing.assert_array_equal(codec.score(vectors[:1], [records], few, isa=isa)[0], expected[few])
