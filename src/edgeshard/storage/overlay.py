"""A file mapped privately: changes stay in memory until a flush writes them.

Data files of a shard are changed in place, and such a change must not reach the disk before the log record that
explains it. So files are mapped copy-on-write: readers see a change at once, the file does not. The changed
ranges are remembered; a flush hands them to a :class:`~edgeshard.storage.flush.FlushPlan`, which makes the log
durable first. A full disk is then an error of ``pwrite`` and never a SIGBUS, and pages that were not changed stay
shared with the page cache (see :mod:`edgeshard.storage.mapping` for the exception). For a file that was just made,
which holds nothing, memory stands in until the first flush.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.mapping import map_blank, map_file, show_file

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

Bytes = npt.NDArray[np.uint8]

_MANY_RANGES = 64
"""Ranges from which telling the kernel about each costs more than about the whole span."""


class PrivateFile:
    """A file mapped copy-on-write, with its changed ranges.

    Not thread safe for writers; readers may look at :attr:`array` while one writer changes it (they see bytes of
    either state). Arrays handed out stay valid after :meth:`grow` and :meth:`close`: they keep their mapping alive.

    Args:
        path: the file, which must exist.
        read_only: map it shared and refuse changes.

    Attributes:
        blank: nothing has been written to the file since it was made of zeroes.

    Raises:
        CorruptedError: the file is missing.
        StorageError: it cannot be opened or mapped.
    """

    __slots__ = (
        "_copied", "_dirty", "_locked", "_map", "_read_only", "_scattered", "_stands_in", "array", "blank", "path",
        "size",
    )  # fmt: skip

    def __init__(self, path: files.PathLike, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._read_only = read_only
        self._dirty: list[tuple[int, int, bool]] = []
        self.blank = self._copied = self._locked = self._scattered = self._stands_in = False
        self._map: mmap.mmap | None = None
        self.array: Bytes = np.zeros(0, np.uint8)
        self._open()

    @classmethod
    def create(cls, path: files.PathLike, size: int) -> PrivateFile:
        """Create the file with ``size`` zero bytes (replacing any) and map it."""
        files.create_file(path, size)
        created = cls(path)
        created.begin()
        return created

    def begin(self) -> None:
        """Call right after opening a file that was just made of zeroes: memory stands for it until the first flush."""
        self.blank = True
        own = None if self._copied or not self.size else map_blank(self.size)
        if own is not None:
            self._map, self._copied, self._stands_in = own, True, True
            self.array = np.frombuffer(own, np.uint8)

    def _open(self) -> None:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise CorruptedError(self.path, "the file is missing") from error
        except OSError as error:
            raise StorageError(error.errno, f"cannot open {self.path}: {error.strerror}") from error
        try:
            self.size = os.fstat(fd).st_size
            self._map = None
            self._copied = self._stands_in = False
            self.array = np.zeros(0, np.uint8)
            if self.size:
                self._map, self._copied = map_file(fd, read_only=self._read_only)
                self.array = np.frombuffer(self._map, np.uint8)
                self.array.flags.writeable = not self._read_only
        except OSError as error:
            raise StorageError(error.errno, f"cannot map {self.path}: {error.strerror}") from error
        finally:
            os.close(fd)

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return sum(stop - start for start, stop, _ in self._dirty)

    def write(self, offset: int, data: bytes | memoryview | Bytes, *, fresh: bool = False) -> None:
        """Change bytes in memory; see :meth:`mark` for ``fresh``."""
        view = np.frombuffer(data, np.uint8)
        self.array[offset : offset + len(view)] = view
        self.mark(offset, offset + len(view), fresh=fresh)

    def mark(self, start: int, stop: int, *, fresh: bool = False) -> None:
        """Remember that ``array[start:stop]`` was changed.

        Args:
            start: first changed byte.
            stop: one past the last changed byte.
            fresh: nothing durable refers to these bytes yet (a new row, a new block), so that they may be written
                without a journal record.
        """
        if self._read_only:
            raise StorageError(f"{self.path} is open for reading only")
        if self._dirty:
            last_start, last_stop, last_fresh = self._dirty[-1]
            if last_fresh == fresh and last_start <= start <= last_stop:
                self._dirty[-1] = (last_start, max(last_stop, stop), fresh)
                return
        self._dirty.append((start, stop, fresh))

    def grow(self, size: int) -> None:
        """Make the file at least ``size`` bytes long; the new bytes are zero. Unflushed changes are kept.

        The length changes at once, as holes: nothing durable depends on it. Views taken before keep showing the
        old mapping, so take :attr:`array` again.
        """
        if size <= self.size:
            return
        old, old_dirty = self.array, self._dirty
        try:
            fd = files.disk.open(self.path, os.O_WRONLY)
            try:
                files.disk.truncate(fd, size)
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(error.errno, f"cannot grow {self.path}: {error.strerror}") from error
        self._open()
        for start, stop, _ in old_dirty:
            self.array[start:stop] = old[start:stop]

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed ranges to a flush; :meth:`flushed` is called once they are in the file."""
        if not self._dirty:
            return
        for start, stop, fresh in merge_ranges(self._dirty):
            plan.write(self.path, start, self.array[start:stop], fresh=fresh)
        if self.blank:
            self.blank = False  # whatever becomes of the flush
            plan.blank.add(self.path)
        plan.on_done(self.flushed)

    def flushed(self) -> None:
        """Forget the changed ranges and give their private pages back to the page cache."""
        if self._stands_in:
            self._show_file()
        elif self._map is not None and not self._copied and hasattr(mmap, "MADV_DONTNEED"):
            page = mmap.PAGESIZE
            ranges = merge_ranges(self._dirty)
            if len(ranges) > _MANY_RANGES:  # one call; clean pages in between are only mapped again
                ranges = [(ranges[0][0], ranges[-1][1], False)]
            for start, stop, _ in ranges:
                first = start // page * page
                self._map.madvise(mmap.MADV_DONTNEED, first, min(stop, self.size) - first)
        self._dirty = []

    def _show_file(self) -> None:
        """Put the file in the place of the memory that stands for it; where that fails, the memory stays."""
        assert self._map is not None
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it is gone, or there is no descriptor left: nobody needs it now
            return
        try:
            self._copied = self._stands_in = not show_file(self._map, fd)
        finally:
            os.close(fd)
        if self._scattered:
            self.expect_scattered_reads()

    def release_pages(self) -> None:
        """Let the system take back the memory of what was read; it is read again when needed.

        Nothing happens to files that are pinned or have unflushed changes. Nobody may change the file meanwhile.
        """
        if self._map is None or self._dirty or self._copied or self._locked:
            return
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def expect_scattered_reads(self) -> None:
        """Read no more from the disk than is asked for: neighbours of what is read are not wanted."""
        self._scattered = True
        if self._map is not None and hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)

    def fetch_ahead(self) -> None:
        """Have the system read the file into its cache, without waiting for it."""
        if self._map is not None and hasattr(mmap, "MADV_WILLNEED"):
            self._map.madvise(mmap.MADV_WILLNEED)

    def pin(self) -> bool:
        """Keep a read-only file in memory as long as it is mapped; False if the system refuses."""
        if self._map is None:
            return True
        self._locked = self._read_only and lock_memory(self.array)
        return self._locked

    def close(self) -> None:
        """Drop the mapping (once the last view of it is gone). Unflushed changes are lost."""
        self._dirty = []
        self.array = np.zeros(0, np.uint8)
        self._map = None


def lock_memory(array: Bytes) -> bool:
    """Keep mapped memory resident (``mlock``) until it is unmapped; False if the system refuses or cannot."""
    import ctypes

    mlock = getattr(ctypes.CDLL(None), "mlock", None)
    return mlock is not None and mlock(ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)) == 0


def merge_ranges(ranges: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Sorted, disjoint ranges covering the same bytes; a byte changed both ways counts as not fresh."""
    if len(ranges) == 1:
        return ranges
    merged: list[tuple[int, int, bool]] = []
    for start, stop, fresh in sorted(ranges):
        if merged and start <= merged[-1][1] and (merged[-1][2] == fresh or start < merged[-1][1]):
            last = merged[-1]
            merged[-1] = (last[0], max(last[1], stop), last[2] and fresh)
        else:
            merged.append((start, stop, fresh))
    return merged
