"""Roaring bitmaps: every form of a container comes back, and a small file asks for little memory."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from edgeshard.storage import roaring


@pytest.mark.parametrize("step", [1, 2, 13, 5000, 70_000])
def test_round_trip(step: int) -> None:
    values = np.arange(3, 300_000, step, dtype=np.int64)
    coded = memoryview(roaring.encode(values))
    assert roaring.decode(coded, int(values[-1]) + 1).tolist() == values.tolist()
    with pytest.raises(ValueError, match="below"):
        roaring.decode(coded, int(values[-1]))


def of_full_containers(keys: list[int]) -> memoryview:
    """A bitmap whose containers are one run of all values each."""
    start = struct.pack("<I", 12347 | (len(keys) - 1) << 16) + b"\xff" * -(-len(keys) // 8)
    heads = b"".join(struct.pack("<HH", key, 65535) for key in keys)
    return memoryview(start + heads + bytes(4 * len(keys)) + struct.pack("<HHH", 1, 0, 65535) * len(keys))


def test_containers_beyond_the_limit_take_no_memory() -> None:
    tracemalloc.start()
    for keys in (list(range(500)), [0] * 500):
        with pytest.raises(ValueError, match="containers"):
            roaring.decode(of_full_containers(keys), 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert len(roaring.decode(of_full_containers([0, 1, 2, 3]), 4 << 16)) == 4 << 16
