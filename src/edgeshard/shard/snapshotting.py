"""The snapshots of a shard: the part of :class:`~edgeshard.EdgeShard` that unpacks, applies and creates archives."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from edgeshard.errors import StorageError, ValidationError
from edgeshard.shard.directories import directory_path
from edgeshard.shard.undisturbed import pause, undisturbed

if TYPE_CHECKING:
    from edgeshard._native import CallLock
    from edgeshard.shard.snapshot.create import SnapshotInfo
    from edgeshard.shard.snapshot.limits import SnapshotLimits
    from edgeshard.shard.store import Store
    from edgeshard.storage.files import PathLike


class Snapshotting:
    """Archives to and from a shard, and the manifest partial ones are made for."""

    __slots__ = ()

    if TYPE_CHECKING:  # what EdgeShard brings
        _lock: CallLock
        _optimising: CallLock

        def _reading(self) -> AbstractContextManager[Store]: ...
        def _writing(self) -> AbstractContextManager[Store]: ...
        def _open_store(self) -> Store: ...
        def _check_process(self) -> None: ...

    @staticmethod
    def unpack_snapshot(
        snapshot_path: PathLike,
        target_path: PathLike,
        *,
        checksum: str | None = None,
        limits: SnapshotLimits | None = None,
        mirror: bool = False,
        durable: bool = False,
    ) -> None:
        """Turn a snapshot archive of a server or of this engine into a shard directory, to be opened by :meth:`load`.

        Args:
            snapshot_path: the archive (tar).
            target_path: the directory; made with its parents if missing. What it holds must not clash.
            checksum: SHA-256 the archive must have, in hex.
            limits: what the archive may ask for before it is refused.
            mirror: note the state, so that local writes are noticed when the next snapshot is applied.
            durable: return only when the disk has everything. Otherwise that happens in the background, and a power
                loss before it leaves a shard that :meth:`load` refuses; the first flush waits for it, and so does the
                end of the program.

        Raises:
            SnapshotError: the archive is refused; the message names the entry and the rule. Nothing is left behind.
            LockedError: the target holds a shard that somebody has open.
            StorageError: the disk refused.
        """
        from edgeshard.shard.snapshot.unpack import unpack_snapshot

        source, target = directory_path(snapshot_path), directory_path(target_path)
        undisturbed(
            lambda: unpack_snapshot(source, target, checksum=checksum, limits=limits, mirror=mirror, durable=durable),
            joins=True,
        )

    def snapshot_manifest(self, base: str | None = None) -> dict[str, Any]:
        """Versions of all files of the shard, by segment: what a server needs to make a partial snapshot.

        Args:
            base: None for the shard as it is. ``"synced"`` for what the last :meth:`update_from_snapshot` left, or
                ``{}`` if the shard was changed since, so that everything is sent. Mirrors of a server use this.
        """
        from edgeshard.shard.snapshot.manifest import shard_manifest
        from edgeshard.shard.snapshot.state import synced_manifest

        if base is not None and not (isinstance(base, str) and base == "synced"):
            raise ValidationError(f'base must be None or "synced", not {base!r}')
        with self._reading() as store:
            if base is None:
                return shard_manifest(store.segments)
            return synced_manifest(store.path, store.segments)

    def update_from_snapshot(
        self,
        snapshot_path: PathLike,
        tmp_dir: PathLike | None = None,
        *,
        force: bool = False,
        checksum: str | None = None,
        limits: SnapshotLimits | None = None,
    ) -> None:
        """Replace what the shard holds by a full snapshot, or bring it up to date by a partial one; all or nothing.

        The new state is built and checked beside the old one while the shard is in use, then swapped in. A process
        killed meanwhile leaves one of the two. After an error the shard goes on as it was; if the disk refuses that
        too, every call raises StorageError until it succeeds.

        Args:
            snapshot_path: the archive.
            tmp_dir: accepted for compatibility; it must exist. The archive is unpacked inside the shard's directory.
            force: apply although that loses local writes made since the last apply.
            checksum: SHA-256 the archive must have, in hex.
            limits: what the archive may ask for before it is refused.

        Raises:
            DivergedError: there are local writes since the last apply.
            BaseMismatchError: the archive is partial and was made for another state of the shard.
            SnapshotError: the archive is refused; the message names the entry and the rule.
            StorageError: the disk refused.
        """
        from edgeshard.shard.snapshot.apply import apply, unpacked

        if tmp_dir is not None and not os.path.isdir(tmp_dir):
            raise StorageError(errno.ENOENT, f"IO Error: No such file or directory: tmp_dir {os.fspath(tmp_dir)}")
        self._check_process()
        archive = directory_path(snapshot_path)
        root = self._open_store().path
        self._check_outside()

        def work() -> None:
            with (
                unpacked(root, archive, checksum=checksum, limits=limits) as incoming,
                self._optimising.writing(waiting=pause),
                self._writing() as store,
            ):
                apply(store, incoming, force=force)

        undisturbed(work, joins=True)

    def create_snapshot(
        self,
        path: PathLike,
        *,
        format: Literal["streamable", "regular"] = "streamable",
        base_manifest: dict[str, Any] | None = None,
    ) -> SnapshotInfo:
        """An archive of the shard that this engine, Qdrant Edge and a Qdrant server take; queries go on meanwhile.

        Updates wait while the files that may change are copied: those of appendable segments, and small ones.

        Args:
            path: the archive; it appears when it is complete and durable, and replaces a file of that name.
            format: ``"streamable"`` as servers stream them, ``"regular"`` as they store them.
            base_manifest: what the receiver has (its :meth:`snapshot_manifest`): only files that differ are packed.

        Raises:
            ValidationError: ``base_manifest`` is no manifest.
            StorageError: the disk refused; there is no archive.
        """
        from edgeshard.shard.snapshot.create import create_snapshot

        self._check_process()
        target = directory_path(path)
        store = self._open_store()
        self._check_outside()
        return undisturbed(
            lambda: create_snapshot(store, self._lock, target, format=format, base_manifest=base_manifest), joins=True
        )

    def _check_outside(self) -> None:
        """Refuse to wait for another thread that would wait for this one: a signal handler inside of a call."""
        self._lock.check_outside()
        self._optimising.check_outside()
