"""Writing the content of an archive into a directory, and making it durable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgeshard.errors import SnapshotError, StorageError
from edgeshard.shard.snapshot.layout import Archive, parents_of
from edgeshard.shard.snapshot.limits import refusal
from edgeshard.shard.snapshot.view import View
from edgeshard.shard.threads import started
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files

CHUNK_BYTES = 1 << 20
STRETCH_BYTES = 8 << 20
"""Large files are written by several threads, this much by each at a time."""
EARLY_BYTES = 256 << 10
"""What is written in one go and not less is sent to the disk at once, if all is to be durable in the end."""
HOLE_BYTES = 64 << 10
"""Zeros of this length (and alignment) are not written: servers allocate pages of 32 MiB in advance."""
_ZEROS = bytes(HOLE_BYTES)
THREADS = 4
_T = TypeVar("_T")


def extract(archive: Archive, target: Path, *, syncing: bool = False) -> None:
    """Write the content of an archive into a directory that has none of it; :func:`sync_all` makes it durable.

    Args:
        archive: the content.
        target: the directory.
        syncing: let the disk begin with what is written while the next is copied, so that little is left to sync.

    Raises:
        SnapshotError, StorageError: it cannot be written.
    """
    directories = {parent for path in archive.files for parent in parents_of(path)}
    directories |= archive.directories | {parent for path in archive.directories for parent in parents_of(path)}
    try:
        for directory in sorted(directories):
            files.disk.mkdir(target / directory)
        stretches = [task for path, view in archive.files.items() for task in _create(view, target / path)]
        _in_parallel(partial(_write_stretch, syncing=syncing), stretches)
    except StorageError:
        raise
    except OSError as error:
        raise _failure(error, target) from error


def sync_all(root: Path) -> None:
    """Make everything below a directory durable, several files at a time.

    Raises:
        StorageError: the disk refused.
    """
    names = [Path(folder, name) for folder, _, inside in os.walk(root) for name in inside]
    try:
        _in_parallel(_sync_file, sorted(names, key=lambda path: -path.stat().st_size))
        _in_parallel(files.disk.sync_directory, [folder for folder, _, _ in os.walk(root)])
    except OSError as error:
        raise _failure(error, root) from error


def _failure(error: OSError, target: Path) -> StorageError:
    where = os.path.relpath(error.filename, target) if error.filename else target
    return StorageError(error.errno, f"failed to unpack {where}: {error.strerror} (os error {error.errno})")


def _sync_file(path: Path) -> None:
    fd = files.disk.open(path, os.O_RDONLY)
    try:
        files.disk.sync(fd)
    finally:
        os.close(fd)


def _create(view: View, path: Path) -> Iterator[tuple[View, Path, int, int]]:
    """Make a file that is one hole; yields the stretches of it to be written.

    Raises:
        SnapshotError: the file exists already (two names that the file system takes for one).
    """
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0))
    except FileExistsError as error:
        raise refusal(os.fspath(path), "the file system takes two names of the archive for one") from error
    try:
        files.disk.truncate(fd, view.size)
    finally:
        os.close(fd)
    for start in range(0, max(view.size, 1), STRETCH_BYTES):
        stop = min(start + STRETCH_BYTES, view.size)
        if start == 0 or next(view.pieces(start, stop), None) is not None:
            yield view, path, start, stop


def _write_stretch(task: tuple[View, Path, int, int], *, syncing: bool) -> None:
    """Write bytes of an archive to their file; holes and long runs of zeros become holes."""
    view, path, start, stop = task
    fd = files.disk.open(path, os.O_WRONLY)
    try:
        buffer = bytearray(min(CHUNK_BYTES, max(stop - start, 1)))
        for offset, place, length in view.pieces(start, stop):
            while length:
                window = memoryview(buffer)[: min(length, len(buffer))]
                count = files.read_into(view.fd, window, place)
                if not count:
                    raise SnapshotError("the archive became shorter while it was read")
                _write_data(fd, buffer, count, offset)
                if syncing and count >= EARLY_BYTES:
                    files.disk.start_writing(fd, offset, count)
                offset, place, length = offset + count, place + count, length - count
    finally:
        os.close(fd)


def _write_data(fd: int, buffer: bytearray, count: int, offset: int) -> None:
    """Write the start of a buffer, leaving out stretches of zeros."""
    view = memoryview(buffer)
    start = 0
    for position in range(0, count, HOLE_BYTES):
        stop = min(position + HOLE_BYTES, count)
        if buffer.startswith(_ZEROS[: stop - position] if stop - position < HOLE_BYTES else _ZEROS, position):
            if start < position:
                files.disk.pwrite(fd, view[start:position], offset + start)
            start = stop
    if start < count:
        files.disk.pwrite(fd, view[start:count], offset + start)


def _in_parallel(function: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Call a function for every item on a few threads; the first error ends it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        calls = [started(partial(pool.submit, function, item), "unpacks a snapshot") for item in items]
        try:
            for call in calls:
                call.result()
                pause()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
