"""Geo files: the places of each point, and the points of each cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter.column_masks import clause_hits
from edgeshard.filter.column_store import Column
from edgeshard.index.payload.conditions import Question
from edgeshard.index.payload.geo_cover import cells_of
from edgeshard.index.payload.open_parts import LISTED_SHARE, POINT_TO_VALUES, PointValues, mapped
from edgeshard.index.payload.values import TAG_GEO, Array, Mask, Offsets

CELLS = "points_map.bin"
CELL_POINTS = "points_map_ids.bin"


class GeoFiles:
    """Points by place: those in the cells that cover a shape are tested one by one, or all if these are many.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment, or elements of a nested index.

    Raises:
        CorruptedError: a file is missing or damaged.
    """

    __slots__ = ("_cells", "_column", "_directory", "_ids", "_places", "_points", "_starts", "_values")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._directory = directory
        self._points = points
        self._values = PointValues(directory, points)
        counts = self._values.counts
        if len(self._values.values) != 16 * int(counts.sum()):
            raise CorruptedError(directory / POINT_TO_VALUES, "it holds another number of places than it says")
        self._places: Array = self._values.values.view("<f8").reshape(-1, 2)
        if not bool(((np.abs(self._places[:, 0]) <= 180) & (np.abs(self._places[:, 1]) <= 90)).all()):
            raise CorruptedError(directory / POINT_TO_VALUES, "a place is not on the globe")
        self._starts: Array = np.cumsum(counts, dtype=np.int64) - counts
        self._cells, self._ids = mapped(directory / CELLS), mapped(directory / CELL_POINTS)
        if bool(len(self._places)) != bool(len(self._cells)):
            raise CorruptedError(directory / CELLS, f"{len(self._cells)} bytes for {len(self._places)} places")
        try:
            _native.check_cells(self._cells, self._ids, points)
        except ValueError as error:
            raise CorruptedError(directory / CELLS, str(error)) from error
        self._column: Column | None = None

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points with a place inside of a shape."""
        few = self.offsets(asked, count)
        if few is not None:
            mask = np.zeros(count, np.bool_)
            mask[few[few < count] if count < self._points else few] = True
            return mask
        if self._column is None:
            counts = self._values.counts
            self._column = self._as_column(np.repeat(np.arange(len(counts), dtype=np.uint32), counts), self._places)
        return _passing(asked, self._column, count)

    def offsets(self, asked: Question, count: int) -> Offsets | None:
        """Points with a place inside of a shape, ascending; None if many points are in the cells that cover it."""
        ranges = cells_of(asked.clause)
        if ranges is None:
            return None
        near = _native.cell_points(self._cells, self._ids, *ranges, self._points, int(self._points * LISTED_SHARE))
        if near is None:
            return None
        near = near[: np.searchsorted(near, len(self._starts))]
        counts = self._values.counts[near]
        numbers = np.repeat(np.arange(len(near), dtype=np.uint32), counts)
        first = np.cumsum(counts, dtype=np.int64) - counts
        places = self._places[np.repeat(self._starts[near] - first, counts) + np.arange(len(numbers))]
        found: Offsets = near[_passing(asked, self._as_column(numbers, places), len(near))]
        return found

    def _as_column(self, owners: Offsets, places: Array) -> Column:
        return Column(
            points=self._points,
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

    def filled(self, count: int) -> Mask:
        """Points with a place."""
        return self._values.filled(count)


def _passing(asked: Question, column: Column, count: int) -> Mask:
    hits = clause_hits(asked.clause, column)
    if hits is None or column.owners is None:
        return np.zeros(count, np.bool_)
    return _native.any_by_owner(hits, column.owners, count)
