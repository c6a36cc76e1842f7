"""The arrays of one payload column, kept current point by point.

`ColumnStore` is what changes, `Column` is what is read: a consistent set of views taken after a change.
Readers may go on with an older `Column`; the points changed since then may show either state in it, all
others are right.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard._native import ColumnStrings

__all__ = ["DEAD", "FEW_OUTDATED", "Batch", "Column", "ColumnStore", "Owners"]

Offsets: TypeAlias = "NDArray[np.uint32]"

DEAD = 0xFFFF_FFFF
"""Owner of an entry whose point has changed since."""

FEW_OUTDATED = 4096
"""Up to so many outdated entries are kept, however large their share."""

TAG_INTEGER, TAG_REAL = 4, 5

_FIELDS: dict[str, tuple[str, Any]] = {
    "tags": ("u1", 0),
    "numbers": ("f8", np.nan),
    "integers": ("i8", 0),
    "codes": ("u4", 0),
    "lons": ("f8", np.nan),
    "lats": ("f8", np.nan),
}
"""Arrays with one item per entry: dtype, and what an entry holds that has no such value."""


class Batch(NamedTuple):
    """What the native extraction found for some points, in their order; None where nothing needs an array."""

    entry_counts: Offsets
    facts: NDArray[np.uint8]
    tags: NDArray[np.uint8] | None
    numbers: NDArray[np.float64] | None
    integers: NDArray[np.int64] | None
    codes: NDArray[np.uint32] | None
    lons: NDArray[np.float64] | None
    lats: NDArray[np.float64] | None


class Column(NamedTuple):
    """The values of one path for all points, see native/index/columns_extract.hpp.

    Without `owners` entry ``i`` belongs to point ``i`` (tag 0 if the point has none), else to point
    ``owners[i]`` (`DEAD` if it is no longer there). Arrays no entry needs are None.
    """

    points: int
    """Number of points."""
    facts: NDArray[np.uint8]
    owners: Offsets | None
    tags: NDArray[np.uint8]
    numbers: NDArray[np.float64] | None
    integers: NDArray[np.int64] | None
    codes: NDArray[np.uint32] | None
    lons: NDArray[np.float64] | None
    lats: NDArray[np.float64] | None
    strings: ColumnStrings
    has_reals: bool
    """Some number is or was written as a real, so that equal numbers may differ in type."""
    memo: dict[Any, Any]
    """What conditions derive from these arrays and may use again."""


def _grown(array: NDArray[Any], size: int, filler: Any) -> NDArray[Any]:
    """`array` or a copy with room for `size` items and some to come; the new items are `filler`."""
    if len(array) >= size:
        return array
    room = np.full(max(size, len(array) * 3 // 2), filler, array.dtype)
    room[: len(array)] = array
    return room


class Owners:
    """Which entries belong to which point, when a point may have several.

    Entries are only ever appended; those of a point that changes get the owner `DEAD`.
    """

    __slots__ = ("dead", "first", "many", "owners", "used")

    def __init__(self) -> None:
        self.owners: Offsets = np.empty(0, np.uint32)
        self.first: NDArray[np.int64] = np.empty(0, np.int64)
        self.many: Offsets = np.empty(0, np.uint32)
        self.used = 0
        self.dead = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.owners.nbytes + self.first.nbytes + self.many.nbytes

    @property
    def wasteful(self) -> bool:
        """Whether most entries are dead."""
        return self.dead > FEW_OUTDATED and self.dead * 2 > self.used

    def replace(self, offsets: Offsets, counts: Offsets, known: int) -> int:
        """Give each of `offsets` as many new entries as `counts` says instead of its old ones.

        Args:
            offsets: ascending; those from `known` on are new points.
            counts: entries per offset.
            known: points so far.

        Returns:
            Where the new entries start; they are in the order of `offsets`.
        """
        old = self.spans(offsets[offsets < known])
        self.owners[old] = DEAD
        self.dead += len(old)
        start, added = self.used, int(counts.sum())
        points = max(known, int(offsets[-1]) + 1) if len(offsets) else known
        self.first, self.many = _grown(self.first, points, 0), _grown(self.many, points, 0)
        self.owners = _grown(self.owners, start + added, DEAD)
        self.owners[start : start + added] = np.repeat(offsets, counts)
        self.first[offsets] = start + np.cumsum(counts, dtype=np.int64) - counts
        self.many[offsets] = counts
        self.used = start + added
        return start

    def spans(self, offsets: Offsets) -> NDArray[np.int64]:
        """The entries of `offsets`, in their order."""
        many = self.many[offsets].astype(np.int64)
        starts = np.repeat(self.first[offsets] - (np.cumsum(many) - many), many)
        return starts + np.arange(len(starts), dtype=np.int64)


class ColumnStore:
    """The arrays of one column with room to grow."""

    __slots__ = (
        "_arrays",
        "_facts",
        "_first_strings",
        "_has_reals",
        "_owners",
        "column",
        "count",
        "seen",
        "strings",
    )

    def __init__(self) -> None:
        self.strings = ColumnStrings()
        self.count = 0
        self.seen = 0
        """How much of the log of changes is in these arrays."""
        self._facts: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._arrays: dict[str, NDArray[Any]] = {"tags": np.empty(0, np.uint8)}
        self._owners: Owners | None = None
        self._first_strings = 0
        self._has_reals = False
        self.column: Column | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        arrays = sum(array.nbytes for array in self._arrays.values()) + self._facts.nbytes
        if self.column is not None:
            arrays += _bytes_of(tuple(self.column.memo.values()))
        return arrays + self.strings.nbytes + (0 if self._owners is None else self._owners.nbytes)

    @property
    def wasteful(self) -> bool:
        """Whether so much of the column is outdated that extracting it afresh is better."""
        strings = len(self.strings)
        return (self._owners is not None and self._owners.wasteful) or strings > 2 * self._first_strings + FEW_OUTDATED

    def put(self, offsets: Offsets, batch: Batch) -> None:
        """Replace what is known of `offsets` (ascending, new points without gaps) by `batch`."""
        if len(offsets) == 1 and self._put_one(int(offsets[0]), batch):
            return
        known = self.count
        self.count = max(known, int(offsets[-1]) + 1)
        self._facts = _grown(self._facts, self.count, 0)
        self._facts[offsets] = batch.facts
        if self._owners is None and int(batch.entry_counts.max()) > 1:
            self._own_entries(known)
        if self._owners is None:
            self._reserve(self.count)
            entries: Any = offsets[batch.entry_counts > 0]
            for name, array in self._arrays.items():
                array[offsets] = _FIELDS[name][1]
        else:
            start = self._owners.replace(offsets, batch.entry_counts, known)
            entries = slice(start, self._owners.used)
            self._reserve(self._owners.used)
        self._write(entries, batch)
        self.column = None

    def _put_one(self, offset: int, batch: Batch) -> bool:
        """:meth:`put` for a known point with one value at most, as between updates and questions that take turns; False
        if there is more to it.
        """
        arrays, entries = self._arrays, int(batch.entry_counts[0])
        if self._owners is not None or offset >= self.count or entries > 1:
            return False
        found = {} if batch.tags is None or not entries else {name: getattr(batch, name) for name in _FIELDS}
        if any(values is not None and name not in arrays for name, values in found.items()):
            return False
        if found and found["integers"] is None and "integers" in arrays:
            found["integers"] = _as_integers(found["tags"], found["numbers"])
        self._facts[offset] = batch.facts[0]
        for name, array in arrays.items():
            values = found.get(name)
            array[offset] = _FIELDS[name][1] if values is None else values[0]
        self._has_reals |= bool(found) and bool(found["tags"][0] == TAG_REAL)
        self.column = None
        return True

    def read(self) -> Column:
        """The column as it is now."""
        if self.column is None:
            self.column = self._snapshot()
        return self.column

    def settle(self) -> None:
        """Take the strings known now as those of a fresh extraction."""
        self._first_strings = len(self.strings)

    def _own_entries(self, known: int) -> None:
        """From one entry per point to any number."""
        self._owners = Owners()
        every = np.arange(known, dtype=np.uint32)
        self._owners.replace(every, np.ones(known, np.uint32), 0)

    def _reserve(self, entries: int) -> None:
        for name in self._arrays:
            self._arrays[name] = _grown(self._arrays[name], entries, _FIELDS[name][1])

    def _write(self, entries: Any, batch: Batch) -> None:
        if batch.tags is None:
            return
        self._has_reals |= bool((batch.tags == TAG_REAL).any())
        if batch.integers is not None and "integers" not in self._arrays:
            self._arrays["integers"] = _as_integers(self._arrays["tags"], self._arrays.get("numbers"))
        for name, (dtype, filler) in _FIELDS.items():
            values = getattr(batch, name)
            if name == "integers" and values is None and name in self._arrays:
                values = _as_integers(batch.tags, batch.numbers)
            if values is None:
                continue
            if name not in self._arrays:
                self._arrays[name] = np.full(len(self._arrays["tags"]), filler, dtype)
            self._arrays[name][entries] = values

    def _snapshot(self) -> Column:
        entries = self.count if self._owners is None else self._owners.used
        views = {name: array[:entries] for name, array in self._arrays.items()}
        return Column(
            points=self.count,
            facts=self._facts[: self.count],
            owners=None if self._owners is None else self._owners.owners[:entries],
            strings=self.strings,
            has_reals=self._has_reals,
            memo={},
            **{name: views.get(name) for name in _FIELDS},  # type: ignore[arg-type]
        )


def _bytes_of(value: Any) -> int:
    """Bytes of the arrays in something remembered."""
    if isinstance(value, tuple):
        return sum(map(_bytes_of, value))
    size: int = getattr(value, "nbytes", 0)
    return size


def _as_integers(tags: NDArray[np.uint8], numbers: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """The integers of entries whose numbers hold them exactly, 0 for all other entries."""
    integers = np.zeros(len(tags), np.int64)
    if numbers is not None:
        which = tags == TAG_INTEGER
        integers[which] = numbers[which].astype(np.int64)
    return integers
