"""From payloads to the values an index holds: which are indexable, and as what.

The rules are those of Qdrant's indexes: strings, whole numbers (also written ``7.0``), numbers, dates, UUIDs, points
on the globe and booleans, each found at a path with an array's elements standing for it, one level deep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.models.paths import Step

Array: TypeAlias = "npt.NDArray[Any]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"
Offsets: TypeAlias = "npt.NDArray[np.uint32]"
Packed: TypeAlias = "tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]"
"""Byte strings back to back: ``(data, bounds)``."""

TAG_FALSE, TAG_TRUE, TAG_INTEGER, TAG_REAL, TAG_STRING, TAG_GEO = 2, 3, 4, 5, 6, 9
FACT_FILLED: Final = 4
FACT_NULL: Final = 8
NOT_A_DATE: Final = -(2**63)
_TWO_63: Final = float(2**63)


Entries: TypeAlias = Any
"""Values of one path, flat: a payload column (``filter.column_store.Column``) or :class:`Extracted`.

Both have the arrays ``tags``, ``numbers``, ``integers``, ``codes``, ``lons``, ``lats``, the ``strings`` that codes
stand for, and a ``memo``."""


class Extracted:
    """The values of one path in a batch of documents.

    Args:
        data: payloads one after the other, ``(bytes,) uint8``.
        bounds: ``(n + 1,) int64`` where each starts.
        steps: the path.
        where: names a document in error messages.
        strings: where to number strings, a table of its own for None.

    Raises:
        CorruptedError: a payload is not valid JSON.
    """

    __slots__ = (
        "codes", "counts", "facts", "integers", "lats", "lons", "memo", "numbers", "owners", "strings", "tags",
    )  # fmt: skip

    def __init__(
        self,
        data: Array,
        bounds: Array,
        steps: tuple[Step, ...],
        where: Callable[[int], str],
        strings: _native.ColumnStrings | None = None,
    ) -> None:
        self.strings = _native.ColumnStrings() if strings is None else strings
        self.memo: dict[Any, Any] = {}
        failure, *arrays = _native.extract_column(data, bounds, steps, False, self.strings)
        if failure is not None:
            raise CorruptedError(where(failure[0]), f"malformed JSON: {failure[2]}", failure[1])
        counts, facts, tags, self.numbers, self.integers, self.codes, self.lons, self.lats = arrays
        documents = len(bounds) - 1
        self.counts: Array = np.zeros(documents, np.uint32) if counts is None else counts
        self.facts: Array = np.zeros(documents, np.uint8) if facts is None else facts
        self.tags: Array = np.zeros(0, np.uint8) if tags is None else tags
        self.owners = np.repeat(np.arange(documents, dtype=np.uint32), self.counts)

    def values(self, kind: str) -> tuple[Offsets, Array]:
        """Values per document, ``(n,)``, and the values of all documents one after the other."""
        places, values = values_of(self, kind)
        counts = np.bincount(self.owners[places], minlength=len(self.counts)).astype(np.uint32)
        return counts, values


def values_of(entries: Entries, kind: str) -> tuple[Array, Array]:
    """The entries an index of a kind holds, and their values.

    Returns:
        ``(places, values)``: positions of the entries, ascending, and by kind codes of strings (keyword, text),
        ``int64`` (integer, datetime), ``float64``, ``(m, 2) uint64`` low and high word (UUID), ``(m, 2) float64``
        longitude and latitude, or ``bool``.
    """
    return _VALUES[kind](entries)


def holders(column: Entries, kind: str) -> Mask:
    """Which points of a payload column have a value that an index of a kind holds, ``(points,)``."""
    if column.owners is None and kind in (schema.KEYWORD, schema.TEXT):
        return np.zeros(column.points, np.bool_) if column.codes is None else column.codes != 0
    if column.owners is None and kind == schema.FLOAT and column.numbers is not None:
        return _are_numbers(column)
    places, _ = values_of(column, kind)
    mask = np.zeros(column.points + 1, np.bool_)
    mask[places if column.owners is None else np.minimum(column.owners[places], column.points)] = True
    return mask[:-1]


_NONE = np.zeros(0, np.int64)


def _strings(entries: Entries) -> tuple[Array, Array]:
    if entries.codes is None:
        return _NONE, np.zeros(0, np.uint32)
    places = np.flatnonzero(entries.codes)
    return places, np.ascontiguousarray(entries.codes[places])


def _integers(entries: Entries) -> tuple[Array, Array]:
    """Integers, and reals that are whole; what lies beyond 64 bits goes through the float and is clipped."""
    if entries.numbers is None:
        return _NONE, np.zeros(0, np.int64)
    exact, reals = entries.tags == TAG_INTEGER, entries.tags == TAG_REAL
    if not reals.any():
        places = np.flatnonzero(exact)
        if entries.integers is not None:
            return places, entries.integers[places]
        return places, entries.numbers[places].astype(np.int64)
    places = np.flatnonzero(exact | (reals & _are_whole(entries.numbers)))
    chosen = entries.numbers[places]
    values = np.full(len(places), 2**63 - 1, np.int64)
    fits = chosen < _TWO_63
    values[fits] = chosen[fits].astype(np.int64)
    if entries.integers is not None:
        written = exact[places]
        values[written] = entries.integers[places[written]]
    return places, values


def _are_whole(numbers: Array) -> Mask:
    with np.errstate(invalid="ignore"):
        whole: Mask = (numbers == np.trunc(numbers)) & (np.abs(numbers) <= _TWO_63)
    return whole


def _numbers(entries: Entries) -> tuple[Array, Array]:
    if entries.numbers is None:
        return _NONE, np.zeros(0, np.float64)
    places = np.flatnonzero(_are_numbers(entries))
    return places, entries.numbers[places]


def _are_numbers(entries: Entries) -> Mask:
    mask: Mask = (entries.tags == TAG_INTEGER) | (entries.tags == TAG_REAL)
    return mask


def _dates(entries: Entries) -> tuple[Array, Array]:
    places, codes = _strings(entries)
    dates = _by_code(entries, "dates", entries.strings.dates)[codes]
    valid = dates != NOT_A_DATE
    return places[valid], dates[valid]


def _uuids(entries: Entries) -> tuple[Array, Array]:
    places, codes = _strings(entries)
    words, valid = _by_code(entries, "uuids", lambda: uuids_of(entries.strings))
    chosen = valid[codes]
    return places[chosen], words[codes[chosen]]


def uuids_of(strings: Any) -> tuple[Array, Mask]:
    """``(words (size + 1, 2) uint64 low and high, valid)`` by code of a column's strings."""
    high, low, valid = _native.string_uuids(strings)
    return np.stack([low, high], axis=1), valid.astype(np.bool_)


def _points(entries: Entries) -> tuple[Array, Array]:
    if entries.lons is None or entries.lats is None:
        return _NONE, np.zeros((0, 2))
    on_globe = (np.abs(entries.lons) <= 180) & (np.abs(entries.lats) <= 90)
    places = np.flatnonzero(on_globe & (entries.tags == TAG_GEO))
    return places, np.stack([entries.lons[places], entries.lats[places]], axis=1)


def _booleans(entries: Entries) -> tuple[Array, Array]:
    places = np.flatnonzero((entries.tags == TAG_TRUE) | (entries.tags == TAG_FALSE))
    return places, entries.tags[places] == TAG_TRUE


def _by_code(entries: Entries, name: str, make: Callable[[], Any]) -> Any:
    """What is known of each string, remembered with the column; strings may have been added since."""
    known = len(entries.strings)
    found = entries.memo.get(name)
    if found is None or found[0] != known:
        found = entries.memo[name] = (known, make())
    return found[1]


_VALUES: dict[str, Callable[[Entries], tuple[Array, Array]]] = {
    schema.KEYWORD: _strings,
    schema.TEXT: _strings,
    schema.INT_MAP: _integers,
    schema.INT: _integers,
    schema.FLOAT: _numbers,
    schema.DATETIME: _dates,
    schema.UUID_MAP: _uuids,
    schema.GEO: _points,
    schema.BOOL: _booleans,
}
