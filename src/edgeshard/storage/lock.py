"""The lock of a shard directory: one writer at a time, of this engine or of Qdrant Edge.

Qdrant Edge takes ``flock(LOCK_EX | LOCK_NB)`` on the ``wal`` directory itself and nothing else, so a shard
without a write-ahead log has no lock there. This engine takes the same lock, and before it one on the shard
directory, which covers shards without a log and the moments in which ``wal`` does not exist yet.

A small file ``.edgeshard-lock`` in the shard directory names the holder for the error message of the next
one. It is a courtesy: the lock is the kernel's and ends with the process, whatever the file says.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType

import msgspec

from edgeshard.errors import LockedError, StorageError
from edgeshard.storage import files

HOLDER_FILE = ".edgeshard-lock"
_RETRY_SECONDS = 0.01

_held: weakref.WeakSet[ShardLock]


class ShardLock:
    """An exclusive lock on a shard directory, held until :meth:`release`.

    Args:
        shard: the shard directory, which must exist.
        wait: seconds to wait for another holder; 0 fails at once.

    Raises:
        LockedError: another handle, of this or another process, holds the shard.
        StorageError: a directory cannot be opened.
    """

    __slots__ = ("__weakref__", "_fds", "shard")

    def __init__(self, shard: str | os.PathLike[str], *, wait: float = 0.0) -> None:
        self.shard = Path(shard)
        self._fds: list[int] = []
        deadline = time.monotonic() + wait
        self._take(self.shard, deadline)
        try:
            self.include_wal(deadline=deadline)
        except StorageError:
            self._close()
            raise
        self._write_holder()
        _held.add(self)

    @property
    def held(self) -> bool:
        """Whether this object still holds the lock."""
        return bool(self._fds)

    @property
    def in_place(self) -> bool:
        """Whether the shard's path still names the directory that is locked: nobody moved, removed or replaced it.

        Raises:
            StorageError: the path cannot be looked at.
        """
        try:
            return bool(self._fds) and os.path.samestat(os.fstat(self._fds[0]), os.stat(self.shard))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StorageError(error.errno, f"cannot look at {self.shard}: {error.strerror}") from error

    def include_wal(self, *, deadline: float = 0.0) -> None:
        """Also lock ``wal`` if it exists; call it again right after creating that directory."""
        wal = self.shard / "wal"
        if len(self._fds) < 2 and wal.is_dir():
            self._take(wal, deadline)

    def move_to_wal(self, wal: Path) -> None:
        """Lock ``wal`` instead of the directory that is or was the log: the two change places.

        Raises:
            LockedError: another handle holds it; the lock is as it was.
        """
        before = self._fds[1:]
        if before and wal.is_dir() and os.path.samestat(os.fstat(before[0]), os.stat(wal)):
            return
        del self._fds[1:]
        try:
            if wal.is_dir():
                self._take(wal, 0.0)
        except StorageError:
            self._fds += before
            raise
        for fd in before:
            os.close(fd)

    def _take(self, directory: Path, deadline: float) -> None:
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageError(error.errno, f"cannot open {directory}: {error.strerror}") from error
        try:
            self._flock(fd, directory, deadline)
        except StorageError:
            os.close(fd)
            raise
        self._fds.append(fd)

    def _flock(self, fd: int, directory: Path, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise LockedError(self._complaint(directory)) from error
                time.sleep(_RETRY_SECONDS)
            except OSError as error:
                raise StorageError(error.errno, f"cannot lock {directory}: {error.strerror}") from error

    def _complaint(self, directory: Path) -> str:
        holder = describe_holder(self.shard, directory)
        return (
            f"failed to open WAL {self.shard / 'wal'}: Can't init WAL: Kind(WouldBlock): "
            f"the shard is held by {holder}; close it there, or pass wait= to wait for it"
        )

    def _write_holder(self) -> None:
        note = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        try:
            (self.shard / HOLDER_FILE).write_bytes(msgspec.json.encode(note))
        except OSError:
            return  # the name of the holder is a courtesy; the lock itself is held

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        if not self._fds:
            return
        try:
            if self.in_place:
                (self.shard / HOLDER_FILE).unlink(missing_ok=True)
        except OSError:
            pass  # a stale note is recognised by its pid
        finally:
            self._close()

    def _close(self) -> None:
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)

    def __enter__(self) -> ShardLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if getattr(self, "_fds", None):
            self.release()


def describe_holder(shard: Path, directory: Path) -> str:
    """Who holds the lock, as far as it can be known: process, host, since when."""
    pids = flock_holders(directory)
    note = _read_holder(shard)
    if note and (not pids or note.get("pid") in pids):
        return f"process {note.get('pid')} on host {note.get('host')} since {note.get('since')}"
    if pids:
        return " and ".join(f"process {pid}{_program(pid)}" for pid in sorted(pids))
    return "another process"


def flock_holders(directory: Path) -> set[int]:
    """Process ids of the ``flock`` holders of a directory, from ``/proc/locks``; empty where there is
    none."""
    try:
        inode = os.stat(directory)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    wanted = f"{os.major(inode.st_dev):02x}:{os.minor(inode.st_dev):02x}:{inode.st_ino}"
    fields = [line.split() for line in lines]
    return {int(f[4]) for f in fields if len(f) > 5 and f[1] == "FLOCK" and f[5] == wanted and f[4].isdigit()}


def _read_holder(shard: Path) -> dict[str, object] | None:
    try:
        with open(shard / HOLDER_FILE, "rb") as file:
            note = files.parse_json(file.read(4096))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _program(pid: int) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return ""


def _close_in_child() -> None:
    """A forked child shares the parent's lock; were its copies left open, the lock would outlive the parent's
    handle."""
    for lock in list(_held):
        lock._close()


_held = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
