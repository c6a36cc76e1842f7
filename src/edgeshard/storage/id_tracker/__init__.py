"""Which point is where: external ids to offsets and back, versions, deletions.

In: ids (``int`` or ``uuid.UUID``) and operation numbers. Out: offsets, masks, orders. Files:
``mutable_id_tracker.*`` and ``id_tracker.*`` of a segment (docs/format/id-tracker.md).
"""

from edgeshard.storage.id_tracker.base import IdTracker
from edgeshard.storage.id_tracker.disk import DiskIdTracker
from edgeshard.storage.id_tracker.immutable import ImmutableIdTracker
from edgeshard.storage.id_tracker.mutable import MutableIdTracker, Repair
from edgeshard.storage.id_tracker.writer import write_disk_tracker, write_immutable_tracker

__all__ = [
    "DiskIdTracker",
    "IdTracker",
    "ImmutableIdTracker",
    "MutableIdTracker",
    "Repair",
    "write_disk_tracker",
    "write_immutable_tracker",
]
