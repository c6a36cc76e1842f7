"""Upserts of one point with one dense vector: the same steps as any update, without arrays of length one.

Robots and apps write points one at a time; the general path costs twice as much for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeshard._native import encode_upsert_raw
from edgeshard.models.operations import UpsertPoints
from edgeshard.models.points import Point
from edgeshard.segment.fields import DenseField
from edgeshard.segment.segment import Segment
from edgeshard.shard.apply import target
from edgeshard.shard.prepare import EMPTY_PAYLOAD
from edgeshard.storage.convert import to_stored
from edgeshard.storage.dense import ChunkedDense
from edgeshard.storage.id_tracker import MutableIdTracker

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


def single_point(store: Store, operation: object) -> Point | None:
    """The point of an operation this module can carry out, None for any other operation."""
    if type(operation) is not UpsertPoints or operation.condition is not None or operation.mode is not None:
        return None
    points = operation.points
    if len(points) != 1 or len(store.schema) != 1:
        return None
    vector = points[0]._vectors
    if type(vector) is not np.ndarray or vector.ndim != 1:
        return None
    spec = store.schema.get("")
    if spec is None or spec.kind != "dense" or spec.turbo_bits is not None or len(vector) != spec.size:
        return None
    return points[0]


def upsert_single(store: Store, point: Point) -> bool:
    """Log and apply one point; False, and nothing done, if it lives in an immutable segment.

    Raises:
        StorageError: the disk refused; nothing changed.
    """
    point_id = point._id
    home: Segment | None = None
    offset: int | None = None
    for segment in store.segments:
        offset = segment.ids.offset_of(point_id)
        if offset is not None:
            home = segment
            break
    if home is None:
        home = target(store.segments)
    field = home.fields[""]
    if not home.appendable or type(field) is not DenseField or type(field.storage) is not ChunkedDense:
        return False
    spec = field.spec
    row = to_stored(point._vectors.reshape(1, -1), spec.distance, spec.dtype)  # type: ignore[union-attr]
    payload = point._payload or EMPTY_PAYLOAD
    number = store.log(lambda: encode_upsert_raw([point_id], [("", row, None)], [payload]))
    try:
        if offset is None:
            assert isinstance(home.ids, MutableIdTracker)
            offset = home.ids.insert_one(point_id)
        field.storage.put_one(offset, row[0])
        field.flat.invalidate_one(offset)
        home.put_payload(offset, payload)
        home.ids.set_version(offset, number)
        home.touched()
        home.changes.points = home.version = number
    except BaseException:
        store.undo(number)
        raise
    return True
