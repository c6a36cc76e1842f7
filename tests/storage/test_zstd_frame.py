"""Zstandard frames: those of the reference compressor, those of ours, and damaged ones."""

import random

import numpy as np
import pytest

from edgeshard import _native
from edgeshard.index.payload.build_parts import plane_frame

pyarrow = pytest.importorskip("pyarrow")


def decompress(frame, size):
    return _native.zstd_decompress(np.frombuffer(frame, np.uint8), size).tobytes()


def contents(rng):
    """Data of many kinds: every kind of block, of literals and of code comes up."""
    for size in (0, 1, 7, 300, 5000, 150_000, 400_000):
        numbers = np.random.default_rng(size)
        yield rng.randbytes(size)
        yield bytes(size)
        yield numbers.poisson(2, size).astype(np.uint8).tobytes()
        yield np.minimum(numbers.geometric(0.1, size), 255).astype(np.uint8).tobytes()
        yield np.repeat(numbers.integers(0, 256, size // 50 + 1), 50).astype(np.uint8).tobytes()
        yield b" ".join(rng.choice([b"alpha", b"beta", b"gamma%d" % rng.randrange(40)]) for _ in range(size // 6))
        steps = numbers.integers(0, 5, size // 4).astype("<u4")
        yield steps.view(np.uint8).reshape(-1, 4).T.tobytes()


@pytest.mark.parametrize("level", [-5, 1, 3, 9, 19])
def test_frames_of_the_reference_compressor(level):
    rng = random.Random(level)
    for data in contents(rng):
        frame = pyarrow.Codec("zstd", level).compress(data).to_pybytes()
        assert decompress(frame, len(data)) == data
        with pytest.raises(ValueError, match="not a Zstandard frame of that size"):
            decompress(frame, len(data) + 1)


def test_frames_of_ours():
    for count in (0, 1, 5, 100_000):
        values = np.random.default_rng(count).integers(0, 2**32, count, dtype=np.uint32)
        planes = decompress(plane_frame(values), 4 * count)
        assert planes == values.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()


def test_damaged_frames_end_in_an_error_or_other_bytes():
    rng, told = random.Random(7), 0
    for data in contents(rng):
        if not 0 < len(data) < 10_000:
            continue
        frame = pyarrow.Codec("zstd", 5).compress(data).to_pybytes()
        for _ in range(200):
            damaged = bytearray(frame)
            for _ in range(rng.randint(1, 3)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            if rng.random() < 0.2:
                del damaged[rng.randrange(len(damaged)) :]
            try:
                assert len(decompress(bytes(damaged), len(data))) == len(data)
            except ValueError:
                told += 1
    assert told > 500
