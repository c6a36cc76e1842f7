"""Multi-vectors: several rows per point, always in chunks.

::

    vectors/    the rows of all points (edgeshard.storage.chunked)
    offsets/    per point: u32 first row, u32 number of rows, u32 rows there is room for
    deleted/    flags of the points without the vector

New rows that fit the room a point has replace the old ones; else they go to the end, and the old ones are
lost until the segment is optimised. Rows of one point are kept within one chunk, though readers accept any
run of rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.chunked import STATUS_FILE, ChunkedRows, Offsets, Rows
from edgeshard.storage.few import highest
from edgeshard.storage.flags import Flags
from edgeshard.storage.runs import Bounds, bounds_of, row_numbers

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

Mask = npt.NDArray[np.bool_]
ENTRY = np.dtype("<u4")
ENTRY_WIDTH, ENTRY_DIM = 3, 1
"""An entry of ``offsets/`` is three u32, which its ``config.json`` calls one element."""
FIRST, COUNT, CAPACITY = range(3)
FEW = 8
"""Points are few if a storage holds so many times as many."""
FEW_PUT = 16
"""So many points are overwritten one by one in less time than together."""
TOO_MANY_ROWS = "a segment holds at most 2**32 - 1 rows of multi-vectors; optimise it first"


class MultiDense:
    """The multi-vectors of a segment.

    Args:
        directory: ``vector_storage[-name]`` of the segment.
        dim: elements of a row.
        dtype: float32, float16 or uint8 (also for turbo records).
        turbo: the rows are turbo records (the directories have other names).
        read_only: refuse changes.
        appendable: the segment takes changes, so that a writer may have died between an entry and the number of rows.

    Attributes:
        uncounted: offsets of the points whose rows lie beyond the number of rows the files had; each leaves the list
            when it is written again.

    Raises:
        CorruptedError: the files contradict one another or the arguments.
    """

    __slots__ = ("_entries", "_flags", "_rows", "_table", "uncounted")

    def __init__(
        self,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        read_only: bool = False,
        appendable: bool = False,
    ) -> None:
        path, prefix = Path(directory), "tq_" if turbo else ""
        self._rows = ChunkedRows(path / f"{prefix}vectors", dim, dtype, read_only=read_only)
        self._entries = ChunkedRows(
            path / f"{prefix}offsets", ENTRY_WIDTH, ENTRY, stored_dim=ENTRY_DIM, read_only=read_only
        )
        self._flags = Flags.open(path / "deleted", read_only=read_only)
        self._table: tuple[Offsets, Offsets] | None = None
        self.uncounted = self._check_entries(appendable)

    @classmethod
    def open(
        cls,
        directory: files.PathLike,
        dim: int,
        dtype: npt.DTypeLike,
        *,
        turbo: bool = False,
        read_only: bool = False,
        appendable: bool = False,
    ) -> MultiDense:
        """The storage in a directory; arguments as for the class."""
        return cls(directory, dim, dtype, turbo=turbo, read_only=read_only, appendable=appendable)

    @classmethod
    def create(cls, directory: files.PathLike, dim: int, dtype: npt.DTypeLike, *, turbo: bool = False) -> MultiDense:
        """A new, empty storage."""
        path, prefix = Path(directory), "tq_" if turbo else ""
        ChunkedRows.create(path / f"{prefix}vectors", dim, dtype).close()
        ChunkedRows.create(path / f"{prefix}offsets", ENTRY_WIDTH, ENTRY, stored_dim=ENTRY_DIM).close()
        Flags.create(path / "deleted").close()
        return cls(path, dim, dtype, turbo=turbo)

    def _check_entries(self, appendable: bool) -> Offsets:
        """Hold the entries against the rows; the points whose rows are there, but not counted.

        Qdrant writes entries of turbo vectors at once and the number of rows when it flushes: after a kill, points
        that grew since have their new rows, whole, beyond that number. They are counted in before anything is added,
        which would go to the same places.

        Raises:
            CorruptedError: an entry cannot be one.
        """
        first, counts, room = self._entries.table().T.astype(np.int64)
        wrong = counts > room
        beyond = np.flatnonzero(first + counts > self._rows.count)
        if len(beyond):
            beyond = beyond[np.argsort(first[beyond], kind="stable")]
            starts, ends = first[beyond], (first + room)[beyond]
            earlier = np.concatenate([[self._rows.count], ends[:-1]])
            wrong[beyond] |= (starts < earlier) | (not appendable)
        if bool(wrong.any()):
            counted = f"the {self._rows.count} of {self._rows.directory / STATUS_FILE}"
            raise CorruptedError(
                self._entries.directory, f"point {int(np.argmax(wrong))} refers to rows beyond {counted}"
            )
        if len(beyond):
            self._rows.count_in(int(ends[-1]))
        return np.sort(beyond).astype(np.uint32)

    @property
    def entries_directory(self) -> Path:
        """Where the entries are kept, for messages about them."""
        return self._entries.directory

    @property
    def dim(self) -> int:
        """Elements of a stored row."""
        return self._rows.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored elements."""
        return self._rows.dtype

    @property
    def count(self) -> int:
        """Number of points, those without the vector included."""
        return self._entries.count

    @property
    def row_count(self) -> int:
        """Number of rows, those nothing refers to any more included."""
        return self._rows.count

    def chunks(self) -> list[Rows]:
        """Views ``(rows, dim)`` of all rows, in row order."""
        return self._rows.chunks()

    def row_table(self) -> tuple[Offsets, Offsets]:
        """``(first, count)``, each ``(count,)``: which rows a point has (a missing vector one of zeros).

        Kept until an entry changes; not to be written to.
        """
        known = self._table
        if known is None:
            table = self._entries.table()
            known = self._table = np.ascontiguousarray(table[:, FIRST]), np.ascontiguousarray(table[:, COUNT])
        return known

    def rows_of(self, offsets: Offsets) -> tuple[Offsets, Offsets, Offsets]:
        """``(first, count, places)``: a table like :meth:`row_table`, and where in it some points are.

        For few points only their entries are read.
        """
        if len(offsets) * FEW >= self.count:
            return *self.row_table(), offsets
        entries = self._entries.read_rows(offsets)
        first, count = np.ascontiguousarray(entries[:, FIRST]), np.ascontiguousarray(entries[:, COUNT])
        return first, count, np.arange(len(offsets), dtype=np.uint32)

    def get(self, offset: int) -> Rows:
        """``(rows, dim)`` of one point; a view unless the rows continue in another chunk.

        Raises:
            IndexError: the offset is beyond the last.
        """
        first, count, _ = self._entries.row(offset).tolist()
        return self._rows.read_run(first, count)

    def get_batch(self, offsets: npt.NDArray[Any]) -> tuple[Bounds, Rows]:
        """``(indptr, rows)``: those of point i are ``rows[indptr[i]:indptr[i+1]]``."""
        if len(offsets) == 1:
            rows = self.get(int(offsets[0])).copy()
            return np.array([0, len(rows)], np.int64), rows
        entries = self._entries.read_rows(offsets).astype(np.int64)
        bounds = bounds_of(entries[:, COUNT])
        return bounds, self._rows.read_rows(row_numbers(entries[:, FIRST], bounds))

    def deleted_mask(self) -> Mask:
        """``(count,)``, True where the point has no such vector."""
        return self._flags.mask(self.count)

    def lacks(self, offset: int) -> bool:
        """Whether a point has no such vector."""
        return self._flags.holds(offset)

    def put(self, offset: int, rows: Rows) -> None:
        """Store the ``(n, dim)`` rows of one point at or below the end; :meth:`put_batch` without its overhead."""
        count, room, before = len(rows), -1, None
        if offset < self.count:
            before = self._entries.row(offset).tolist()
            first, _, room = before
        if room < count:
            first, room = self._place_one(count), count
            self._rows.reserve(first + count)
        self._entries.reserve(offset + 1)
        self._rows.write_run(first, rows)
        if [first, count, room] != before:
            self._entries.write_one(offset, np.array([first, count, room], ENTRY))
            self._table = None
        if len(self.uncounted):
            self.uncounted = np.setdiff1d(self.uncounted, offset)
        if self._flags.holds(offset):
            self._flags.set_one(offset, False)

    def put_batch(self, offsets: Offsets, indptr: Bounds, rows: Rows, present: Mask | None = None) -> None:
        """Store the rows of several points at distinct ``offsets`` and flag them present.

        Args:
            offsets: ``(n,)``; those left out before the last get a placeholder and a deleted flag.
            indptr: ``(n + 1,)`` where the rows of each point are in ``rows``.
            rows: ``(indptr[-1], dim)`` stored rows.
            present: ``(n,)`` which points have the vector; the others lose it. None for all.

        Raises:
            StorageError: a chunk could not be made; nothing changed.
        """
        if present is not None and not present.all():
            chosen = np.flatnonzero(present)
            bounds = bounds_of(np.diff(indptr)[chosen])
            self.put_batch(offsets[chosen], bounds, rows[row_numbers(indptr[:-1][chosen], bounds)])
            self.set_deleted(offsets[~present])
            return
        if not len(offsets):
            return
        if len(offsets) == 1 and offsets[0] <= self.count:
            self.put(int(offsets[0]), rows)
            return
        if len(offsets) <= FEW_PUT and self._fit(offsets, indptr):
            for offset, start, stop in zip(offsets.tolist(), indptr[:-1].tolist(), indptr[1:].tolist(), strict=True):
                self.put(offset, rows[start:stop])
            return
        counts = np.diff(indptr)
        fits = self._capacities(offsets) >= counts
        moved = counts[~fits]
        before = self.count
        top = max(int(offsets.max()) + 1, before)
        skipped = np.zeros(0, np.int64)
        if top - before > np.count_nonzero(offsets >= before):
            skipped = np.setdiff1d(np.arange(before, top), offsets)
        firsts, end = self._place(moved, self._rows.count)
        self._rows.reserve(end + len(skipped))
        self._entries.reserve(top)
        entries = np.empty((len(offsets), 3), "<u4")
        entries[:, COUNT] = entries[:, CAPACITY] = counts
        entries[~fits, FIRST] = firsts
        if fits.any():
            old = self._entries.read_rows(offsets[fits])
            entries[fits, FIRST], entries[fits, CAPACITY] = old[:, FIRST], old[:, CAPACITY]
            target = bounds_of(counts[fits])
            source = rows[row_numbers(indptr[:-1][fits], target)]
            self._rows.write_rows(row_numbers(old[:, FIRST].astype(np.int64), target), source)
        if len(moved):
            source = rows
            if len(moved) < len(offsets):
                source = rows[row_numbers(indptr[:-1][~fits], bounds_of(moved))]
            self._append(firsts, moved, source)
        if top > before:
            self._add_placeholders(top, skipped)
        self._entries.write_rows(offsets, entries)
        self._table = None
        if len(self.uncounted):
            self.uncounted = np.setdiff1d(self.uncounted, offsets)
        if self._flags.any_of(offsets):
            self._flags.set(offsets, False)

    def _fit(self, offsets: Offsets, indptr: Bounds) -> bool:
        """Whether points have room for so many rows where they are now."""
        if highest(offsets) >= self.count:
            return False
        return bool((self._entries.read_rows(offsets)[:, CAPACITY] >= indptr[1:] - indptr[:-1]).all())

    def _capacities(self, offsets: Offsets) -> npt.NDArray[np.int64]:
        """``(n,)`` rows there is room for; -1 for a new point."""
        room = np.full(len(offsets), -1, np.int64)
        known = offsets < self.count
        if known.any():
            room[known] = self._entries.read_rows(offsets[known])[:, CAPACITY]
        return room

    def _place(self, counts: npt.NDArray[np.int64], at: int) -> tuple[npt.NDArray[np.int64], int]:
        """First rows for new runs of ``counts`` rows from row ``at`` on, and where the last one ends."""
        firsts = np.empty(len(counts), np.int64)
        per_chunk, done = self._rows.per_chunk, 0
        while done < len(counts):
            room = per_chunk - at % per_chunk
            ends = np.cumsum(counts[done:])
            fitting = int(np.searchsorted(ends, room, side="right"))
            if fitting == 0 and counts[done] <= per_chunk:
                at += room  # what does not fit goes to the next chunk whole
                continue
            fitting = max(fitting, 1)  # more rows than a chunk has: let them cross
            firsts[done : done + fitting] = at + ends[:fitting] - counts[done : done + fitting]
            at += int(ends[fitting - 1])
            done += fitting
        if at > 0xFFFFFFFF:
            raise StorageError(TOO_MANY_ROWS)
        return firsts, at

    def _place_one(self, count: int) -> int:
        """:meth:`_place` of one run behind all others."""
        at, per_chunk = self._rows.count, self._rows.per_chunk
        room = per_chunk - at % per_chunk
        if room < count <= per_chunk:
            at += room
        if at + count > 0xFFFFFFFF:
            raise StorageError(TOO_MANY_ROWS)
        return at

    def _append(self, firsts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], rows: Rows) -> None:
        """Write runs of rows where :meth:`_place` put them: one copy per chunk."""
        bounds = bounds_of(counts)
        breaks = np.flatnonzero(np.diff(firsts - bounds[:-1])) + 1
        for start, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(firsts)], strict=True):
            self._rows.write_run(int(firsts[start]), rows[bounds[start] : bounds[stop]])

    def set_deleted(self, offsets: Offsets, deleted: bool = True) -> None:
        """Flag points as having no such vector, or as having it again."""
        if len(offsets):
            self.ensure_count(highest(offsets) + 1)
            self._flags.set(offsets, deleted)

    def ensure_count(self, count: int) -> None:
        """Append placeholders (a row of zeros, flagged as deleted) until there are ``count`` points."""
        if count > self.count:
            self._rows.reserve(self._rows.count + count - self.count)
            self._entries.reserve(count)
            self._add_placeholders(count, np.arange(self.count, count))

    def cut(self, count: int) -> None:
        """Forget the entries from ``count`` on, which belong to no point."""
        self._entries.cut(count)
        self._table = None

    def _add_placeholders(self, count: int, offsets: npt.NDArray[np.int64]) -> None:
        """Extend the entries to ``count`` points, of which those at ``offsets`` get placeholders."""
        first = self._rows.count
        self._rows.fill(first + len(offsets), np.zeros(self.dim, self.dtype))
        entries = np.zeros((count - self.count, ENTRY_WIDTH), ENTRY)
        added = offsets - self.count
        entries[added, FIRST] = np.arange(first, first + len(offsets))
        entries[added, COUNT] = entries[added, CAPACITY] = 1
        self._entries.write_run(self.count, entries)
        self._table = None
        if len(offsets):
            self._flags.set(offsets, True)

    @property
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""
        return self._rows.dirty_bytes + self._entries.dirty_bytes + self._flags.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        self._rows.collect(plan)
        self._entries.collect(plan)
        self._flags.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._rows.close()
        self._entries.close()
        self._flags.close()
