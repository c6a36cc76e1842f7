"""The temporary directories in which readers keep their copies.

Each is locked as long as its reader has it, so that what a killed process left behind is told from what another one
reads: by its free lock. The next reader that is opened removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path

from edgeshard.errors import StorageError
from edgeshard.shard.undisturbed import undisturbed

PREFIX = "edgeshard-reader-"


class CopyDirectory:
    """A new empty directory, removed with this object.

    Attributes:
        root: inside of it, for the copy: a shard, which is locked by itself when it is opened.

    Raises:
        StorageError: there is no temporary directory, or no room in it.
    """

    __slots__ = ("__weakref__", "_remove", "root")

    def __init__(self) -> None:
        try:
            fd = None
            while fd is None:
                path = Path(tempfile.mkdtemp(prefix=PREFIX))
                fd = _lock(path)  # another process that takes it for stale before it is locked removes it
            self._remove = weakref.finalize(self, _remove, path, fd, os.getpid())
            self.root = path / "shard"
            self.root.mkdir()
        except OSError as error:
            text = f"a reader needs a temporary directory (TMPDIR) for its copy: {error.strerror}"
            raise StorageError(error.errno, text) from error

    def remove(self) -> None:
        """Remove it, except in a forked child: it is the parent's."""
        self._remove()


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a directory; None if somebody else does, or it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _remove(path: Path, fd: int, pid: int) -> None:
    if os.getpid() == pid:
        try:
            undisturbed(partial(shutil.rmtree, path, ignore_errors=True))
        finally:
            os.close(fd)


def remove_stale() -> None:
    """Remove what readers of this user have left behind that were killed."""
    try:
        found = [entry for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith(PREFIX)]
    except OSError:
        return  # making a directory there will tell
    for entry in found:
        try:
            mine = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            fd = _lock(Path(entry.path)) if mine and entry.is_dir(follow_symlinks=False) else None
        except OSError:
            continue  # it is somebody else's, or gone
        if fd is not None:
            _remove(Path(entry.path), fd, os.getpid())
