"""Numeric files: values with their points, in order of value."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter.values import number_bounds
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import Question, integers_within, numbers_within
from edgeshard.index.payload.open_parts import LISTED_SHARE, PointValues, fitted, mapped
from edgeshard.index.payload.values import Array, Mask, Offsets
from edgeshard.models.matches import RangeFloat
from edgeshard.storage import files

FILE = "data.bin"
COUNTS = "histogram_config.json"
SETTINGS = "mmap_field_index_config.json"
_PAIR_BYTES = 16


class NumericFiles:
    """Points by integer, number or date.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment, or elements of a nested index.

    Raises:
        CorruptedError: the file is missing or damaged.
    """

    __slots__ = ("_data", "_directory", "_kind", "_points", "_values")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._directory = directory
        self._kind = kind
        self._points = points
        data = mapped(directory / FILE)
        if len(data) % _PAIR_BYTES:
            raise CorruptedError(directory / FILE, f"{len(data)} bytes are no whole number of pairs")
        self._data = data
        self._values = data.view("<f8" if kind == schema.FLOAT else "<i8")[::2]
        expected = _number(directory / COUNTS, "total_count")
        if len(self._values) != expected:
            raise CorruptedError(directory / FILE, f"{len(self._values)} pairs instead of {expected}")
        owners = data.view("<u4")[2::4]
        if len(owners) and int(owners.max()) >= points:
            raise CorruptedError(directory / FILE, f"it names a point, the segment has {points}")
        ordered = self._values[1:] >= self._values[:-1]
        if not bool(ordered.all()):
            raise CorruptedError(directory / FILE, "its values are out of order", int(np.argmin(ordered)) * _PAIR_BYTES)

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points with a value inside of a range."""
        first, last = self._places(asked.clause)
        try:
            mask: Mask = _native.mark_pairs(self._data, first, max(first, last), self._points)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error
        return fitted(mask, count)

    def offsets(self, asked: Question, count: int) -> Offsets | None:
        """Points with a value inside of a range, ascending; None for many."""
        if count < self._points:
            return None
        first, last = self._places(asked.clause)
        if last - first > count * LISTED_SHARE:
            return None
        try:
            return _native.pair_offsets(self._data, first, max(first, last), self._points)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error

    def _places(self, bounds: Any) -> tuple[int, int]:
        """The pairs inside of a range, from the first to before the last."""
        values = self._values
        if self._kind == schema.FLOAT:
            return _floats(values, numbers_within(bounds))
        low, high = integers_within(bounds)
        return bisect_left(values, low), bisect_right(values, high)

    def pairs(self) -> tuple[Offsets, Array]:
        """Points and values in order of value, then of point."""
        return self._data.view("<u4")[2::4], self._values

    @property
    def most(self) -> int:
        """Values a point has at most."""
        return _number(self._directory / SETTINGS, "max_values_per_point")

    def filled(self, count: int) -> Mask:
        """Points with a value."""
        return PointValues(self._directory, self._points).filled(count)


def _number(path: Path, name: str) -> int:
    """A number in one of the index's JSON files."""
    try:
        return int(files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))[name])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptedError(path, f"not the settings of a numeric index: {error}") from error


def _floats(values: Any, bounds: RangeFloat) -> tuple[int, int]:
    limits = number_bounds(bounds)
    if limits is None:
        return 0, 0
    gte, gt, lte, lt = limits
    low, high = 0, len(values)
    if gte is not None:
        low = bisect_left(values, gte)
    if gt is not None:
        low = max(low, bisect_right(values, gt))
    if lte is not None:
        high = bisect_right(values, lte)
    if lt is not None:
        high = min(high, bisect_left(values, lt))
    return low, high
