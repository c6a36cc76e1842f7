"""How many values are read at once: enough that calls do not count, few enough that long values fit in memory.

Payloads are of 20 bytes in one shard and of a megabyte in the next, and nobody knows before they are read. So the
first few tell how many the next batch may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Offsets: TypeAlias = "NDArray[np.uint32]"
Packed: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.int64]]"

FIRST_BATCH = 64
"""Values of the first batch, of which nothing is known."""
_GROWTH = 8
"""A batch has at most so many times the values of the one before."""
BATCH_BYTES = 16 << 20
"""What a batch should not exceed."""


class BatchSize:
    """How many values the next batch should have.

    Args:
        most: never more than so many.
    """

    __slots__ = ("_most", "next")

    def __init__(self, most: int) -> None:
        self._most = most
        self.next = min(FIRST_BATCH, most)

    def seen(self, count: int, size_bytes: int) -> None:
        """Learn from a batch.

        Args:
            count: its values.
            size_bytes: what they took.
        """
        fitting = count * BATCH_BYTES // max(size_bytes, 1)
        self.next = max(min(self._most, fitting, self.next * _GROWTH), 1)


def in_batches(offsets: Offsets, read: Callable[[Offsets], Packed], most: int) -> Iterator[tuple[Offsets, Packed]]:
    """Read the values of many offsets a part at a time.

    Args:
        offsets: ``(n,)``.
        read: gives the values of some of them.
        most: offsets of a part at most.

    Yields:
        The offsets of a part, and its values.
    """
    size, start = BatchSize(most), 0
    while start < len(offsets):
        some = offsets[start : start + size.next]
        values = read(some)
        start += len(some)
        size.seen(len(some), len(values[0]))
        yield some, values
