"""An archive becomes a directory.

The content is written into a new directory beside the target under a hidden name, made durable, and renamed; a target
that exists gets the entries one by one, after all of them were checked for clashes. What a killed process left behind
is recognised by its free lock and removed by the next call with the same target.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from edgeshard.errors import SnapshotError, StorageError
from edgeshard.shard.snapshot.layout import Archive, open_archive, parents_of
from edgeshard.shard.snapshot.limits import SnapshotLimits, refusal
from edgeshard.shard.snapshot.view import View
from edgeshard.storage import files

CHUNK_BYTES = 1 << 20
STRETCH_BYTES = 8 << 20
"""Large files are written by several threads, this much by each at a time."""
HOLE_BYTES = 64 << 10
"""Zeros of this length (and alignment) are not written: servers allocate pages of 32 MiB in advance."""
_ZEROS = bytes(HOLE_BYTES)
THREADS = 4
_T = TypeVar("_T")


def unpack_snapshot(
    snapshot_path: str | os.PathLike[str],
    target_path: str | os.PathLike[str],
    *,
    checksum: str | None = None,
    limits: SnapshotLimits | None = None,
    mirror: bool = False,
) -> None:
    """Turn an archive into a shard directory; nothing is left behind if it is refused.

    Args:
        snapshot_path: the archive.
        target_path: where to; made with its parents if missing. If it holds something already, names must not clash.
        checksum: SHA-256 the archive must have, in hex.
        limits: what the archive may ask for.
        mirror: note the state, so that local writes are noticed when the next snapshot is applied.

    Raises:
        SnapshotError: the archive is refused; the message names the entry and the rule.
        StorageError: the disk refused.
    """
    target = Path(target_path)
    with opened(snapshot_path, checksum, limits) as archive:
        if target.is_symlink():
            target = target.resolve()
        made = _make_parents(target)
        try:
            if target.exists():
                _unpack_into(archive, target, mirror)
            else:
                _unpack_beside(archive, target, mirror)
        except BaseException:
            for directory in reversed(made):
                directory.rmdir()
            raise


@contextmanager
def opened(path: str | os.PathLike[str], checksum: str | None, limits: SnapshotLimits | None) -> Iterator[Archive]:
    """The checked content of an archive, while its file is open."""
    fd = open_archive(path)
    try:
        if checksum is not None:
            check_digest(fd, path, checksum)
        yield Archive.read(fd, limits or SnapshotLimits())
    finally:
        os.close(fd)


def check_digest(fd: int, path: str | os.PathLike[str], checksum: str) -> None:
    """Refuse a file whose SHA-256 is another.

    Raises:
        SnapshotError: it is.
    """
    found = digest_of(fd)
    if found != checksum.strip().lower():
        raise SnapshotError(f"{os.fspath(path)} has the SHA-256 {found}, not {checksum}: fetch it again")


def digest_of(fd: int) -> str:
    """The SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    position = 0
    while count := os.preadv(fd, [buffer], position):
        digest.update(buffer[:count])
        position += count
    return digest.hexdigest()


# --- where to ------------------------------------------------------------------------------------------


def _unpack_beside(archive: Archive, target: Path, mirror: bool) -> None:
    prefix = f".{target.name}.unpack-"
    _remove_stale(target.parent, prefix)
    archive.check_space(target.parent)
    with _locked_directory(target.parent, prefix) as draft:
        extract(archive, draft)
        if mirror:
            _note_state(archive, draft)
        files.disk.rename(draft, target)
        files.disk.sync_directory(target.parent)


def _unpack_into(archive: Archive, target: Path, mirror: bool) -> None:
    """Into a directory that exists: top-level entries, and those of ``segments`` and ``wal``, must be new."""
    if not target.is_dir():
        raise StorageError(f"cannot unpack into {target}: it is not a directory")
    prefix = ".unpack-"
    _remove_stale(target, prefix)
    archive.check_space(target)
    with _locked_directory(target, prefix) as draft:
        extract(archive, draft)
        if mirror:
            _note_state(archive, draft)
        moves = list(_moves(draft, target))
        for _, there in moves:
            if there.exists() or there.is_symlink():
                raise SnapshotError(f"failed to unpack {os.fspath(there)!r}: the target holds it already")
        done: list[tuple[Path, Path]] = []
        try:
            for here, there in sorted(moves, key=lambda move: "/segments" in os.fspath(move[0])):
                files.disk.rename(here, there)
                done.append((here, there))
        except BaseException:
            for here, there in reversed(done):
                files.disk.rename(there, here)
            raise
        for directory in {there.parent for _, there in moves}:
            files.disk.sync_directory(directory)


def _note_state(archive: Archive, draft: Path) -> None:
    from edgeshard.shard.snapshot.state import FILE, state_of

    files.replace_file(draft / FILE, state_of(archive, draft / "segments").to_json())


def _moves(draft: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    for entry in sorted(draft.iterdir()):
        there = target / entry.name
        if entry.is_dir() and there.is_dir() and not there.is_symlink():
            for child in sorted(entry.iterdir()):
                yield child, there / child.name
        else:
            yield entry, there


@contextmanager
def _locked_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """A new hidden directory, locked so that others can tell it from a stale one; gone at the end."""
    draft = parent / f"{prefix}{secrets.token_hex(4)}"
    try:
        files.disk.mkdir(draft)
        fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(error.errno, f"cannot unpack into {parent}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield draft
    finally:
        os.close(fd)
        files.disk.remove_tree(draft)


def _remove_stale(parent: Path, prefix: str) -> None:
    for entry in parent.glob(f"{prefix}*"):
        fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            files.disk.remove_tree(entry)
        except BlockingIOError:
            continue  # another process is at work in it
        finally:
            os.close(fd)


def _make_parents(target: Path) -> list[Path]:
    made = [directory for directory in reversed(target.parents) if not directory.exists()]
    try:
        files.disk.mkdir(target.parent)
    except OSError as error:
        raise StorageError(error.errno, f"cannot create {target.parent}: {error.strerror}") from error
    return made


# --- writing -------------------------------------------------------------------------------------------


def extract(archive: Archive, target: Path) -> None:
    """Write the content of an archive into an empty directory and make it durable.

    Raises:
        SnapshotError, StorageError: it cannot be written.
    """
    directories = {parent for path in archive.files for parent in parents_of(path)}
    directories |= archive.directories | {parent for path in archive.directories for parent in parents_of(path)}
    try:
        for directory in sorted(directories):
            files.disk.mkdir(target / directory)
        stretches = [task for path, view in archive.files.items() for task in _create(view, target / path)]
        # Several at a time: while one is on its way to the disk the next is copied.
        in_parallel(_write_stretch, stretches)
        in_parallel(files.disk.sync_directory, [target, *(target / name for name in directories)])
    except StorageError:
        raise
    except OSError as error:
        where = os.path.relpath(error.filename, target) if error.filename else target
        raise StorageError(
            error.errno, f"failed to unpack {where}: {error.strerror} (os error {error.errno})"
        ) from error


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


def _write_stretch(task: tuple[View, Path, int, int]) -> None:
    """Write bytes of an archive to their file and make them durable; holes and long runs of zeros become holes."""
    view, path, start, stop = task
    fd = files.disk.open(path, os.O_WRONLY)
    try:
        buffer = bytearray(min(CHUNK_BYTES, max(stop - start, 1)))
        for offset, place, length in view.pieces(start, stop):
            while length:
                window = memoryview(buffer)[: min(length, len(buffer))]
                count = os.preadv(view.fd, [window], place)
                if not count:
                    raise SnapshotError("the archive became shorter while it was read")
                _write_data(fd, buffer, count, offset)
                offset, place, length = offset + count, place + count, length - count
        files.disk.sync(fd)
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


def in_parallel(function: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Call a function for every item on a few threads; the first error ends it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(function, item) for item in items]
        try:
            for call in calls:
                call.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
