"""The values of a field numbered, and which of them each point has: what counting by value works on."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from edgeshard import _native
from edgeshard.filter.selections import Selection
from edgeshard.index.payload import schema
from edgeshard.index.payload.values import Array, Offsets, Packed, values_of

__all__ = ["ColumnGroups", "KeyGroups", "Tally", "ValueGroups", "column_groups"]


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
    """The distinct values of a field as an index of one kind takes them, and which points have each.

    Args:
        kind: of the index (keyword, integer, UUID or bool).
        size: numbers of values.
        values: ``(size,)`` by number, ascending; None for texts, which subclasses keep.
        owners: ``(n,) uint32`` the point of each value it has.
        numbers: ``(n,) uint32`` the values.
        points: offsets of the segment.
    """

    __slots__ = ("_kind", "_numbers", "_starts", "_tally", "_values", "_written", "leading", "size")

    leading: tuple[Array, int, Any] | None
    """What the last facet over all points made of their counts, and its limit."""

    def __init__(
        self, kind: str, size: int, values: Array | None, owners: Offsets, numbers: Offsets, points: int
    ) -> None:
        self._kind = kind
        self.size = size
        self._values = values
        self._starts, self._numbers = _native.group_by_point(owners, numbers, points)
        self._written = np.bincount(owners[owners < points], minlength=points).astype(np.uint32)
        self._tally: tuple[Selection, Tally] | None = None
        self.leading = None

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
            found = Tally(counts, *self._held(everyone), int((counts > 0).sum()))
            known = self._tally = everyone, found
        return known[1]

    def _held(self, chosen: Selection) -> tuple[int, int]:
        """How many of some points have a value, and how many values they have together."""
        written = self._written[chosen.mask]
        return int((written > 0).sum()), int(written.sum())

    def number(self, value: str | int | bool) -> int | None:
        """The number of a value, None if no point ever had it; texts for keyword, int, or bool."""
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
            place = bisect_left(range(self.size), key, key=lambda n: _uuid(words[n]))
            return int(counts[place]) if self.keys(np.arange(place, min(place + 1, self.size))) == [key] else 0
        number = self.number(key)
        return 0 if number is None else int(counts[number])

    def first(self, numbers: Array, wanted: int) -> Array:
        """Those of some values, ascending by number, that come first in order of value."""
        return numbers[:wanted]

    def keys(self, numbers: Array) -> list[Any]:
        """Some values in a form that sorts as they do: UTF-8 for texts, int for UUIDs, int, bool."""
        assert self._values is not None
        found = self._values[numbers]
        return list(map(_uuid, found)) if self._kind == schema.UUID_MAP else found.tolist()


def _uuid(words: Any) -> int:
    return int(words["high"]) << 64 | int(words["low"])


class ColumnGroups(ValueGroups):
    """The values of a payload column.

    Args:
        column: the payload column.
        kind: of the index.
    """

    __slots__ = ("_strings",)

    def __init__(self, column: Any, kind: str) -> None:
        places, values = values_of(column, kind)
        self._strings = column.strings
        numbers, distinct = values, None
        if kind == schema.KEYWORD:  # codes number the strings already
            size = int(values.max(initial=0)) + 1
        else:
            distinct, numbers = _ranked(values, kind)
            size = len(distinct)
        owners = places if column.owners is None else column.owners[places]
        super().__init__(kind, size, distinct, owners.astype(np.uint32), numbers.astype(np.uint32), column.points)

    def number(self, value: str | int | bool) -> int | None:
        """See :meth:`ValueGroups.number`."""
        if self._kind != schema.KEYWORD:
            return super().number(value)
        code: int = self._strings.find(value)
        return code if 0 < code < self.size else None

    def count_of(self, key: Any, counts: Array) -> int:
        """See :meth:`ValueGroups.count_of`."""
        return super().count_of(key.decode() if self._kind == schema.KEYWORD else key, counts)

    def first(self, numbers: Array, wanted: int) -> Array:
        """See :meth:`ValueGroups.first`."""
        if self._kind != schema.KEYWORD:
            return super().first(numbers, wanted)
        ordered: Array = self._strings.order(numbers.astype(np.uint32), wanted)
        return ordered

    def keys(self, numbers: Array) -> list[Any]:
        """See :meth:`ValueGroups.keys`."""
        if self._kind != schema.KEYWORD:
            return super().keys(numbers)
        return [text.encode() for text in _native.string_texts(self._strings, numbers.astype(np.uint32))]


class SingleGroups(ColumnGroups):
    """The texts of a column of which no point has several: nothing has to be made of it, but to count.

    Args:
        column: the payload column.
    """

    __slots__ = ("_codes",)

    def __init__(self, column: Any) -> None:
        self._kind, self._values, self._tally, self.leading = schema.KEYWORD, None, None, None
        self._strings = column.strings
        self._codes: Array = np.zeros(column.points, np.uint32) if column.codes is None else column.codes
        self.size = int(self._codes.max(initial=0)) + 1

    @property
    def nbytes(self) -> int:
        """Bytes held beside the column."""
        return 0

    def count(self, chosen: Selection) -> Array:
        """See :meth:`ValueGroups.count`."""
        everyone = len(chosen) == len(self._codes)
        counts = np.bincount(self._codes if everyone else self._codes[chosen.offsets], minlength=self.size)[: self.size]
        counts[0] = 0  # points without one
        return counts

    def _held(self, chosen: Selection) -> tuple[int, int]:
        points = int(np.count_nonzero(self._codes[chosen.mask]))
        return points, points


class KeyGroups(ValueGroups):
    """The values of an index's files.

    Args:
        kind: of the index.
        keys: all values in order: texts packed, others by number.
        owners: ``(n,) uint32`` the point of each value it has.
        numbers: ``(n,) uint32`` the values.
        points: offsets of the segment.
    """

    __slots__ = ("_texts",)

    def __init__(self, kind: str, keys: Packed | Array, owners: Offsets, numbers: Offsets, points: int) -> None:
        self._texts: tuple[Array, list[int]] | None = None
        if isinstance(keys, tuple):
            data, bounds = keys
            self._texts = data, bounds.tolist()
            super().__init__(kind, len(bounds) - 1, None, owners, numbers, points)
        else:
            super().__init__(kind, len(keys), keys, owners, numbers, points)

    def number(self, value: str | int | bool) -> int | None:
        """See :meth:`ValueGroups.number`."""
        if isinstance(value, str):
            return self._place(value.encode("utf-8", "surrogatepass"))
        return super().number(value)

    def count_of(self, key: Any, counts: Array) -> int:
        """See :meth:`ValueGroups.count_of`."""
        if not isinstance(key, bytes):
            return super().count_of(key, counts)
        number = self._place(key)
        return 0 if number is None else int(counts[number])

    def keys(self, numbers: Array) -> list[Any]:
        """See :meth:`ValueGroups.keys`."""
        return super().keys(numbers) if self._texts is None else list(map(self._text, numbers.tolist()))

    def _text(self, number: int) -> bytes:
        assert self._texts is not None
        data, bounds = self._texts
        text: bytes = data[bounds[number] : bounds[number + 1]].tobytes()
        return text

    def _place(self, text: bytes) -> int | None:
        place = bisect_left(range(self.size), text, key=self._text)
        return place if place < self.size and self._text(place) == text else None


def column_groups(column: Any, kind: str) -> ValueGroups:
    """The values of a column; kept until it changes."""
    found: ValueGroups | None = column.memo.get(("groups", kind))
    if found is None:
        single = kind == schema.KEYWORD and column.owners is None
        found = column.memo["groups", kind] = SingleGroups(column) if single else ColumnGroups(column, kind)
    return found


def _ranked(values: Array, kind: str) -> tuple[Array, Array]:
    """Distinct values in order, and the number of each value among them."""
    if kind == schema.UUID_MAP:
        values = np.ascontiguousarray(values[:, ::-1]).view([("high", "<u8"), ("low", "<u8")]).reshape(-1)
    groups, numbers = np.unique(values, return_inverse=True)
    return groups, numbers.reshape(-1)
