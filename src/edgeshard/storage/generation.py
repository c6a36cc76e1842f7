"""A counter that tells readers in other processes when the files of a shard change in place.

File ``edgeshard.generation`` in the shard's root: u64 little endian. It is odd while a flush writes into files or
segments are exchanged, and two higher afterwards. It is never synced: what it tells is of interest only while a writer
is alive.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshard.errors import StorageError
from edgeshard.storage import files

NAME = "edgeshard.generation"


def current(root: Path) -> int:
    """The generation of a shard, 0 if it never had a writer that counts.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        return _number((root / NAME).read_bytes())
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {root / NAME}: {error.strerror}") from error


def is_changing(data: bytes) -> bool:
    """Whether files were being changed when the counter was this.

    Args:
        data: content of the file.
    """
    return _number(data) % 2 == 1


def _number(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Tell readers that files change meanwhile.

    Raises:
        StorageError: the disk refused; nothing may be changed.
    """
    odd = current(root) | 1
    _store(root, odd)
    yield
    _store(root, odd + 1)  # not after an error: what is half written stays marked until the next change succeeds


def _store(root: Path, value: int) -> None:
    try:
        fd = files.disk.open(root / NAME, os.O_WRONLY | os.O_CREAT)
        try:
            files.disk.pwrite(fd, value.to_bytes(8, "little"), 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot write {root / NAME}: {error.strerror}") from error
