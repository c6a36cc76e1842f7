"""Geo files: the places of each point."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter.column_masks import clause_hits
from edgeshard.filter.column_store import Column
from edgeshard.index.payload.conditions import Question
from edgeshard.index.payload.open_parts import POINT_TO_VALUES, PointValues
from edgeshard.index.payload.values import TAG_GEO, Mask


class GeoFiles:
    """Longitudes and latitudes in columns: testing all of them costs less than covering a shape with cells.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment.

    Raises:
        CorruptedError: a file is missing or damaged.
    """

    __slots__ = ("_column", "_values")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._values = PointValues(directory, points)
        counts = self._values.counts
        if len(self._values.values) != 16 * int(counts.sum()):
            raise CorruptedError(directory / POINT_TO_VALUES, "it holds another number of places than it says")
        places = self._values.values.view("<f8").reshape(-1, 2)
        if not bool(((np.abs(places[:, 0]) <= 180) & (np.abs(places[:, 1]) <= 90)).all()):
            raise CorruptedError(directory / POINT_TO_VALUES, "a place is not on the globe")
        owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
        self._column = Column(
            points=points,
            facts=np.zeros(0, np.uint8),
            owners=owners,
            tags=np.full(len(places), TAG_GEO, np.uint8),
            numbers=None,
            integers=None,
            codes=None,
            lons=np.ascontiguousarray(places[:, 0]),
            lats=np.ascontiguousarray(places[:, 1]),
            strings=_native.ColumnStrings(),
            has_reals=False,
            memo={},
        )

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points with a place inside of a shape."""
        hits = clause_hits(asked.clause, self._column)
        if hits is None or self._column.owners is None:
            return np.zeros(count, np.bool_)
        return _native.any_by_owner(hits, self._column.owners, count)

    def filled(self, count: int) -> Mask:
        """Points with a place."""
        return self._values.filled(count)
