"""Files that several kinds of immutable payload index have, mapped and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard.errors import CorruptedError
from edgeshard.index.payload.values import Array
from edgeshard.storage.overlay import PrivateFile

POINT_TO_VALUES = "point_to_values.bin"
LISTED_SHARE = 0.2
"""Above this share of a segment's points, marking them takes less time than listing them."""


def mapped(path: Path) -> Array:
    """The bytes of a file.

    Raises:
        CorruptedError: it is missing.
    """
    return PrivateFile(path, read_only=True).array


def fitted(mask: Array, count: int) -> Array:
    """The first `count` flags, those beyond the end false."""
    return mask[:count] if count <= len(mask) else np.append(mask, np.zeros(count - len(mask), np.bool_))


class PointValues:
    """``point_to_values.bin``: how many values each point has, and where they are.

    Args:
        directory: of the index.
        points: offsets of the segment.

    Raises:
        CorruptedError: the file is missing or damaged.
    """

    __slots__ = ("counts", "values")

    def __init__(self, directory: Path, points: int) -> None:
        path = directory / POINT_TO_VALUES
        data = mapped(path)
        head = data[:16].view("<u8").tolist() if len(data) >= 16 else [0, 0]
        ranges_at, known = head
        if known > points or ranges_at < 16 or ranges_at % 8 or ranges_at + 16 * known > len(data):
            raise CorruptedError(path, f"{known} points at byte {ranges_at} do not fit {len(data)} bytes of {points}")
        ranges = data[ranges_at : ranges_at + 16 * known].view("<u8").reshape(-1, 2)
        self.counts: Array = np.minimum(ranges[:, 1], 2**32 - 1).astype(np.uint32)
        """``(known,) uint32`` values of each point; points beyond have none."""
        self.values: Array = data[ranges_at + 16 * known :]
        """The bytes of all values, point by point."""
        starts = ranges[:, 0].astype(np.int64) - (ranges_at + 16 * known)
        if known and (starts[0] or (np.diff(starts) < 0).any() or int(starts[-1]) > len(self.values)):
            raise CorruptedError(path, "the values of the points do not follow one another")
        if int(self.counts.sum()) > len(self.values):
            raise CorruptedError(path, "there are more values than bytes")

    def filled(self, count: int) -> Array:
        """``(count,) bool`` of the points with a value."""
        mask = np.zeros(count, np.bool_)
        known = self.counts[:count]
        mask[: len(known)] = known > 0
        return mask
