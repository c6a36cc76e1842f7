"""A shard becomes an archive while it stays in use.

1. Under the write lock: a checkpoint, so that the files say what memory says.
2. Under the read lock, which holds off updates and flushes but no queries: the archive is laid out, and everything
   that may change is copied: small files, and those of appendable segments.
3. Without a lock: large files that never change are copied from descriptors opened before. Merging may remove their
   segments meanwhile; the descriptors keep the content.

The archive appears under its name when it is complete and durable.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Literal

import msgspec

from edgeshard._native import CallLock
from edgeshard.errors import ClosedError, StorageError, ValidationError
from edgeshard.segment.segment import Segment
from edgeshard.shard.snapshot.digest import BackgroundDigest, Stretch
from edgeshard.shard.snapshot.direct import DirectWriter
from edgeshard.shard.snapshot.layout import CLOCKS, LAST_ENTRY, MARKERS, SEGMENT_MANIFEST, SEGMENTS, WAL
from edgeshard.shard.snapshot.manifest import (
    Manifest,
    changed_files,
    check_manifest,
    is_immutable,
    shard_manifest,
)
from edgeshard.shard.snapshot.tar_writer import Content, TarWriter, data_stretches
from edgeshard.shard.store import Store
from edgeshard.shard.threads import started
from edgeshard.shard.undisturbed import pause
from edgeshard.storage import files

LARGE_BYTES = 1 << 20
"""Files from this size on are copied without the lock if they never change."""
MAX_OPEN_FILES = 200
WAL_BYTES = 4096
WAL_SEED = b"edge"
REPLICA_STATE = b'{"is_local":true,"this_peer_id":1,"peers":{"1":"Active"}}'
SHARD_CONFIG = b'{"type":"ReplicaSet"}'
ORDER = ("vector_index", "vector_storage", "payload_index", "payload_storage")


class SnapshotInfo:
    """An archive that was written.

    Attributes:
        path: where it is.
        size_bytes: its size.
        manifest: versions of all files of the shard at that moment; the ``base_manifest`` of the next partial archive.
        files: how many data files it holds.
        partial: whether it was made against a base manifest.
    """

    __slots__ = ("_digest", "files", "manifest", "partial", "path", "size_bytes")

    def __init__(
        self, path: Path, size_bytes: int, digest: Callable[[], str], manifest: Manifest, files: int, partial: bool
    ) -> None:
        self.path: Path = path
        self.size_bytes: int = size_bytes
        self._digest: Callable[[], str] | str = digest
        self.manifest: Manifest = manifest
        self.files: int = files
        self.partial: bool = partial

    @property
    def sha256(self) -> str:
        """The archive's digest in hex, to be passed as ``checksum`` when it is read.

        It is computed in the background; asking for it right after the archive was made may wait a moment.
        """
        if not isinstance(self._digest, str):
            self._digest = self._digest()
        return self._digest

    def __repr__(self) -> str:
        kind = "partial" if self.partial else "full"
        return f"<SnapshotInfo {os.fspath(self.path)!r} ({kind}, {self.size_bytes} bytes)>"


def create_snapshot(
    store: Store,
    lock: CallLock,
    path: Path,
    *,
    format: Literal["streamable", "regular"],
    base_manifest: Manifest | None,
) -> SnapshotInfo:
    """Write an archive of an open shard; see :meth:`EdgeShard.create_snapshot`."""
    if format not in ("streamable", "regular"):
        raise ValidationError(f'format must be "streamable" or "regular", not {format!r}')
    base = None if base_manifest is None else check_manifest(base_manifest)
    try:
        with _draft(path) as (fd, draft), ExitStack() as opened:
            packing = _Packing(fd, opened, base)
            with _standing_still(store, lock):
                packing.shard(store, format)
            packing.copy_rest(draft)
            digest = BackgroundDigest(packing.stretches())
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot write snapshot {path}: {error.strerror}") from error
    return SnapshotInfo(path, packing.size_bytes, digest, packing.manifest, packing.file_count, base is not None)


@contextmanager
def _standing_still(store: Store, lock: CallLock) -> Iterator[None]:
    """The files of the shard say what its memory says and do not change; queries go on."""
    with lock.writing(waiting=pause):
        if store.closed:
            raise ClosedError("Service runtime error: Shard is not initialized: it was closed")
        store.mend()
        store.flush(checkpoint=True)
        lock.downgrade()
        yield


@contextmanager
def _draft(path: Path) -> Iterator[tuple[int, Path]]:
    """A file that gets its name when the block ends without an error; drafts of killed processes are removed.

    Yields:
        Its descriptor, and what it is called so far.
    """
    prefix = f".{path.name}.part-"
    for stale in path.parent.glob(f"{glob.escape(prefix)}*"):
        _remove_unlocked(stale)
    draft = path.parent / f"{prefix}{files.random_suffix(4)}"
    fd = files.disk.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd, draft
        if path.is_dir():
            raise StorageError(errno.EISDIR, f"cannot write snapshot {path}: it is a directory")
        files.disk.rename(draft, path)
        files.disk.sync_directory(path.parent)
    finally:
        os.close(fd)
        files.disk.unlink(draft)


def _remove_unlocked(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # another process was faster
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.disk.unlink(path)
    except BlockingIOError:
        return  # another process is writing it
    finally:
        os.close(fd)


class _Follower:
    """A thread that works on a file while it is written from its start to its end.

    Args:
        work: called with the bounds of each stretch, once that is written.
    """

    __slots__ = ("_failures", "_queue", "_thread", "_work")

    def __init__(self, work: Callable[[int, int], None]) -> None:
        self._work = work
        self._failures: list[BaseException] = []
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="edgeshard-snapshot", daemon=True)
        started(self._thread.start, "follows the writing of a snapshot")

    def reached(self, position: int | None) -> None:
        """Everything before this position is written; None: that is all there is."""
        self._queue.put(position)

    def wait(self) -> None:
        """Wait for the end of the work.

        Raises:
            OSError: it failed.
        """
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    def _run(self) -> None:
        done = 0
        while (position := self._queue.get()) is not None:
            if position > done and not self._failures:
                try:
                    self._work(done, position)
                except BaseException as error:
                    self._failures.append(error)
                done = position


class _Packing:
    """One archive in the making.

    Args:
        fd: the file.
        opened: closes descriptors when the archive is done.
        base: manifest of what the receiver has; None for a full archive.

    Attributes:
        manifest: of the shard.
        file_count: data files in the archive.
    """

    __slots__ = ("_base", "_fd", "_opened", "_rest", "_writer", "file_count", "manifest")

    def __init__(self, fd: int, opened: ExitStack, base: Manifest | None) -> None:
        self._fd = fd
        self._writer = TarWriter(fd)
        self._opened = opened
        self._base = base
        self._rest: list[tuple[int, Content, int]] = []
        self.manifest: Manifest = {}
        self.file_count = 0

    def shard(self, store: Store, format: str) -> None:
        """Lay out everything and copy what may change."""
        self.manifest = shard_manifest(store.segments)
        for segment in sorted(store.segments, key=lambda segment: segment.name):
            self._segment(segment, format)
        for name in CLOCKS:
            if (store.path / name).is_file():
                self._put(name, store.path / name)
        self._writer.reserve(Content(f"{WAL}/", 0))
        self._put(f"{WAL}/closed-{store.next_op}", (b"wal\0" + WAL_SEED).ljust(WAL_BYTES, b"\0"))
        self._put("replica_state.json", REPLICA_STATE)
        self._put(LAST_ENTRY, SHARD_CONFIG)
        self._writer.end()

    @property
    def size_bytes(self) -> int:
        """Of the archive, once it is laid out."""
        return self._writer.position

    def stretches(self) -> Iterator[Stretch]:
        """Where the bytes of the archive are in the page cache: in it, and in the files :meth:`copy_rest` copies."""
        position = 0
        for place, content, fd in self._rest:
            yield self._fd, position, place - position
            for offset, length in content.stretches if content.stretches is not None else [(0, content.size)]:
                yield fd, offset, length
            position = place + content.stored_bytes
        yield self._fd, position, self.size_bytes - position

    def copy_rest(self, draft: Path) -> None:
        """Copy the files that never change, in the order of the archive, and make the archive durable.

        Args:
            draft: what the archive is called.
        """
        direct = DirectWriter(draft, self.size_bytes)
        syncing = _Follower(lambda start, stop: files.disk.sync(self._fd))
        try:
            for place, content, fd in self._rest:
                syncing.reached(place)
                self._writer.fill_from(place, content, fd, direct=direct, reached=syncing.reached)
            syncing.reached(self.size_bytes)
        finally:
            direct.close()
            syncing.reached(None)
            syncing.wait()

    def _segment(self, segment: Segment, format: str) -> None:
        manifest = self.manifest[segment.name]
        appendable = segment.config.appendable
        names = list(manifest["file_versions"])
        sources: list[tuple[str, bytes | Path]] = []
        if self._base is not None:
            names = changed_files(self._base.get(segment.name), manifest, appendable=appendable)
            sources.append((SEGMENT_MANIFEST, msgspec.json.encode(manifest)))
        self.file_count += len(names)
        ordered = [*sorted(names, key=_rank), *MARKERS]
        sources += [(name, segment.path / name) for name in ordered]
        if format == "streamable":
            for name, source in sources:
                changes = not is_immutable(name, appendable=appendable)
                self._put(f"{SEGMENTS}/{segment.name}/files/{name}", source, changes=changes)
            return
        described = [(self._describe(f"snapshot/files/{name}", source), name) for name, source in sources]
        places = self._writer.reserve_archive(
            f"{SEGMENTS}/{segment.name}.tar", [content for (content, _), _ in described]
        )
        for ((content, data), name), place in zip(described, places, strict=True):
            self._fill(place, content, data, changes=not is_immutable(name, appendable=appendable))

    def _put(self, name: str, source: bytes | Path, *, changes: bool = True) -> None:
        content, data = self._describe(name, source)
        self._fill(self._writer.reserve(content), content, data, changes=changes)

    def _describe(self, name: str, source: bytes | Path) -> tuple[Content, bytes | Path]:
        """Size and holes of an entry."""
        if isinstance(source, bytes):
            return Content(name, len(source)), source
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            return Content(name, size, data_stretches(fd, size)), source
        finally:
            os.close(fd)

    def _fill(self, place: int, content: Content, source: bytes | Path, *, changes: bool) -> None:
        """Copy now, or keep the file open to copy it later."""
        if isinstance(source, bytes):
            self._writer.fill(place, source)
            return
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        later = not changes and content.size >= LARGE_BYTES and len(self._rest) < MAX_OPEN_FILES
        if later:
            self._opened.callback(os.close, fd)
            self._rest.append((place, content, fd))
            return
        try:
            self._writer.fill_from(place, content, fd)
        finally:
            os.close(fd)


def _rank(name: str) -> tuple[int, str]:
    """The order in which a server packs the files of a segment."""
    kinds = [place for place, kind in enumerate(ORDER) if name.startswith(kind)]
    return (kinds[0] if kinds else len(ORDER), name)
