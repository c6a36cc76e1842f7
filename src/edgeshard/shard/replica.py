"""Reading a shard beside its writer: a private copy of what may change, and links to what does not.

The copy is taken without a lock while :mod:`edgeshard.storage.generation` stands still; it holds the journal too, so
that opening it finishes a flush that was under way. See docs/design/read-only.md.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgeshard.errors import CorruptedError, EdgeShardError, LockedError, StorageError
from edgeshard.models.config import EdgeConfig
from edgeshard.segment.config import read_segment_config
from edgeshard.shard import config as configs
from edgeshard.shard import seal
from edgeshard.shard.copies import CopyDirectory, remove_stale
from edgeshard.shard.directories import SEGMENTS, absent, require_plain_files, segment_names
from edgeshard.shard.snapshot import settle, swap
from edgeshard.shard.store import Store
from edgeshard.shard.undisturbed import undisturbed
from edgeshard.storage import checksums, files, generation, journal
from edgeshard.storage.mapping import extents

Stamp: TypeAlias = "tuple[int, int, int]"
"""Inode, size and modification time of a file."""

LINK_BYTES = 1 << 16
"""Smaller files are copied even if they do not change."""
CHANGING = frozenset({
    "bitmask.dat", "deleted.bin", "deleted.dat", "deleted_points.dat", "flags_a.dat", "gaps.dat", "id_tracker.deleted",
    "id_tracker.versions", "status.dat", "tracker.dat",
})  # fmt: skip
"""Files of immutable segments that are changed in place."""
PATIENCE_SECONDS = 30.0
EXCHANGE_SECONDS = 2.0
"""Damage seen while segments are exchanged is believed after this long: a writer killed there never ends it."""
SETTLED_NS = 1_000_000_000
"""A file modified less than this before it was copied may have changed since without another modification time."""


class Replica:
    """A consistent private copy of a shard in a temporary directory.

    Args:
        source: the shard.
        config: settings that replace the stored ones.
        verify: what to compare with the checksums of the last close, None for nothing. Derived files that are damaged
            are left out, with a warning.
        before: an earlier copy, of which what has not changed is used.

    Attributes:
        store: the copy, open.
        generation: of the shard when it was copied.

    Raises:
        CorruptedError: a file is damaged.
        StorageError: there is no shard, or its writer did not leave it alone long enough.
    """

    __slots__ = ("_directory", "_stamps", "generation", "source", "store", "verify")

    def __init__(
        self,
        source: Path,
        config: EdgeConfig | None = None,
        *,
        verify: checksums.Level | None,
        before: Replica | None = None,
    ) -> None:
        self.source = source
        self.verify = verify
        if not source.is_dir():
            raise StorageError(f"cannot load edge shard: {absent(source)}")
        require_plain_files(source)
        settle.check(source)
        if before is None:
            undisturbed(remove_stale)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            undisturbed(self._make_directory)
            self._stamps: dict[str, tuple[Stamp, int]] = {}
            self.generation = generation.current(source)
            try:
                damaged = self._damaged()
                self._copy(before)
                for name in damaged:
                    if (self.root / name).exists():
                        shutil.rmtree(self.root / name)
                if generation.current(source) == self.generation and not swap.pending(source):
                    self.store = Store.load(self.root, config, verify=None, codes_of=source)
                    return
                reason: Exception = StorageError(f"{source} changes faster than it can be read; try again later")
            except (EdgeShardError, OSError) as error:
                still = generation.current(source) == self.generation
                exchanging = self.generation % 2 and time.monotonic() < deadline - PATIENCE_SECONDS + EXCHANGE_SECONDS
                if still and not exchanging and not isinstance(error, FileNotFoundError):
                    self.discard()
                    raise _about(error, self.root, source) from error
                reason = error
            self.discard()
            if time.monotonic() > deadline:
                raise StorageError(f"cannot read {source}: {reason}") from reason
            time.sleep(0.002)

    def _damaged(self) -> list[str]:
        """Directories of derived files that are not to be used. There is a table only while nobody has the shard open
        who changed it; what a writer changes in the middle of this is another generation."""
        if self.verify is None:
            return []
        return seal.damaged(self.source, checksums.read(self.source, seal.seal_of(self.source)), self.verify)

    def _make_directory(self) -> None:
        self._directory = CopyDirectory()

    @property
    def root(self) -> Path:
        """The copy."""
        return self._directory.root

    @property
    def stale(self) -> bool:
        """Whether the shard has changed since."""
        return generation.current(self.source) != self.generation

    def discard(self) -> None:
        """Remove the copy, except in a forked child: it is the parent's."""
        self._directory.remove()

    def _copy(self, before: Replica | None) -> None:
        if not (self.source / configs.FILE).exists() and not segment_names(self.source):
            raise StorageError(f"edge config is not provided and no segments were loaded: {self.source} holds no shard")
        journalled = self._copy_journal()
        self._copy_config()
        for name in segment_names(self.source):
            segment = self.source / SEGMENTS / name
            frozen = not read_segment_config(segment).appendable
            for file in _entries(segment):
                relative = file.relative_to(self.source).as_posix()
                if file.is_dir():  # also where a file is expected, which is then not taken for missing
                    (self.root / relative).mkdir(parents=True, exist_ok=True)
                    continue
                rewritten = relative in journalled  # when the copy is opened, which another one must not notice
                changes = not frozen or file.name in CHANGING or rewritten
                if not changes and file.stat().st_size >= LINK_BYTES:
                    target = self.root / relative
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(file.resolve())
                else:
                    self._copy_file(relative, None if rewritten else before)

    def _copy_journal(self) -> set[str]:
        if not (self.source / journal.NAME).exists():
            return set()
        self._copy_file(journal.NAME, None)
        return journal.names(self.root)

    def _copy_config(self) -> None:
        """The configuration without a log: what was not flushed is not for readers."""
        path = self.source / configs.FILE
        if path.exists():
            try:
                stored = files.parse_json(path.read_bytes())
                (self.root / configs.FILE).write_bytes(msgspec.json.encode({**stored, "wal_enabled": False}))
            except (ValueError, TypeError) as error:
                raise CorruptedError(path, f"Failed to deserialize {path}: {error}") from error

    def _copy_file(self, relative: str, before: Replica | None) -> None:
        source, target = self.source / relative, self.root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        now = time.time_ns()
        with open(source, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if before is not None and self._linked(before, relative, stamp):
                return
            copy_sparse(file.fileno(), status.st_size, target)
        self._stamps[relative] = (stamp, now)

    def _linked(self, before: Replica, relative: str, stamp: Stamp) -> bool:
        """Link a file of an earlier copy, if it has not changed since and the copy was not closed meanwhile."""
        known = before._stamps.get(relative)
        if known is None or known[0] != stamp or stamp[2] + SETTLED_NS >= known[1]:
            return False
        try:
            os.link(before.root / relative, self.root / relative)
        except FileNotFoundError:
            return False
        self._stamps[relative] = known
        return True


def copy_sparse(source: int, size: int, target: Path) -> None:
    """Copy a file, leaving holes as holes."""
    with open(target, "wb", buffering=0) as file:  # unlike a number, an object is closed whenever an interruption comes
        fd = file.fileno()
        os.ftruncate(fd, size)
        for start, stop in extents(source, size):
            for at in range(start, stop, 1 << 20):
                os.pwrite(fd, os.pread(source, min(1 << 20, stop - at), at), at)


def _entries(segment: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(segment):
        for name in (*folders, *names):
            yield Path(folder, name)


def _about(error: Exception, copy: Path, source: Path) -> Exception:
    """The error in terms of the shard, not of its copy."""
    if isinstance(error, CorruptedError):
        path, reason = (text.replace(str(copy), str(source)) for text in (error.path, error.reason))
        return CorruptedError(path, reason, error.offset)
    if isinstance(error, OSError) and not isinstance(error, LockedError):
        named = f"cannot read {error.filename}: " if error.filename else ""
        text = f"{named}{error.strerror or error}".replace(str(copy), str(source))
        return StorageError(text) if error.errno is None else StorageError(error.errno, text)
    return error
