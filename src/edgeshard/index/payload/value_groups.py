"""The values of a field numbered, and which of them each point has: what counting by value works on."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from edgeshard import _native
from edgeshard.filter.selections import Selection
from edgeshard.index.payload import schema
from edgeshard.index.payload.values import Array, values_of

__all__ = ["Tally", "ValueGroups", "value_groups"]


class Tally(NamedTuple):
    """What a payload index would say of all points of a segment."""

    counts: Array
    """``(size,) int64`` how many points have each value."""
    points: int
    """How many have a value."""
    values: int
    """How many values they have together, repeated ones included."""
    distinct: int
    """How many values there are."""


class ValueGroups:
    """The distinct values of a payload column as an index of one kind takes them.

    Args:
        column: the payload column.
        kind: of the index (keyword, integer, UUID or bool).
    """

    __slots__ = ("_kind", "_numbers", "_starts", "_strings", "_tally", "_values", "_written", "size")

    def __init__(self, column: Any, kind: str) -> None:
        places, values = values_of(column, kind)
        self._kind = kind
        self._strings = column.strings
        self._values: Array | None = None
        numbers: Array = values
        if kind == schema.KEYWORD:  # codes number the strings already
            self.size = int(values.max(initial=0)) + 1
        else:
            self._values, numbers = _ranked(values, kind)
            self.size = len(self._values)
        owners = places if column.owners is None else column.owners[places]
        owners = owners.astype(np.uint32)
        self._starts, self._numbers = _native.group_by_point(owners, numbers.astype(np.uint32), column.points)
        self._written = np.bincount(owners[owners < column.points], minlength=column.points).astype(np.uint32)
        self._tally: tuple[Selection, Tally] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        values = 0 if self._values is None else self._values.nbytes
        return self._starts.nbytes + self._numbers.nbytes + self._written.nbytes + values

    def count(self, chosen: Selection) -> Array:
        """``(size,) int64`` how many of some points have each value."""
        counts: Array = _native.count_values(self._starts, self._numbers, chosen.offsets, self.size)
        return counts

    def tally(self, everyone: Selection) -> Tally:
        """The counts over all points of the segment; remembered until that changes."""
        known = self._tally
        if known is None or known[0] is not everyone:
            counts = self.count(everyone)
            written = self._written[everyone.mask]
            found = Tally(counts, int((written > 0).sum()), int(written.sum()), int((counts > 0).sum()))
            known = self._tally = everyone, found
        return known[1]

    def number(self, value: str | int | bool) -> int | None:
        """The number of a value, None if no point ever had it; texts for keyword, int, or bool."""
        if self._kind == schema.KEYWORD:
            code = self._strings.find(value)
            return code if 0 < code < self.size else None
        assert self._values is not None
        if self._kind == schema.INT_MAP and not -(2**63) <= value < 2**63:  # type: ignore[operator]
            return None
        place = int(self._values.searchsorted(value))
        return place if place < self.size and self._values[place] == value else None

    def count_of(self, key: Any, counts: Array) -> int:
        """The count of a value in the form of :meth:`keys`."""
        if self._kind == schema.UUID_MAP:
            words = self._values
            assert words is not None
            place = bisect_left(range(self.size), key, key=lambda n: int(words[n][0]) << 64 | int(words[n][1]))
            return int(counts[place]) if self.keys(np.arange(place, min(place + 1, self.size))) == [key] else 0
        number = self.number(key.decode() if self._kind == schema.KEYWORD else key)
        return 0 if number is None else int(counts[number])

    def first(self, numbers: Array, wanted: int) -> Array:
        """Those of some values, ascending by number, that come first in order of value."""
        if self._kind == schema.KEYWORD:
            ordered: Array = self._strings.order(numbers.astype(np.uint32), wanted)
            return ordered
        return numbers[:wanted]

    def keys(self, numbers: Array) -> list[Any]:
        """Some values in a form that sorts as they do: UTF-8 for texts, int for UUIDs, int, bool."""
        if self._values is None:
            return [text.encode() for text in _native.string_texts(self._strings, numbers.astype(np.uint32))]
        found = self._values[numbers].tolist()
        return [high << 64 | low for high, low in found] if self._kind == schema.UUID_MAP else found


def value_groups(column: Any, kind: str) -> ValueGroups:
    """The values of a column; kept until it changes."""
    found: ValueGroups | None = column.memo.get(("groups", kind))
    if found is None:
        found = column.memo["groups", kind] = ValueGroups(column, kind)
    return found


def _ranked(values: Array, kind: str) -> tuple[Array, Array]:
    """Distinct values in order, and the number of each value among them."""
    if kind == schema.UUID_MAP:
        values = np.ascontiguousarray(values[:, ::-1]).view([("high", "<u8"), ("low", "<u8")]).reshape(-1)
    groups, numbers = np.unique(values, return_inverse=True)
    return groups, numbers.reshape(-1)
