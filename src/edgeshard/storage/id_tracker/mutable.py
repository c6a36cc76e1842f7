"""The id tracker of appendable segments: a log of links and unlinks, and an array of versions.

Everything is held in memory (17 bytes a number plus 8 for its version). Changes are kept as log records and
a mask of changed versions until a flush takes them.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.id_tracker.base import Ids, IdTracker, Mask, Offsets, PointId, Versions
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

MAPPINGS_FILE = "mutable_id_tracker.mappings"
VERSIONS_FILE = "mutable_id_tracker.versions"
_ALWAYS_POSSIBLE = 1 << 24
"""So many versions are believed, of whatever ids are left after a crash."""


class Repair(NamedTuple):
    """What loading had to drop; the payload of all these offsets is to be cleared.

    A flush writes mappings first and versions last, so a crash leaves one without the other.
    """

    unversioned: Offsets
    """Offsets whose insert never completed: their mapping was dropped."""
    unmapped: Offsets
    """Offsets with a version but no id, within the known offsets."""

    @property
    def offsets(self) -> Offsets:
        """Both, ascending."""
        if not len(self.unversioned) and not len(self.unmapped):  # union1d loads masked arrays, which takes 8 ms
            return np.empty(0, np.uint32)
        return np.union1d(self.unversioned, self.unmapped).astype(np.uint32)


class MutableIdTracker(IdTracker):
    """Ids of an appendable segment.

    Args:
        directory: the segment. Missing files mean an empty tracker; the first flush with data makes them.
        read_only: leave a torn tail of the log where it is.

    Attributes:
        repair: what the load found incomplete.

    Raises:
        CorruptedError: the log holds an unknown record or an impossible offset.
    """

    __slots__ = (
        "_changed", "_changes", "_log_bytes", "_map", "_mappings", "_table", "_versions", "_written",
        "repair",
    )  # fmt: skip

    def __init__(self, directory: files.PathLike, *, read_only: bool = False) -> None:
        super().__init__()
        self._mappings = Path(directory) / MAPPINGS_FILE
        self._versions = Path(directory) / VERSIONS_FILE
        self._map = _native.IdMap(keep_log=True)
        self._log_bytes: int | None = None
        self._load_log(read_only)
        self._load_versions()
        self._changed = np.zeros(len(self._table), np.bool_)
        self._changes = 0
        self.repair = self._repair()
        # Versions past the last id are leftovers of a crash; an id inserted there starts without one.
        self._changed[self.total :] = True
        self._table[self.total :] = 0

    @classmethod
    def open(cls, directory: files.PathLike, *, read_only: bool = False) -> MutableIdTracker:
        """The tracker of a segment directory."""
        return cls(directory, read_only=read_only)

    create = open

    def _load_log(self, read_only: bool) -> None:
        data = _content(self._mappings)
        if data is None:
            return
        reason, at, valid_bytes, odd, odd_at = self._map.load_log(data)
        if reason is not None:
            raise CorruptedError(self._mappings, reason, at)
        if odd is not None:
            warnings.warn(
                f"{self._mappings}: the file is damaged at byte {odd_at}: {odd}; points may be missing, or have what "
                "belongs to others",
                RuntimeWarning,
                stacklevel=2,
            )
        self._log_bytes = valid_bytes
        if valid_bytes < len(data) and not read_only:
            cut_file(self._mappings, valid_bytes)

    def _load_versions(self) -> None:
        """Read the versions array; ``_written`` elements of it are in the file (None: no file)."""
        self._written: int | None = None
        stored = np.zeros(0, np.uint64)
        data = _content(self._versions)
        if data is not None:
            stored = data[: len(data) // 8 * 8].view("<u8")
            self._written = len(stored)
        total = self._map.total
        if len(stored) > max(_ALWAYS_POSSIBLE, 16 * total):  # or a hole in a file could ask for any amount of memory
            raise CorruptedError(self._versions, f"it has the versions of {len(stored)} points, expected {total}")
        self._table: Versions = np.zeros(max(total, len(stored)), np.uint64)
        self._table[: len(stored)] = stored

    def _repair(self) -> Repair:
        complete = self._written or 0
        offsets = np.arange(self.total, dtype=np.uint32)
        live = ~self.deleted_mask()
        unversioned = offsets[complete:][live[complete:]]
        known = self._table[: self.total]
        unmapped = offsets[~live & (known != 0)]
        beyond = np.flatnonzero(self._table[self.total :]).astype(np.uint32) + np.uint32(self.total)
        if len(unversioned):
            self._map.remove(unversioned)
            self._forget()
        return Repair(unversioned, np.concatenate([unmapped, beyond]))

    @property
    def orphans(self) -> Offsets:
        """Offsets the load found incomplete after a crash; their payload is to be cleared."""
        return self.repair.offsets

    @property
    def total(self) -> int:
        """The number of offsets, live and deleted."""
        return self._map.total

    @property
    def live(self) -> int:
        """The number of live points."""
        return self._map.live

    def offset_of(self, point_id: PointId) -> int | None:
        """The offset of a live point, else None."""
        return self._map.find(point_id)

    def offsets_of(self, ids: Ids) -> npt.NDArray[np.int64]:
        """``(n,)`` offsets; -1 for a point that is not here."""
        return self._map.find_many(ids)

    def id_at(self, offset: int) -> PointId:
        """The id an offset has, or had when it was deleted."""
        return self._map.id_at(offset)

    def ids_of(self, offsets: Offsets) -> list[PointId]:
        """The ids at several offsets."""
        return self._map.ids_of(offsets)

    def parts_of(self, offsets: Offsets) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """See :class:`IdTracker`."""
        return self._map.parts_of(offsets)

    def numbers_of(self, offsets: Offsets) -> npt.NDArray[np.uint64] | None:
        """See :class:`IdTracker`."""
        return self._map.numbers_of(offsets)

    def ids_arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """``(lo, hi, is_uuid)``, each ``(total,)``."""
        return self._map.arrays()

    @property
    def versions(self) -> Versions:
        """``(total,)`` operation number that last changed each offset."""
        return self._table[: self._map.total]

    def insert(self, ids: Ids) -> int:
        """The first of the consecutive offsets given to ``ids``, all distinct.

        An id that is here already moves to its new offset and its old one dies.

        Raises:
            TypeError: something is neither an int nor a UUID; nothing was inserted.
            ValueError: a number outside 0..2^64-1; nothing was inserted.
        """
        first = self._map.insert(ids)
        self._make_room()
        return first

    def insert_one(self, point_id: PointId) -> int:
        """The offset given to one id; see :meth:`insert`."""
        offset = self._map.insert_one(point_id)
        if offset >= len(self._table):
            self._make_room()
        self._deleted_mask = self._sorted_offsets = None
        return offset

    def _make_room(self) -> None:
        total = self._map.total
        self._forget()
        if total > len(self._table):
            more = max(total - len(self._table), len(self._table) // 2, 64)
            self._table = np.concatenate([self._table, np.zeros(more, np.uint64)])
            self._changed = np.concatenate([self._changed, np.zeros(more, np.bool_)])

    def delete(self, offsets: Offsets, version: int) -> None:
        """Delete the points at ``offsets`` by operation ``version``."""
        self._map.remove(offsets)
        self._forget()
        self.set_versions(offsets, version)

    def set_versions(self, offsets: Offsets, version: int) -> None:
        """Record that operation ``version`` changed the points at ``offsets``."""
        if len(offsets) == 1:
            self.set_version(int(offsets[0]), version)
            return
        at = offsets.astype(np.intp)  # numpy would convert them for every use
        self._table[at] = version
        self._changed[at] = True
        self._changes += len(offsets)

    def set_version(self, offset: int, version: int) -> None:
        """:meth:`set_versions` for one point."""
        self._table[offset] = version
        self._changed[offset] = True
        self._changes += 1

    def _make_deleted_mask(self) -> Mask:
        return self._map.deleted_mask()

    def _make_sorted_offsets(self) -> Offsets:
        return self._map.sorted_offsets()

    @property
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""
        return self._map.pending_bytes + 8 * min(self._changes, self._map.total)

    def collect_mappings(self, plan: FlushPlan) -> None:
        """Append the new log records behind the last durable one."""
        pending = self._map.pending()
        if not pending:
            return
        if self._log_bytes is None:
            plan.replace(self._mappings, pending)
        else:
            plan.write(self._mappings, self._log_bytes, pending)
        plan.on_done(lambda: self._mappings_written(len(pending)))

    def _mappings_written(self, count: int) -> None:
        self._map.drop_pending(count)
        self._log_bytes = (self._log_bytes or 0) + count

    def collect_versions(self, plan: FlushPlan) -> None:
        """Write the changed runs of the versions array."""
        if not self._changes:
            return
        total = self._map.total
        changed = self._changed[:total].copy()
        table = self._table[:total].astype("<u8")
        if self._written is None:
            plan.replace(self._versions, table.tobytes())
        else:
            changed[self._written :] = True
            for start, stop in runs(changed):
                plan.write(self._versions, 8 * start, table[start:stop].view(np.uint8))
        changes = self._changes
        plan.on_done(lambda: self._versions_written(table, changes))

    def _versions_written(self, table: Versions, changes: int) -> None:
        total = len(table)
        self._changed[:total] &= self._table[:total] != table
        self._changes -= changes
        self._written = max(self._written or 0, total)

    def close(self) -> None:
        """Forget everything. Unflushed changes are lost."""
        self._map = _native.IdMap()
        self._table = np.zeros(0, np.uint64)
        self._changes = 0
        self._forget()


def runs(mask: Mask) -> list[tuple[int, int]]:
    """``(start, stop)`` of every run of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _content(path: Path) -> npt.NDArray[np.uint8] | None:
    """The bytes of a file, None if there is none. They are mapped, so that a hole in it takes no memory.

    Raises:
        CorruptedError: it is no file.
        StorageError: the file system refused.
    """
    if path.is_dir():
        raise CorruptedError(path, "a directory, expected a file")
    return PrivateFile(path, read_only=True).array if path.exists() else None


def cut_file(path: Path, size: int) -> None:
    """Shorten a file to ``size`` bytes, durably."""
    try:
        fd = files.disk.open(path, os.O_WRONLY)
        try:
            files.disk.truncate(fd, size)
            files.disk.sync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot truncate {path}: {error.strerror}") from error
