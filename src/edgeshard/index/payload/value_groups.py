"""The values of a field numbered, and which of them each point has: what counting by value works on."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.filter.selections import Selection
from edgeshard.index.payload import schema
from edgeshard.index.payload.values import Array, values_of

__all__ = ["ValueGroups", "value_groups"]


class ValueGroups:
    """The distinct values of a payload column as an index of one kind takes them.

    Args:
        column: the payload column.
        kind: of the index (keyword, integer, UUID or bool).
    """

    __slots__ = ("_counted", "_kind", "_numbers", "_starts", "_strings", "_values", "size")

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
        self._starts, self._numbers = _native.group_by_point(
            owners.astype(np.uint32), numbers.astype(np.uint32), column.points
        )
        self._counted: tuple[Selection, Array] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._starts.nbytes + self._numbers.nbytes + (0 if self._values is None else self._values.nbytes)

    def count(self, chosen: Selection, *, keep: bool) -> Array:
        """``(size,) int64`` how many of some points have each value; with `keep` the answer is remembered."""
        if self._counted is not None and self._counted[0] is chosen:
            return self._counted[1]
        counts: Array = _native.count_values(self._starts, self._numbers, chosen.offsets, self.size)
        if keep:
            self._counted = chosen, counts
        return counts

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
