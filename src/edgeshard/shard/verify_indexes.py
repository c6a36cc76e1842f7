"""Whether payload indexes find the points that have the values they are asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgeshard.errors import CorruptedError
from edgeshard.filter.evaluate import evaluate
from edgeshard.models.filters import FieldCondition, Filter
from edgeshard.models.matches import MatchValue, RangeFloat
from edgeshard.models.paths import JsonPath, parse_path
from edgeshard.models.payload import decode_payload
from edgeshard.segment.batch import Offsets
from edgeshard.segment.segment import Segment, SegmentContext

BLOCK = 4096
"""Payloads read at a time."""
VALUES = 30
"""Values of an indexed field that are looked up in the index and compared with the payloads."""
EXACT = float(1 << 53)
"""Bounds beyond it stand for several integers, which an index and payloads need not round alike."""
MOST_MATCHED = (1 << 63) - 1
"""No condition matches an integer beyond it, which a payload may hold."""


class Held:
    """What is remembered of the values of one field: their types, the first of them as texts sort, and all numbers.

    Attributes:
        kinds: the types.
    """

    __slots__ = ("_few", "_numbers", "kinds")

    def __init__(self) -> None:
        self.kinds: set[type] = set()
        self._few: set[Any] = set()
        self._numbers = array("d")

    def add(self, value: Any) -> None:
        """Take a value of a payload into account."""
        kind = type(value)
        self.kinds.add(kind)
        if kind is str or (kind is int and abs(value) <= MOST_MATCHED):
            self._few.add(value)
            if len(self._few) > 4 * VALUES:
                self._few = set(self.values)
        if kind is int or kind is float:
            self._numbers.append(_as_float(value))

    @property
    def values(self) -> list[Any]:
        """At most so many values that conditions match."""
        return sorted(self._few, key=str)[:VALUES]

    @property
    def middle(self) -> tuple[float, float]:
        """Bounds of the middle half of the numbers, of which there is at least one."""
        numbers = np.sort(np.frombuffer(self._numbers))
        return float(numbers[len(numbers) // 4]), float(numbers[len(numbers) * 3 // 4])


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 300 digits
        return float("inf") if value > 0 else float("-inf")


def wrong_indexes(segment: Segment, progress: Callable[[int, int], None]) -> Iterator[str]:
    """Indexed values whose points are not those that have them.

    Args:
        segment: with its payload indexes open.
        progress: called with how many payloads of how many are read.
    """
    offsets = np.flatnonzero(segment.live_mask()).astype(np.uint32)
    schema = segment.indexes.schema
    if not schema or not len(offsets):
        return
    try:
        held = _read(segment, offsets, list(schema), progress)
    except CorruptedError:  # said point by point already; indexes cannot be compared with what cannot be read
        return
    live, context, plain = segment.live_mask(), SegmentContext(segment), _WithoutIndexes(segment)
    for path, stored in schema.items():
        kind = str(stored if isinstance(stored, str) else stored["type"])
        for condition, what in _probes(path, kind, held[path]):
            found, expected = (evaluate(Filter(must=[condition]), ctx) & live for ctx in (context, plain))
            if not np.array_equal(found, expected):
                yield f"{segment.path}: the index of {path!r} finds other points for {what} than have it"
                break


def _read(
    segment: Segment, offsets: Offsets, paths: list[str], progress: Callable[[int, int], None]
) -> dict[str, Held]:
    """What the payloads hold at some paths, read a block at a time: all of them may be larger than the memory."""
    lookups = [(parse_path(path).lookup, Held()) for path in paths]
    for start in range(0, len(offsets), BLOCK):
        for raw in segment.payloads(offsets[start : start + BLOCK]):
            payload = decode_payload(raw)
            for lookup, held in lookups:
                for value in lookup(payload):
                    held.add(value)
        progress(min(start + BLOCK, len(offsets)), len(offsets))
    return {path: held for path, (_, held) in zip(paths, lookups, strict=True)}


def _probes(path: str, kind: str, held: Held) -> Iterator[tuple[FieldCondition, str]]:
    """Conditions on a field that an index answers as the payloads do: values it holds, and a range in their middle.

    Where a field holds values of several types, what an index takes for a value depends on its own type; so does, where
    it holds numbers, which of them are in a range: an integer index leaves fractions out, one of dates all numbers.

    Args:
        path: the field.
        kind: of its index, as the schema spells it.
        held: the values of the points looked at.
    """
    kinds = held.kinds
    if kinds not in ({str}, {int}, {float}):
        return
    if float not in kinds:
        for value in held.values:
            yield FieldCondition(key=path, match=MatchValue(value)), repr(value)
    if str not in kinds and kind != "datetime" and (kind != "integer" or float not in kinds):
        low, high = held.middle
        if max(abs(low), abs(high)) <= EXACT:
            yield FieldCondition(key=path, range=RangeFloat(gte=low, lt=high)), "a range"


class _WithoutIndexes(SegmentContext):
    """A segment whose filters look at payloads only."""

    __slots__ = ()

    def index(self, path: str) -> None:
        """None, whatever there is."""

    def element_owners(self, array: JsonPath) -> None:
        """None, whatever there is."""
