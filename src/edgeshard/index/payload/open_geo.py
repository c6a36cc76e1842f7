"""Geo files: the places of each point, and the points of each cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter.geo_masks import inside
from edgeshard.index.payload.conditions import Question
from edgeshard.index.payload.geo_cover import cells_of
from edgeshard.index.payload.open_parts import LISTED_SHARE, POINT_TO_VALUES, PointValues, mapped
from edgeshard.index.payload.values import Array, Mask, Offsets
from edgeshard.storage.runs import bounds_of

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

    __slots__ = ("_all", "_cells", "_places", "_points", "_values", "_wide")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._points = points
        self._values = PointValues(directory, points)
        counts = self._values.counts
        if len(self._values.values) != 16 * int(counts.sum()):
            raise CorruptedError(directory / POINT_TO_VALUES, "it holds another number of places than it says")
        self._places: Array = self._values.values.view("<f8").reshape(-1, 2)
        if not bool(((np.abs(self._places[:, 0]) <= 180) & (np.abs(self._places[:, 1]) <= 90)).all()):
            raise CorruptedError(directory / POINT_TO_VALUES, "a place is not on the globe")
        cells, ids = mapped(directory / CELLS), mapped(directory / CELL_POINTS)
        if bool(len(self._places)) != bool(len(cells)):
            raise CorruptedError(directory / CELLS, f"{len(cells)} bytes for {len(self._places)} places")
        try:
            self._cells = _native.GeoPlaces(cells, ids, bounds_of(counts), self._places.reshape(-1), points)
        except ValueError as error:
            raise CorruptedError(directory / CELLS, str(error)) from error
        self._all: tuple[Offsets, Array, Array, dict[str, Any]] | None = None
        self._wide: Any = None  # the last shape found to be, which is asked for again as a mask

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points with a place inside of a shape."""
        few = self.offsets(asked, count)
        if few is not None:
            mask = np.zeros(count, np.bool_)
            mask[few[few < count] if count < self._points else few] = True
            return mask
        if self._all is None:
            counts = self._values.counts
            owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
            lons, lats = (np.ascontiguousarray(axis) for axis in self._places.T)
            self._all = (owners, lons, lats, {})
        owners, lons, lats, memo = self._all
        return _native.any_by_owner(inside(asked.clause, lons, lats, memo), owners, count)

    def offsets(self, asked: Question, count: int) -> Offsets | None:
        """Points with a place inside of a shape, ascending; None if many points are in the cells that cover it."""
        ranges = None if asked.clause is self._wide else cells_of(asked.clause)
        if ranges is None:
            return None
        near = self._cells.near(*ranges, int(self._points * LISTED_SHARE))
        if near is None:
            self._wide = asked.clause
            return None
        points, numbers, lons, lats = near
        if not len(points):
            return points
        hits = inside(asked.clause, lons, lats, {})
        found: Offsets = points[_native.any_by_owner(hits, numbers, len(points))]
        return found

    def filled(self, count: int) -> Mask:
        """Points with a place."""
        return self._values.filled(count)
