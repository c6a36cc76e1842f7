"""A swap of states that failed is undone, now or as soon as the disk lets it."""

from __future__ import annotations

from pathlib import Path

from edgeshard.shard.snapshot import swap
from edgeshard.storage import generation
from edgeshard.storage.lock import ShardLock


def take_back(root: Path, lock: ShardLock) -> None:
    """Bring back the state that is open, if a swap was begun to replace it, and lock its log again.

    Whoever holds the shard's lock may call it until it succeeds.

    Raises:
        StorageError, OSError: the disk refused; the entries of the root are of either state, or missing.
    """
    with generation.changing(root):  # readers in other processes may have met half of it
        if swap.pending(root):
            swap.undo(root)
    lock.move_to_wal(root / "wal")
