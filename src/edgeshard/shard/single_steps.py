"""What every change of a single point does: find it, log the change, apply it or take it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from edgeshard.segment.batch import Offsets
from edgeshard.segment.segment import Segment

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


def find(store: Store, point_id: int | UUID) -> tuple[Segment, int] | None:
    """Where a point lives: its segment, and its offset there."""
    for segment in store.segments:
        offset = segment.ids.offset_of(point_id)
        if offset is not None:
            return segment, offset
    return None


def find_writable(store: Store, point_id: int | UUID) -> tuple[Segment, int] | None:
    """:func:`find` of a point that can be changed where it is; None for any other."""
    place = find(store, point_id)
    return place if place is not None and place[0].appendable else None


def one(offset: int) -> Offsets:
    """An offset as the array that segments take."""
    return np.array([offset], np.uint32)


def stamp(home: Segment, offset: int, number: int) -> None:
    """Note that an operation changed a point."""
    home.ids.set_version(offset, number)
    home.touched()
    home.version = number


def carry_out(store: Store, record: Callable[[], bytes], apply: Callable[[int], None]) -> bool:
    """Log and apply a change; True.

    Raises:
        StorageError: the disk refused; nothing changed.
    """
    number = store.log(record)
    try:
        apply(number)
    except BaseException:
        store.undo(number)
        raise
    return True
