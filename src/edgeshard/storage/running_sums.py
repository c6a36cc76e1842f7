"""Checksums of large files that only grow, taken along while they are written.

What a flush writes is in the processor's cache, so that its checksum costs little more than the arithmetic; reading a
file again when the shard is closed costs several times as much. A file counts as long as every write lies behind the
last byte that is not zero; one that is changed anywhere else, or by somebody else, is read at close.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgeshard import _native
from edgeshard.storage.mapping import extents

if TYPE_CHECKING:
    from edgeshard.storage.flush import Bytes

BLOCK_BYTES = 1 << 18
"""Written and summed at a time: what stays in the cache between the two."""
_SMALL_BYTES = 1 << 16
"""A file with less in it is read sooner than it is kept track of."""
_LONG_GAP_BYTES = 1 << 20
_TAIL_BYTES = 64
_ZEROES = bytes(1 << 16)


class _Known(NamedTuple):
    used: int
    """Bytes up to the last that is not zero."""
    crc: int
    tail: bytes
    """The last of them: a file that was removed and made again under the same name has others."""
    inode: int


class RunningSums:
    """What is known of the files of one shard."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Path, _Known | None] = {}

    def begin(self, path: Path, fd: int) -> None:
        """Call before a file is written to; ``fd`` must be readable."""
        known = self._known.get(path)
        if path not in self._known or (known is not None and not _is_same(known, fd)):
            self._known[path] = _content(fd)

    def take(self, path: Path, offset: int, data: Bytes) -> None:
        """Call for each part that is written, in ascending order; if one cannot be written, call :meth:`forget`."""
        known = self._known.get(path)
        if known is None:
            return
        count = _native.used_bytes(data)
        if offset < known.used or (count and offset - known.used > _LONG_GAP_BYTES):
            self._known[path] = None
        elif count:
            crc = known.crc
            for at in range(known.used, offset, len(_ZEROES)):
                crc = _native.crc32c(_ZEROES[: offset - at], crc)
            crc = _native.crc32c(data[:count], crc)
            tail = bytes(data[max(0, count - _TAIL_BYTES) : count])
            self._known[path] = _Known(offset + count, crc, tail, known.inode)

    def forget(self, path: Path) -> None:
        """The file was written to by other means, or is gone."""
        self._known[path] = None

    def entry(self, path: Path) -> tuple[int, int] | None:
        """The bytes in use and their checksum, None if the file must be read."""
        known = self._known.get(path)
        if known is None or known.used < _SMALL_BYTES:
            return None
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return (known.used, known.crc) if _is_same(known, fd) else None
        finally:
            os.close(fd)


def _is_same(known: _Known, fd: int) -> bool:
    """Whether a file is as it was left, but perhaps longer."""
    tail = known.tail
    return os.fstat(fd).st_ino == known.inode and os.pread(fd, len(tail), known.used - len(tail)) == tail


def _content(fd: int) -> _Known | None:
    """What there is to know of a file with next to nothing in it, None for others."""
    status = os.fstat(fd)
    parts = list(extents(fd, status.st_size))
    stop = parts[-1][1] if parts else 0
    if stop > _SMALL_BYTES:
        return None
    data = os.pread(fd, stop, 0)
    used = _native.used_bytes(data)
    return _Known(used, _native.crc32c(data[:used]), data[max(0, used - _TAIL_BYTES) : used], status.st_ino)
