"""Map files: the points of each keyword, integer or UUID, found through a perfect hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import only_match, wanted_values
from edgeshard.index.payload.open_parts import PointValues, mapped
from edgeshard.index.payload.uuids import parse
from edgeshard.index.payload.values import Mask, Offsets

FILE = "values_to_points.bin"


def _texts(match: Any) -> list[bytes] | None:
    wanted = wanted_values(match, str)
    return None if wanted is None else [text.encode("utf-8", "surrogatepass") for text in wanted]


def _integers(match: Any) -> list[bytes] | None:
    wanted = wanted_values(match, int)
    if wanted is None:
        return None
    return [value.to_bytes(8, "little", signed=True) for value in wanted if -(2**63) <= value < 2**63]


def _uuids(match: Any) -> list[bytes] | None:
    wanted = wanted_values(match, str)
    if not wanted:
        return None
    words, valid = parse(wanted)
    return [pair.astype("<u8").tobytes() for pair in words] if bool(valid.all()) else None


_KEYS: dict[str, tuple[int, Callable[[Any], list[bytes] | None]]] = {
    schema.KEYWORD: (0, _texts),
    schema.INT_MAP: (1, _integers),
    schema.UUID_MAP: (2, _uuids),
}
"""By kind of index: its kind of keys in native code, and the keys a match asks for."""


class MapFiles:
    """The points of each value.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment.

    Raises:
        CorruptedError: the file is missing or damaged.
    """

    __slots__ = ("_directory", "_keys", "_map", "_points")

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

    def mask(self, condition: Any, count: int) -> Mask | None:
        """Points that have one of the values a match asks for."""
        match = only_match(condition)
        keys = None if match is None else self._keys(match)
        if keys is None:
            return None
        mask = np.zeros(count, np.bool_)
        for key in keys:
            try:
                points = self._map.find(key)
            except ValueError as error:
                raise CorruptedError(self._directory / FILE, str(error)) from error
            if len(points) and int(points.max()) >= self._points:
                raise CorruptedError(self._directory / FILE, "it names a point the segment does not have")
            mask[points[points < count] if count < self._points else points] = True
        return mask

    def offsets(self, condition: Any, count: int) -> Offsets | None:
        """Points that have the value a match asks for, ascending; None for several values."""
        match = only_match(condition)
        keys = None if match is None or count < self._points else self._keys(match)
        if keys is None or len(keys) > 1:
            return None
        try:
            return self._map.offsets(keys[0], self._points) if keys else np.zeros(0, np.uint32)
        except ValueError as error:
            raise CorruptedError(self._directory / FILE, str(error)) from error

    def filled(self, count: int) -> Mask:
        """Points with a value."""
        return PointValues(self._directory, self._points).filled(count)
