"""What the two id trackers of immutable segments share: versions and deletions changed in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshard.storage.bitset_file import BitFile
from edgeshard.storage.files import PathLike
from edgeshard.storage.id_tracker.base import IdTracker, Mask, Offsets, Versions
from edgeshard.storage.id_tracker.versions import CompactVersions, VersionFile

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

VERSIONS_FILE = "id_tracker.versions"
COMPACT_FILE = "id_tracker.compact_versions"
DELETED_FILE = "id_tracker.deleted"


class FixedIdTracker(IdTracker):
    """An id tracker whose points are settled; they can only change version or be deleted."""

    __slots__ = ("_bits", "_count", "_live", "_version_source")

    def __init__(self, directory: PathLike, count: int, *, read_only: bool = False) -> None:
        super().__init__()
        self._count = count
        self._bits = BitFile.open(Path(directory) / DELETED_FILE, count, read_only=read_only)
        self._live = count - int(np.count_nonzero(self._bits.mask))
        path = Path(directory) / VERSIONS_FILE
        compact = Path(directory) / COMPACT_FILE
        if not path.exists() and compact.exists():
            self._version_source: VersionFile | CompactVersions = CompactVersions(compact, path, count)
        else:
            self._version_source = VersionFile(path, count, read_only=read_only)

    @property
    def total(self) -> int:
        """The number of offsets, live and deleted."""
        return self._count

    @property
    def live(self) -> int:
        """The number of live points."""
        return self._live

    @property
    def versions(self) -> Versions:
        """``(total,)`` operation number that last changed each offset."""
        return self._version_source.table

    def _bury(self, offsets: Offsets, version: int) -> Offsets:
        """Flag the live ones of ``offsets`` as deleted, version all of them, and return the flagged ones."""
        fresh = np.unique(offsets[~self.deleted_mask()[offsets]])
        self._bits.set(fresh, True)
        self._live -= len(fresh)
        self._forget()
        self.set_versions(offsets, version)
        return fresh

    def set_versions(self, offsets: Offsets, version: int) -> None:
        """Record that operation ``version`` changed the points at ``offsets``."""
        self._version_source.set(offsets, version)

    def _make_deleted_mask(self) -> Mask:
        mask: Mask = self._bits.mask.copy()
        return mask

    @property
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""
        return self._bits.dirty_bytes + self._version_source.dirty_bytes

    def collect_mappings(self, plan: FlushPlan) -> None:
        """Write the changed deletion flags."""
        self._bits.collect(plan)

    def collect_versions(self, plan: FlushPlan) -> None:
        """Write the changed versions."""
        self._version_source.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._bits.close()
        self._version_source.close()
        self._forget()
