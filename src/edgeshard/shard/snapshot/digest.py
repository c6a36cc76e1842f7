"""SHA-256 of archives, at once or in the background."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import ExitStack
from threading import Thread

from edgeshard.errors import StorageError
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files

CHUNK_BYTES = 1 << 20

Stretch = tuple[int, int, int]
"""Descriptor of a file, offset in it, length; in bytes."""


def digest_of(fd: int) -> str:
    """The SHA-256 of a file in hex."""
    return _digest([(fd, 0, os.fstat(fd).st_size)])


class BackgroundDigest:
    """The SHA-256 of stretches of files, computed in a thread; the files may be renamed or removed meanwhile.

    Args:
        stretches: what to go over, in order; the descriptors are duplicated.
    """

    __slots__ = ("_result", "_thread")

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._result: str | OSError | None = None
        with ExitStack() as opened:
            copies: dict[int, int] = {}
            mine: list[Stretch] = []
            for fd, offset, length in stretches:
                if fd not in copies:
                    copies[fd] = os.dup(fd)
                    opened.callback(os.close, copies[fd])
                mine.append((copies[fd], offset, length))
            arguments = (mine, opened.pop_all())
            self._thread = Thread(target=self._run, args=arguments, name="edgeshard-snapshot-digest", daemon=True)
            self._thread.start()

    def __call__(self) -> str:
        """The digest in hex.

        Raises:
            StorageError: a file could not be read.
        """
        self._thread.join()
        if not isinstance(self._result, str):
            raise StorageError(f"cannot compute the digest of the snapshot: {self._result}")
        return self._result

    def _run(self, stretches: list[Stretch], opened: ExitStack) -> None:
        with opened:
            try:
                self._result = _digest(stretches)
            except OSError as error:
                self._result = error


def _digest(stretches: Iterable[Stretch]) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    for fd, offset, length in stretches:
        stop = offset + length
        while offset < stop:
            pause()
            count = files.read_into(fd, buffer[: min(CHUNK_BYTES, stop - offset)], offset)
            if not count:
                raise OSError("a file became shorter while it was read")
            digest.update(buffer[:count])
            offset += count
    return digest.hexdigest()
