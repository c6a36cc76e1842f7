"""Checksums of large files that only grow, taken along while they are written.

What a flush writes passes through the processor's cache anyway, so that its checksum costs little more than the
arithmetic; reading a file again when the shard is closed costs several times as much. A file counts as long as every
write lies behind the last byte that is not zero; one that is changed anywhere else, or by somebody else, is read at
close.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshard import _native
from edgeshard.storage.mapping import extents, is_hole_from

if TYPE_CHECKING:
    from edgeshard.storage.flush import Bytes

BLOCK_BYTES = 1 << 20
"""Written and summed at a time: what stays in the cache between the two. In smaller blocks the calls, whose code the
system has driven from the cache, cost more than the arithmetic."""
_SMALL_BYTES = 1 << 16
"""A file with less in it is read when the shard is closed."""
_LONG_GAP_BYTES = 1 << 20
_TAIL_BYTES = 64


class Sum:
    """What is known of one file: nothing that helps once ``known`` is False, and it has to be read."""

    __slots__ = ("crc", "inode", "known", "modified", "size", "tail", "used")

    def __init__(self, data: bytes | None = None) -> None:
        self.known = data is not None
        self.used = self.crc = 0
        """Bytes up to the last that is not zero, and their checksum."""
        self.tail = b""
        """The last of them: a file that was removed and made again under the same name has others."""
        self.inode = self.size = self.modified = -1
        """Of the file after the last write, and the time of that in nanoseconds."""
        if data:
            self.take(0, data)

    def take(self, offset: int, data: Bytes | bytes) -> None:
        """Call for each part that is written, in ascending order."""
        gap = offset - self.used
        if gap < 0 or not self.known:
            self.known = False
            return
        count, crc = _native.extend_crc32c(data, gap, self.crc)
        if count:
            self.known = gap <= _LONG_GAP_BYTES
            self.used, self.crc = offset + count, crc
            end = bytes(data[max(0, count - _TAIL_BYTES) : count])
            self.tail = end if gap or len(end) == _TAIL_BYTES else (self.tail + end)[-_TAIL_BYTES:]

    def written(self, status: os.stat_result) -> None:
        """Call when the file has been written to, with what the system says of it then."""
        self.inode, self.size, self.modified = status.st_ino, status.st_size, status.st_mtime_ns

    def is_untouched(self, status: os.stat_result) -> bool:
        """Whether nothing at all has happened to a file since the last write."""
        return (self.inode, self.size, self.modified) == (status.st_ino, status.st_size, status.st_mtime_ns)

    def is_of(self, fd: int, inode: int) -> bool:
        """Whether a file is as it was left, but perhaps longer."""
        tail = self.tail
        return inode == self.inode and os.pread(fd, len(tail), self.used - len(tail)) == tail


class RunningSums:
    """What is known of the files of one shard.

    Args:
        active: False to know nothing.
    """

    __slots__ = ("_sums", "active")

    def __init__(self, *, active: bool = True) -> None:
        self.active = active
        self._sums: dict[str, Sum] = {}

    def begin(self, path: Path, fd: int, parts: list[tuple[int, Bytes]], *, blank: bool) -> Sum:
        """Call before a file is written to, and give what is written to the result.

        Args:
            path: the file.
            fd: it, readable.
            parts: what is written, in ascending order.
            blank: nothing has been written to the file since it was made of zeroes.
        """
        if not self.active:
            return Sum()
        key = os.fspath(path)
        found = self._sums.get(key)
        if found is None:
            offset, data = parts[-1]
            if offset + len(data) <= _SMALL_BYTES:
                return Sum()
        elif not found.known or found.is_of(fd, os.fstat(fd).st_ino):
            return found
        offset, data = parts[0]
        found = self._sums[key] = Sum(b"") if blank else _content(fd, 0 if offset else len(data))
        return found

    def forget(self, path: Path) -> None:
        """The file was written to by other means, or is gone."""
        self._sums[os.fspath(path)] = Sum()

    def forget_below(self, directory: Path) -> None:
        """The directory is gone, and its files with it."""
        inside = os.fspath(directory) + os.sep
        for key in [key for key in self._sums if key.startswith(inside)]:
            del self._sums[key]

    def replaced(self, path: Path, data: bytes) -> None:
        """The file, which was forgotten before, has been replaced by one with this content."""
        if self.active and len(data) >= _SMALL_BYTES:
            found = self._sums[os.fspath(path)] = Sum(data)
            found.written(os.stat(path))

    def entry(self, path: str) -> tuple[int, int, int, int] | None:
        """Size, bytes in use, their checksum, modification time in nanoseconds; None if the file must be read."""
        found = self._sums.get(path)
        if found is None or not found.known:
            return None
        status = os.stat(path)
        if not found.is_untouched(status):  # it has grown since, or is not the same
            if found.used < _SMALL_BYTES:
                return None
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                status = os.fstat(fd)
                if not found.is_of(fd, status.st_ino):
                    return None
            finally:
                os.close(fd)
        return status.st_size, found.used, found.crc, status.st_mtime_ns


def _content(fd: int, replaced: int) -> Sum:
    """What there is to know of a file with next to nothing in it behind the first bytes, which are to be replaced."""
    stop = os.fstat(fd).st_size
    if stop > _SMALL_BYTES:
        stop = replaced if is_hole_from(fd, replaced) else max((stop for _, stop in extents(fd, stop)), default=0)
    if stop <= replaced:
        return Sum(b"")
    return Sum() if stop > _SMALL_BYTES else Sum(os.pread(fd, stop, 0))
