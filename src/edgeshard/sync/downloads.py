"""Where archives are put while they arrive."""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeshard import StorageError


@contextmanager
def download_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """A new directory for downloads; gone at the end, or with the next one if the process was killed.

    Args:
        parent: where to make it.
        prefix: what its name begins with, and no other name in ``parent``.

    Raises:
        StorageError: it cannot be made, or the disk refuses what is put into it.
    """
    directory = parent / f"{prefix}{secrets.token_hex(8)}"
    try:
        try:
            _remove_stale(parent, prefix)
            directory.mkdir(mode=0o700)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageError(error.errno, f"cannot download to {parent}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells it from one that a killed process left
            yield directory
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(error.errno, f"cannot write the download to {parent}: {error.strerror}") from error
        finally:
            os.close(fd)
    finally:
        try:
            _remove(directory)
        except BaseException:  # Ctrl-C in the middle of it
            _remove(directory)
            raise


@contextmanager
def parents_of(path: Path) -> Iterator[Path]:
    """The directory a path lies in, made with its parents if missing; those that were made go if the block fails.

    Raises:
        StorageError: it cannot be made.
    """
    missing = [directory for directory in path.parents if not directory.exists()]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(error.errno, f"cannot create {path.parent}: {error.strerror}") from error
        yield path.parent
    except BaseException:
        for directory in missing:
            with suppress(OSError):  # somebody else uses it, or it was never made
                directory.rmdir()
        raise


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def _remove_stale(parent: Path, prefix: str) -> None:
    for entry in parent.glob(f"{glob.escape(prefix)}*"):
        try:
            fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(entry)
        except BlockingIOError:
            continue  # another process is downloading
        finally:
            os.close(fd)
