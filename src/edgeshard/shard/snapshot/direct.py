"""Copying long stretches into a new file past the page cache.

An archive is written once and then sent elsewhere. Through the page cache its bytes would be copied there, push out
pages that searches use, and be written to the disk only afterwards; this way they are on the disk when they are copied.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

from edgeshard.errors import SnapshotError
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files

ALIGNMENT = 4096
"""Of offsets, lengths and memory; no block of a disk is larger."""
CHUNK_BYTES = 1 << 20
LEAST_BYTES = 4 * CHUNK_BYTES
"""Shorter stretches are not worth it."""


class DirectWriter:
    """A file that takes long stretches past the page cache, as far as its file system can do that.

    Args:
        path: an existing file that has its final length.
        size: that length in bytes; room for it is reserved.

    Raises:
        OSError: there is no room.
    """

    __slots__ = ("_fd",)

    def __init__(self, path: Path, size: int) -> None:
        self._fd: int | None = None
        if size < LEAST_BYTES or not hasattr(os, "O_DIRECT"):
            return
        try:
            self._fd = files.disk.open(path, os.O_WRONLY | os.O_DIRECT)
            files.disk.allocate(self._fd, size)
        except OSError as error:
            self.close()
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def copy(self, source: int, offset: int, place: int, length: int) -> int:
        """Copy whole blocks of a stretch from a file.

        Args:
            source: descriptor of the file.
            offset: where the stretch starts there.
            place: where it goes, a multiple of :data:`ALIGNMENT`.
            length: of the stretch in bytes.

        Returns:
            Bytes copied from its start: all whole blocks, or fewer if the file system refuses to go on like this.

        Raises:
            SnapshotError: the source became shorter.
            OSError: the disk refused.
        """
        whole = length // ALIGNMENT * ALIGNMENT
        done = 0
        if self._fd is None or whole < LEAST_BYTES:
            return done
        # Memory of whole pages, which goes with its last view.
        buffer = memoryview(mmap.mmap(-1, CHUNK_BYTES))
        while done < whole:
            pause()
            window = buffer[: min(CHUNK_BYTES, whole - done)]
            _read(source, window, offset + done)
            try:
                files.disk.pwrite(self._fd, window, place + done)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self.close()  # it wants another alignment
                return done
            done += len(window)
        return done


def _read(fd: int, window: memoryview, offset: int) -> None:
    """Fill a buffer from a file."""
    done = 0
    while done < len(window):
        count = files.read_into(fd, window[done:], offset + done)
        if not count:
            raise SnapshotError("a file became shorter while it was packed")
        done += count
