"""Map files: the points of each keyword, integer or UUID, found through a perfect hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import LEAST, MOST, Question, wanted_values
from edgeshard.index.payload.open_parts import PointValues, fitted, mapped
from edgeshard.index.payload.uuids import parse
from edgeshard.index.payload.values import Array, Mask, Offsets, Packed
from edgeshard.models.matches import MatchAny, MatchExcept, MatchPrefix, MatchSubstring, MatchValue

FILE = "values_to_points.bin"
PREFIXES = "prefix_index.bin"


def _texts(wanted: list[Any]) -> list[bytes]:
    return [text.encode("utf-8", "surrogatepass") for text in wanted]


def _integers(wanted: list[Any]) -> list[bytes]:
    return [value.to_bytes(8, "little", signed=True) for value in wanted if LEAST <= value <= MOST]


def _uuids(wanted: list[Any]) -> list[bytes]:
    return [pair.astype("<u8").tobytes() for pair in parse(wanted)[0]]


_KEYS: dict[str, tuple[int, Callable[[list[Any]], list[bytes]]]] = {
    schema.KEYWORD: (0, _texts),
    schema.INT_MAP: (1, _integers),
    schema.UUID_MAP: (2, _uuids),
}
"""By kind of index: its kind of keys in native code, and the keys a match asks for."""
_UUID = [("low", "<u8"), ("high", "<u8")]


class MapFiles:
    """The points of each value.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment, or elements of a nested index.

    Raises:
        CorruptedError: the file is missing or damaged.
    """

    __slots__ = ("_directory", "_keys", "_map", "_points", "_prefixes")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._directory = directory
        self._points = points
        expected, self._keys = _KEYS[kind]
        try:
            self._map = _native.KeyMap(mapped(directory / FILE))
        except ValueError as error:
            raise CorruptedError(directory / FILE, str(error)) from error
        if self._map.kind != expected:
            raise CorruptedError(directory / FILE, "its keys are of another type")
        self._prefixes: _native.PrefixFile | None = None

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points that have one of the values a match asks for, or another one than it excludes."""
        match = asked.clause
        if isinstance(match, MatchPrefix):
            return fitted(self._with_prefix(match.prefix.encode("utf-8", "surrogatepass")), count)
        if isinstance(match, MatchSubstring):
            return fitted(self._matching(match.substring.encode("utf-8", "surrogatepass"), anywhere=True), count)
        if isinstance(match, MatchExcept):
            return self._others(dict.fromkeys(self._keys(wanted_values(match))), count)
        if not isinstance(match, (MatchValue, MatchAny)):
            return None
        mask = np.zeros(count, np.bool_)
        for key in self._keys(wanted_values(match)):
            points = self._find(key)
            mask[points[points < count] if count < self._points else points] = True
        return mask

    def _with_prefix(self, prefix: bytes) -> Mask:
        """The points of the texts with a prefix: the prefix index names these, without one all texts are looked at."""
        path = self._directory / PREFIXES
        if not path.exists():
            return self._matching(prefix, anywhere=False)
        try:
            index = self._prefixes
            if index is None:
                index = _native.PrefixFile(mapped(path))
                if len(index) != len(self._map):
                    raise CorruptedError(path, f"it lists {len(index)} keys, there are {len(self._map)}")
                self._prefixes = index
            return self._map.with_prefix(index, prefix, self._points)
        except ValueError as error:
            raise CorruptedError(path, str(error)) from error

    def _matching(self, text: bytes, *, anywhere: bool) -> Mask:
        """The points of the texts that begin with a text, or have it anywhere."""
        try:
            return self._map.matching(text, anywhere, self._points)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error

    def groups(self) -> tuple[Packed | Array, Offsets, Offsets]:
        """The keys in order, texts packed, others as numbers; pairs of a point and the number of a key it has."""
        try:
            data, bounds, owners, numbers = self._map.groups(self._points)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error
        if self._map.kind == _KEYS[schema.KEYWORD][0]:
            return (data, bounds), owners, numbers
        return data.view("<i8" if self._map.kind == _KEYS[schema.INT_MAP][0] else _UUID), owners, numbers

    def _find(self, key: bytes) -> Array:
        """The points that have a value."""
        try:
            points = self._map.find(key)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error
        if len(points) and int(points.max()) >= self._points:
            raise CorruptedError(self._directory / FILE, "it names a point the segment does not have")
        return points

    def _others(self, excluded: Iterable[bytes], count: int) -> Mask:
        """The points with more values than they have of some: each point's values are different from each other."""
        known = PointValues(self._directory, self._points).counts
        left = np.zeros(max(count, self._points), np.int64)
        left[: len(known)] = known
        for key in excluded:
            left[self._find(key)] -= 1
        return left[:count] > 0

    def offsets(self, asked: Question, count: int) -> Offsets | None:
        """Points that have the value a match asks for, ascending; None for several values."""
        match = asked.clause
        if count < self._points or not isinstance(match, (MatchValue, MatchAny)):
            return None
        keys = self._keys(wanted_values(match))
        if len(keys) > 1:
            return None
        try:
            return self._map.offsets(keys[0], self._points) if keys else np.zeros(0, np.uint32)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error

    def filled(self, count: int) -> Mask:
        """Points with a value."""
        return PointValues(self._directory, self._points).filled(count)
