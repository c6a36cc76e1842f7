"""Files kept in memory beside whoever maps them: fetched into the system's cache, or locked there.

Locking goes through a mapping of its own, shared and read-only, so that files which others map copy-on-write can be
locked without being copied. Holes are left out.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from edgeshard.storage.mapping import extents
from edgeshard.storage.overlay import PrivateFile, lock_memory


def fetch(paths: Iterable[Path]) -> None:
    """Have the system read files into its cache, without waiting for it."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for start, stop in extents(fd, os.fstat(fd).st_size):
                os.posix_fadvise(fd, start, stop - start, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(fd)


class LockedFiles:
    """Files whose bytes stay in memory until :meth:`close`.

    Args:
        paths: the files, as they are now; what is added to them later is not locked.

    Attributes:
        size: bytes that were to be locked.
        refused: whether the system refused some.

    Raises:
        StorageError: one cannot be mapped.
    """

    __slots__ = ("_files", "refused", "size")

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = [PrivateFile(path, read_only=True) for path in paths]
        self.size = 0
        self.refused = False
        for file in self._files:
            fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                parts = list(extents(fd, file.size))
            finally:
                os.close(fd)
            for start, stop in parts:
                first = start // mmap.PAGESIZE * mmap.PAGESIZE
                self.size += stop - first
                self.refused = not lock_memory(file.array[first:stop]) or self.refused

    def close(self) -> None:
        """Let go of them."""
        for file in self._files:
            file.close()
        self._files = []
