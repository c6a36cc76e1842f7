"""The directory of a shard that is being created: locked before anything is looked at, as it was if creating fails."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshard.errors import LockedError, StorageError
from edgeshard.shard.directories import SEGMENTS
from edgeshard.storage import files
from edgeshard.storage.lock import ShardLock


@contextmanager
def new_directory(path: Path) -> Iterator[ShardLock]:
    """A directory without segments to make a shard in, and the lock on it, which is kept if all goes well.

    After an error what was made in it meanwhile is removed, before another program can lock it; so is the directory
    itself, unless somebody else uses it by then.

    Raises:
        StorageError: there is a shard already, or the directory cannot be made.
        LockedError: somebody else is creating one, or has it open.
    """
    made = _make_directories(path)
    try:
        lock = ShardLock(path)
        try:
            before = _listed(path)
            try:
                yield lock
                for directory in made:
                    files.disk.sync_directory(directory.parent)
            except BaseException:
                _remove_new(path, before)
                raise
        except BaseException:
            lock.release()
            raise
    except LockedError:
        raise
    except BaseException:
        _remove_empty(reversed(made))
        raise


def _make_directories(path: Path) -> list[Path]:
    """Make a directory and its parents; those that were made."""
    made = [directory for directory in reversed([path, *path.parents]) if not directory.exists()]
    try:
        files.disk.mkdir(path)
    except OSError as error:
        raise StorageError(
            error.errno, f"failed to create directory {path}: {error.strerror} (os error {error.errno})"
        ) from error
    return made


def _listed(path: Path) -> set[str]:
    """What a directory holds, in which there must be no segments."""
    segments = path / SEGMENTS
    try:
        if segments.is_dir() and any(not name.startswith(".") for name in os.listdir(segments)):
            raise StorageError(
                f"cannot create edge shard: path already contains segment data: {path}. Use EdgeShard.load"
            )
        return set(os.listdir(path))
    except FileNotFoundError as error:  # a creation that failed removed it before it gave up the lock
        raise StorageError(error.errno, f"cannot create edge shard: {path} was removed meanwhile") from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot create edge shard: {error.strerror} ({error.filename})") from error


def _remove_new(path: Path, before: set[str]) -> None:
    """Remove what a failed creation put into the directory."""
    try:
        for name in set(os.listdir(path)) - before:
            entry = path / name
            if entry.is_dir():
                files.disk.remove_tree(entry)
            else:
                files.disk.unlink(entry)
    except OSError as error:
        warnings.warn(f"could not remove what creating {path} left behind: {error}", RuntimeWarning, stacklevel=2)


def _remove_empty(directories: Iterable[Path]) -> None:
    try:
        for directory in directories:
            directory.rmdir()
    except OSError:
        return  # somebody else uses it already, or has removed it
