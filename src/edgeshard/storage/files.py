"""Files and directories: the only module that calls the operating system to change them.

Every durable change of the package goes through the functions of :class:`Disk`, so that a test can replace
``disk`` to drop un-synced bytes, tear a write or fail the n-th one.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from edgeshard.errors import CorruptedError, StorageError

PathLike: TypeAlias = "str | os.PathLike[str]"

TEMPORARY_PREFIX = ".atomicwrite"
"""Directories of half-finished replacements start like this (Qdrant uses the same name); readers ignore them."""

DAMAGED = "edgeshard.damaged"
"""Directory in the shard's root for files that were set aside."""
SETTINGS_LIMIT_BYTES = 64 << 20
"""What the settings of a shard or a segment may take, which name every vector."""
STATUS_LIMIT_BYTES = 1 << 16
"""What a file of a few numbers may take."""

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""What macOS needs to be told: its ``fsync`` leaves the bytes in the cache of the disk, which a power loss empties."""
NOT_SUPPORTED = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS)
"""Errors by which a file system says that it knows no such request."""


class Disk:
    """The operating system's file calls, with errors turned into :class:`StorageError`."""

    def open(self, path: PathLike, flags: int, mode: int = 0o644) -> int:
        """A file descriptor, closed on exec."""
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""
        if type(data) is bytes and data:  # a record of the log, mostly: the system takes it whole
            done = os.pwrite(fd, data, offset)
            if done == len(data):
                return
            data, offset = memoryview(data)[done:], offset + done
        view = memoryview(data).cast("B")
        while view.nbytes:
            done = os.pwrite(fd, view, offset)
            view, offset = view[done:], offset + done

    def truncate(self, fd: int, size: int) -> None:
        """Set the length of a file; new bytes are holes."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        """Reserve room for the first bytes of a file, which is at least that long already.

        Raises:
            OSError: there is none, or the file system cannot reserve it.
        """
        os.posix_fallocate(fd, 0, size)

    def sync(self, fd: int) -> None:
        """Make the content of a file durable."""
        if not _synced_through(fd):
            (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(fd)

    def start_writing(self, fd: int, offset: int, size: int) -> None:
        """Let the system begin to write a part of a file to the disk, without waiting: a later :meth:`sync` is shorter.

        A hint, and a system that does not take it does no harm.
        """
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

    def sync_directory(self, path: PathLike) -> None:
        """Make the names in a directory durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if not _synced_through(fd):
                os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: PathLike, target: PathLike) -> None:
        """Rename, replacing the target."""
        os.replace(source, target)

    def unlink(self, path: PathLike) -> None:
        """Remove a file; a missing one is fine."""
        Path(path).unlink(missing_ok=True)

    def mkdir(self, path: PathLike) -> None:
        """Make a directory; an existing one is fine."""
        os.makedirs(path, exist_ok=True)

    def remove_tree(self, path: PathLike) -> None:
        """Remove a directory and all it holds; a missing one is fine."""
        import shutil  # knows archives of all kinds, and takes 2 ms

        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return


def _synced_through(fd: int) -> bool:
    """Sync a file or directory through the cache of its disk, where ``fsync`` does not; False if it is for that to do.

    Raises:
        OSError: the disk refused.
    """
    if _FULL_SYNC is None:
        return False
    try:
        fcntl.fcntl(fd, _FULL_SYNC)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
        return False  # a file system of another machine, or without such a command
    return True


disk = Disk()
"""What all of the package uses; tests put another in its place with :func:`use_disk`."""


def use_disk(replacement: Disk) -> Disk:
    """Put another :class:`Disk` in place and return the one it replaces."""
    global disk
    before, disk = disk, replacement
    return before


def random_suffix(size_bytes: int = 3) -> str:
    """Random hexadecimal digits, two per byte, for a name nobody else uses."""
    return os.urandom(size_bytes).hex()


def replace_file(path: PathLike, data: bytes) -> None:
    """Replace a whole file durably: write new, fsync, rename, fsync the directory.

    A reader sees the old content or the new, never a mixture, whatever happens in between.

    Raises:
        StorageError: the file system refused; the old file is untouched.
    """
    replace_file_in_pieces(path, lambda put: put(data))


def replace_file_in_pieces(path: PathLike, produce: Callable[[Callable[[bytes], None]], None]) -> None:
    """Replace a whole file as :func:`replace_file` does, without all of it in memory.

    Args:
        path: the file.
        produce: called with a function that takes the next bytes of the file.

    Raises:
        StorageError: the file system refused; the old file is untouched.
    """
    path = Path(path)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{random_suffix()}"
    size = 0
    try:
        disk.mkdir(temporary)
        draft = temporary / "tmpfile.tmp"
        fd = disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

        def put(data: bytes) -> None:
            nonlocal size
            disk.pwrite(fd, data, size)
            size += len(data)

        try:
            produce(put)
            disk.sync(fd)
        finally:
            os.close(fd)
        disk.rename(draft, path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise StorageError(error.errno, f"cannot replace {path}: {error.strerror}") from error
    finally:
        disk.remove_tree(temporary)


def create_file(path: PathLike, size: int) -> None:
    """Create a file of ``size`` zero bytes (a hole) under a temporary name and rename it into place."""
    path = Path(path)
    draft = path.with_suffix(".tmp")
    try:
        fd = disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            disk.truncate(fd, size)
        finally:
            os.close(fd)
        disk.rename(draft, path)
    except OSError as error:
        raise StorageError(error.errno, f"cannot create {path}: {error.strerror}") from error


def sync_tree(path: PathLike) -> None:
    """Make every file and name below a directory durable."""
    for directory, _, names in os.walk(path):
        for name in names:
            fd = disk.open(os.path.join(directory, name), os.O_RDONLY)
            try:
                disk.sync(fd)
            finally:
                os.close(fd)
        disk.sync_directory(directory)


def read_into(fd: int, target: memoryview, offset: int) -> int:
    """Read a part of a file into memory.

    Args:
        fd: the open file.
        target: the memory, of bytes.
        offset: where the part starts.

    Returns:
        Bytes read: fewer than there is room for at the end of the file, and whenever the system wants it so.
    """
    if hasattr(os, "preadv"):
        return os.preadv(fd, [target], offset)
    data = os.pread(fd, len(target), offset)  # Python built for macOS before 11
    target[: len(data)] = data
    return len(data)


def is_on_device(fd: int) -> bool:
    """Whether a file lies on a device; one in memory or on another machine does not, nor do some kinds on disks."""
    return os.major(os.fstat(fd).st_dev) != 0


def parse_json(data: bytes) -> Any:
    """A JSON value from a file; whatever is wrong with it is a ``ValueError``.

    Raises:
        ValueError: it is no JSON, or nested more deeply than the interpreter can follow.
    """
    import msgspec  # not needed to import the package

    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def read_file(path: PathLike, limit_bytes: int = 1 << 30) -> bytes:
    """The content of a file that must exist and be no larger than ``limit_bytes``.

    Raises:
        CorruptedError: the file is missing, unreadable or too large to be what it should be.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size <= limit_bytes else None
    except FileNotFoundError as error:
        raise CorruptedError(path, "the file is missing") from error
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
    if data is None:
        raise CorruptedError(path, f"{size} bytes, more than the {limit_bytes} this file can have")
    return data
