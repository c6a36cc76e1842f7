"""How many values are read at once."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard.filter import batches
from edgeshard.filter.batches import BatchSize, Offsets, Packed, in_batches


def read_all(lengths: list[int], most: int) -> list[int]:
    """How many values each part has when values of these lengths are read."""

    def read(offsets: Offsets) -> Packed:
        sizes = np.array(lengths, np.int64)[offsets]
        return np.zeros(int(sizes.sum()), np.uint8), np.concatenate([[0], np.cumsum(sizes)])

    every = np.arange(len(lengths), dtype=np.uint32)
    parts = list(in_batches(every, read, most))
    assert np.array_equal(np.concatenate([offsets for offsets, _ in parts]), every)
    for offsets, (data, bounds) in parts:
        assert len(bounds) == len(offsets) + 1
        assert bounds[-1] == len(data)
    return [len(offsets) for offsets, _ in parts]


def test_short_values_are_soon_read_many_at_a_time() -> None:
    assert read_all([20] * 10_000, 4096) == [64, 512, 4096, 4096, 1232]


def test_empty_values_are_read_many_at_a_time() -> None:
    assert read_all([0] * 1000, 4096) == [64, 512, 424]


def test_long_values_are_read_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 1000)
    assert read_all([100] * 100, 4096) == [64, 10, 10, 10, 6]
    assert read_all([5000] * 66, 4096) == [64, 1, 1]


def test_values_that_become_long_end_large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 1000)
    assert read_all([1] * 576 + [100] * 600 + [1] * 1000, 4096)[:4] == [64, 512, 1000, 16]


def test_nothing_is_read_for_no_offsets() -> None:
    def read(offsets: Offsets) -> Packed:
        raise AssertionError

    assert not list(in_batches(np.empty(0, np.uint32), read, 10))


def test_no_batch_has_more_than_it_may() -> None:
    size = BatchSize(10)
    assert size.next == 10
    size.seen(10, 1)
    assert size.next == 10
