"""An archive becomes a directory.

The content is written into a new directory beside the target under a hidden name, and renamed. The rest of the way to
the disk it goes in the background, under the protection of a marker (:mod:`.settle`), unless it is to be durable at
once. A target that exists gets the entries one by one, durable, after all of them were checked for clashes. What a
killed process left behind is recognised by its free lock and removed by the next call with the same target.
"""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edgeshard.errors import EdgeShardError, SnapshotError, StorageError
from edgeshard.shard.snapshot import settle
from edgeshard.shard.snapshot.complete import check_segment
from edgeshard.shard.snapshot.digest import digest_of
from edgeshard.shard.snapshot.extract import extract, sync_all
from edgeshard.shard.snapshot.layout import SEGMENTS, Archive, open_archive
from edgeshard.shard.snapshot.limits import SnapshotLimits, refusal
from edgeshard.shard.snapshot.merge import manifests_of
from edgeshard.shard.snapshot.state import FILE as STATE_FILE
from edgeshard.shard.snapshot.state import state_of
from edgeshard.shard.threads import started
from edgeshard.shard.undisturbed import joined
from edgeshard.storage import files
from edgeshard.storage.lock import ShardLock


def unpack_snapshot(
    snapshot_path: str | os.PathLike[str],
    target_path: str | os.PathLike[str],
    *,
    checksum: str | None = None,
    limits: SnapshotLimits | None = None,
    mirror: bool = False,
    durable: bool = False,
) -> None:
    """Turn an archive into a shard directory; nothing is left behind if it is refused.

    Args:
        snapshot_path: the archive.
        target_path: where to; made with its parents if missing. If it holds something already, names must not clash.
        checksum: SHA-256 the archive must have, in hex.
        limits: what the archive may ask for.
        mirror: note the state, so that local writes are noticed when the next snapshot is applied.
        durable: return when the disk has it all, not when the processes of this machine do.

    Raises:
        SnapshotError: the archive is refused; the message names the entry and the rule.
        LockedError: the target holds a shard that somebody has open.
        StorageError: the disk refused.
    """
    target = Path(target_path)
    with opened(snapshot_path, checksum, limits) as archive:
        if target.is_symlink():
            target = target.resolve()
        missing = [directory for directory in target.parents if not directory.exists()]
        try:
            _make_parents(target, missing)
            filling = _Filling(archive, mirror, checked=(limits or SnapshotLimits()).require_segments)
            if target.exists():
                _unpack_into(filling, target)
            else:
                _unpack_beside(filling, target, durable or not settle.can_settle_later(target.parent))
        except BaseException as error:
            _remove_empty(missing)
            if isinstance(error, OSError) and not isinstance(error, EdgeShardError):
                raise StorageError(error.errno, f"cannot unpack into {target}: {error.strerror}") from error
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


class _Filling:
    """The content of an archive on its way into a directory.

    Args:
        archive: the content.
        mirror: note the state of the shard.
        checked: refuse segments that are not complete.

    Raises:
        SnapshotError: a manifest in the archive is none, or names a file that the archive leaves out.
    """

    __slots__ = ("_checked", "_mirror", "archive")

    def __init__(self, archive: Archive, mirror: bool, *, checked: bool) -> None:
        self.archive = archive
        self._mirror = mirror
        self._checked = checked
        for segment, manifest in manifests_of(archive).items() if checked else ():
            for name in manifest["file_versions"].keys() - archive.files_of(segment).keys():
                raise refusal(
                    f"{SEGMENTS}/{segment}/{name}",
                    "in the manifest but not in the archive, which is partial: update_from_snapshot() applies it to a "
                    "shard that has the rest",
                )

    def fill(self, draft: Path, *, durable: bool) -> None:
        """Write everything below a directory and check it.

        Raises:
            SnapshotError: a segment is not complete or cannot be opened.
            StorageError: the disk refused.
        """
        extract(self.archive, draft, syncing=durable)
        if self._mirror:
            state = state_of(self.archive, draft / SEGMENTS)
            fd = files.disk.open(draft / STATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                files.disk.pwrite(fd, state.to_json(), 0)
            finally:
                os.close(fd)
        with ThreadPoolExecutor(1) as pool:
            sync = partial(pool.submit, joined(sync_all), draft)
            syncing = started(sync, "syncs a snapshot") if durable else None
            for segment in self.archive.segments if self._checked else ():
                check_segment(draft / SEGMENTS / segment)
            if syncing is not None:
                syncing.result()


# --- where to ------------------------------------------------------------------------------------------


def _unpack_beside(filling: _Filling, target: Path, durable: bool) -> None:
    """Into a new directory, which becomes durable now or later."""
    prefix = f".{target.name}.unpack-"
    _remove_stale(target.parent, prefix)
    filling.archive.check_space(target.parent)
    with _locked_directory(target.parent, prefix) as draft:
        if not durable:
            settle.mark(draft)
        filling.fill(draft, durable=durable)
        files.disk.rename(draft, target)
        if not durable:
            settle.settle_later(target.absolute())
            return
        try:
            files.disk.sync_directory(target.parent)
        except OSError:
            files.disk.rename(target, draft)
            raise


def _unpack_into(filling: _Filling, target: Path) -> None:
    """Into a directory that exists: top-level entries, and those of ``segments`` and ``wal``, must be new.

    Raises:
        LockedError: it holds a shard that somebody has open.
    """
    if not target.is_dir():
        raise StorageError(f"cannot unpack into {target}: it is not a directory")
    prefix = ".unpack-"
    with ShardLock(target):
        _remove_stale(target, prefix)
        filling.archive.check_space(target)
        with _locked_directory(target, prefix) as draft:
            filling.fill(draft, durable=True)
            _move_into(draft, target)


def _move_into(draft: Path, target: Path) -> None:
    """All that was unpacked, or nothing."""
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
    draft = parent / f"{prefix}{files.random_suffix(4)}"
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
    for entry in parent.glob(f"{glob.escape(prefix)}*"):
        try:
            fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            files.disk.remove_tree(entry)
        except BlockingIOError:
            continue  # another process is at work in it
        finally:
            os.close(fd)


def _remove_empty(directories: Iterable[Path]) -> None:
    try:
        for directory in directories:
            if directory.exists():
                directory.rmdir()
    except OSError:
        return  # somebody else uses it already


def _make_parents(target: Path, missing: Iterable[Path]) -> None:
    try:
        files.disk.mkdir(target.parent)
        for directory in missing:
            files.disk.sync_directory(directory.parent)
    except OSError as error:
        raise StorageError(error.errno, f"cannot create {target.parent}: {error.strerror}") from error
