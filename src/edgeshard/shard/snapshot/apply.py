"""An archive becomes the new state of an open shard.

1. Without the lock: the archive is read and checked, its content written beside the shard and made durable. Segments
   that are whole in it are opened by our readers meanwhile.
2. Under the write lock: the shard is checkpointed; local writes are looked for; kept files are linked to the new
   state; its other segments are opened; the two states are swapped (:mod:`.swap`); the shard is opened.

Whatever fails, the shard goes on with what it had: at once or, if the disk refuses even that, at the first call for
which it does not. The unpacked content always goes into the shard's own directory, as it must be on its file system to
be renamed into place.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edgeshard.errors import DivergedError, EdgeShardError, SnapshotError, StorageError, ValidationError
from edgeshard.index import kept_codes
from edgeshard.segment.config import SegmentConfig
from edgeshard.shard import config as configs
from edgeshard.shard.snapshot import swap
from edgeshard.shard.snapshot.complete import check_segment
from edgeshard.shard.snapshot.extract import extract, sync_all
from edgeshard.shard.snapshot.layout import CLOCKS, SEGMENTS, WAL, Archive
from edgeshard.shard.snapshot.limits import SnapshotLimits
from edgeshard.shard.snapshot.manifest import Manifest, shard_manifest
from edgeshard.shard.snapshot.merge import kept_files, link_kept, manifests_of
from edgeshard.shard.snapshot.state import FILE as STATE_FILE
from edgeshard.shard.snapshot.state import read_state, state_of
from edgeshard.shard.snapshot.take_back import take_back
from edgeshard.shard.snapshot.unpack import opened
from edgeshard.shard.store import Store
from edgeshard.shard.threads import started
from edgeshard.shard.undisturbed import joined
from edgeshard.storage import files, generation
from edgeshard.storage.wal import Wal

NAMES = (SEGMENTS, WAL, *CLOCKS, STATE_FILE)
"""Entries of a shard's root that an apply replaces; ``edge_config.json`` stays."""
VECTORS = "vector_storage"
"""What the directories of vectors in a segment begin with."""


class Incoming:
    """An archive unpacked beside the shard.

    Args:
        archive: its content.
        manifests: of a partial archive, empty for a full one.
        stage: the directory it was unpacked in.
    """

    __slots__ = ("_checked", "archive", "manifests", "stage")

    def __init__(self, archive: Archive, manifests: Manifest, stage: Path) -> None:
        self.archive = archive
        self.manifests = manifests
        self.stage = stage
        self._checked: dict[str, SegmentConfig] = {}

    @property
    def segments(self) -> Path:
        """Where the segments of the new state are."""
        return self.stage / swap.NEW / SEGMENTS

    def check_whole_segments(self) -> None:
        """Open the segments that need nothing of the shard.

        Raises:
            SnapshotError: one is not complete, or does not open.
        """
        if not self.manifests:
            self._checked = {name: check_segment(self.segments / name) for name in self.archive.segments}

    def check_segments(self) -> list[SegmentConfig]:
        """The configurations of all segments; opens those that were not opened so far.

        Raises:
            SnapshotError: one is not complete, or does not open.
        """
        names = self.archive.segments
        return [self._checked.get(name) or check_segment(self.segments / name) for name in names]


@contextmanager
def unpacked(
    root: Path,
    snapshot_path: str | os.PathLike[str],
    *,
    checksum: str | None,
    limits: SnapshotLimits | None,
) -> Iterator[Incoming]:
    """An archive unpacked beside the shard in ``root``; removed at the end unless it was applied.

    Raises:
        SnapshotError: it is refused.
        StorageError: the disk refused.
    """
    with opened(snapshot_path, checksum, limits) as archive:
        manifests = manifests_of(archive)
        archive.keep_only((SEGMENTS, WAL, *CLOCKS))
        archive.check_space(root)
        stage = swap.new_stage(root)
        try:
            incoming = Incoming(archive, manifests, stage)
            extract(archive, stage / swap.NEW, syncing=True)
            with ThreadPoolExecutor(1) as pool:
                syncing = started(partial(pool.submit, joined(sync_all), stage / swap.NEW), "syncs a snapshot")
                incoming.check_whole_segments()
                syncing.result()
            yield incoming
        finally:
            if not swap.needs(root, stage):
                _remove(stage)


def _remove(stage: Path) -> None:
    try:
        files.disk.remove_tree(stage)
    except OSError as error:
        text = f"cannot remove {stage}, which the next load will try again: {error.strerror}"
        raise StorageError(error.errno, text) from error


def apply(store: Store, incoming: Incoming, *, force: bool) -> None:
    """Replace the state of an open shard; the caller holds its write lock and keeps optimisation out.

    Raises:
        DivergedError: there were local writes since the last apply, and ``force`` is not set.
        SnapshotError: the result would not be a complete, compatible shard.
        StorageError: the disk refused.
    """
    try:
        _apply(store, incoming, force=force)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot apply the snapshot: {error.strerror} ({error.filename})") from error


def _apply(store: Store, incoming: Incoming, *, force: bool) -> None:
    store.flush(checkpoint=True)
    state = read_state(store.path)
    changed = [] if state is None else state.diverged(store.segments)
    if changed and not force:
        raise DivergedError(
            f"the shard was changed since the last snapshot was applied (segments {', '.join(changed)}): "
            "applying this one would lose that. Pass force=True to lose it, with an archive made for "
            'snapshot_manifest(base="synced")'
        )
    if incoming.manifests:
        local = shard_manifest(store.segments) if state is None else state.known_versions(store.segments)
        kept = kept_files(incoming.archive, incoming.manifests, local, changed)
        for directory in link_kept(kept, store.path / SEGMENTS, incoming.segments):
            files.disk.sync_directory(directory)
    _check_new_state(store, incoming)
    _write_state(incoming)
    _drop_codes(store.path, incoming.archive)
    names = [name for name in NAMES if not incoming.manifests or name not in CLOCKS or name in incoming.archive.files]
    _swap(store, incoming.stage, names)


def _check_new_state(store: Store, incoming: Incoming) -> None:
    """Open everything the new state holds, as a load would."""
    segments = incoming.check_segments()
    try:
        configs.merge_config(None, configs.read_config(store.path) or store.config, segments)
    except ValidationError as error:
        raise SnapshotError(f"the snapshot holds other vectors than the shard: {error}") from error
    wal = incoming.stage / swap.NEW / WAL
    if store.wal is None:
        files.disk.remove_tree(wal)
    elif wal.is_dir():
        try:
            Wal.open(wal, read_only=True).close()
        except EdgeShardError as error:
            raise SnapshotError(f"the log of the snapshot cannot be opened: {error}") from error


def _write_state(incoming: Incoming) -> None:
    state = state_of(incoming.archive, incoming.segments)
    files.replace_file(incoming.stage / swap.NEW / STATE_FILE, state.to_json())


def _drop_codes(root: Path, archive: Archive) -> None:
    """Remove the codes kept of vectors that the archive replaces, before it does: what is made anew is never stale."""
    replaced = [name for name in archive.segments if any(file.startswith(VECTORS) for file in archive.files_of(name))]
    for name in replaced:
        kept_codes.remove(root, name)
    if replaced and (root / kept_codes.NAME).is_dir():
        files.disk.sync_directory(root / kept_codes.NAME)


def _swap(store: Store, stage: Path, names: Sequence[str]) -> None:
    """Rename the new state into place and open it; back again if it does not open."""
    root = store.path
    wal = stage / swap.NEW / WAL
    store.unseal()  # the checksums are those of the old files; the commit record makes their removal durable too
    store.lock.move_to_wal(wal)
    opened = False
    try:
        with generation.changing(root):  # readers in other processes open the shard anew afterwards
            swap.commit(root, stage, names)
            store.reload()
            opened = True
        swap.finish(root, stage)
    except BaseException as error:
        if not opened:
            _go_on_as_before(store)
            raise
        if not isinstance(error, OSError):
            raise
        text = f"the snapshot was applied to {root}; what it replaced could not all be removed, a load will: {error}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _go_on_as_before(store: Store) -> None:
    """Undo a swap that failed. While that is refused too the shard can be neither read nor written: its names lead to
    either state, and the next load would bring the new one, without what had been written to the old one."""
    store.doomed, store.half_swapped = store.next_op, True
    try:
        take_back(store.path, store.lock)
    except (OSError, EdgeShardError) as error:
        text = f"{store.path} cannot be used until the disk lets the snapshot be taken back: {error}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return
    store.doomed, store.half_swapped = None, False
