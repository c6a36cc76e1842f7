"""Which point is where: external ids to offsets and back, versions, deletions.

In: ids (``int`` or ``uuid.UUID``) and operation numbers. Out: offsets, masks, orders. Files:
``mutable_id_tracker.*`` and ``id_tracker.*`` of a segment (docs/format/id-tracker.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeshard.storage.id_tracker.base import IdTracker
from edgeshard.storage.id_tracker.disk import I2E_FILE, DiskIdTracker
from edgeshard.storage.id_tracker.immutable import MAPPINGS_FILE, ImmutableIdTracker
from edgeshard.storage.id_tracker.mutable import MutableIdTracker, Repair
from edgeshard.storage.id_tracker.writer import write_disk_tracker, write_immutable_tracker

if TYPE_CHECKING:
    from edgeshard.storage.files import PathLike


def open_id_tracker(directory: PathLike, *, appendable: bool, read_only: bool = False) -> IdTracker:
    """The id tracker of a segment: the mutable form if it is appendable, else the form whose files are there.

    Raises:
        CorruptedError: a file is missing or damaged.
    """
    path = Path(directory)
    if not appendable and (path / I2E_FILE).exists():
        return DiskIdTracker.open(path, read_only=read_only)
    if not appendable and (path / MAPPINGS_FILE).exists():
        return ImmutableIdTracker.open(path, read_only=read_only)
    return MutableIdTracker.open(path, read_only=read_only)


__all__ = [
    "DiskIdTracker",
    "IdTracker",
    "ImmutableIdTracker",
    "MutableIdTracker",
    "Repair",
    "open_id_tracker",
    "write_disk_tracker",
    "write_immutable_tracker",
]
