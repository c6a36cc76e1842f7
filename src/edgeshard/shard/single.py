"""Changes of one point: the same steps as any update, without arrays of length one.

Robots and apps write points one at a time; the general path costs about twice as much for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from edgeshard._native import encode_upsert_raw
from edgeshard.models.operations import SetPayload, UpdateVectors, UpsertPoints
from edgeshard.segment.fields import DenseField
from edgeshard.segment.segment import Segment
from edgeshard.shard.apply import merged_payload, target
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.prepare import EMPTY_PAYLOAD
from edgeshard.storage.convert import row_to_stored
from edgeshard.storage.dense import ChunkedDense
from edgeshard.storage.id_tracker import MutableIdTracker

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

Row: TypeAlias = "npt.NDArray[Any]"


def change_single(store: Store, operation: object) -> bool:
    """Log and apply an operation that changes one point in an appendable segment.

    Returns:
        False, and nothing is done, for any other, and for one that cannot be applied: the general path refuses it.

    Raises:
        StorageError: the disk refused; nothing changed.
    """
    change = _CHANGES.get(type(operation))
    return change is not None and change(store, operation)


def _upsert(store: Store, operation: UpsertPoints) -> bool:
    points = operation.points
    if len(points) != 1 or operation.condition is not None or operation.mode is not None:
        return False
    point = points[0]
    vector, point_id = point._vectors, point._id
    if not _is_row(store, vector):
        return False
    home, offset = _place(store, point_id)
    field = _field(home)
    if field is None:
        return False
    row = row_to_stored(vector, field.spec.distance, field.spec.dtype)  # type: ignore[arg-type]
    payload = point._payload or EMPTY_PAYLOAD

    def apply(number: int) -> None:
        at = offset
        if at is None:
            assert isinstance(home.ids, MutableIdTracker)
            at = home.ids.insert_one(point_id)
        _put(field, at, row[0])
        home.put_payload(at, payload)
        home.changes.points = number
        _stamp(home, at, number)

    return _carry_out(store, lambda: encode_upsert_raw([point_id], [("", row, None)], [payload]), apply)


def _update_vectors(store: Store, operation: UpdateVectors) -> bool:
    points = operation.points
    if len(points) != 1 or operation.condition is not None or not _is_row(store, points[0]._vectors):
        return False
    home, offset = _place(store, points[0]._id)
    field = _field(home)
    if field is None or offset is None:
        return False
    row = row_to_stored(points[0]._vectors, field.spec.distance, field.spec.dtype)  # type: ignore[arg-type]
    at = offset

    def apply(number: int) -> None:
        _put(field, at, row[0])
        home.changes.touch_vectors(("",), number)
        _stamp(home, at, number)

    return _carry_out(store, lambda: encode(operation), apply)


def _set_payload(store: Store, operation: SetPayload) -> bool:
    ids = operation.ids
    if ids is None or len(ids) != 1 or operation.key is not None:
        return False
    home, offset = _place(store, ids[0])
    if offset is None or not home.appendable:
        return False
    at, patch = offset, operation.payload

    def apply(number: int) -> None:
        home.put_payload(at, merged_payload(home, at, patch))
        home.changes.payload = number
        _stamp(home, at, number)

    return _carry_out(store, lambda: encode(operation), apply)


_CHANGES: dict[type, Callable[[Store, Any], bool]] = {
    UpsertPoints: _upsert,
    UpdateVectors: _update_vectors,
    SetPayload: _set_payload,
}


def _is_row(store: Store, vectors: object) -> bool:
    """Whether these are the vectors of a point in a shard whose points have one dense vector without a name."""
    if type(vectors) is not np.ndarray or vectors.ndim != 1 or len(store.schema) != 1:
        return False
    spec = store.schema.get("")
    return spec is not None and spec.kind == "dense" and spec.turbo_bits is None and len(vectors) == spec.size


def _place(store: Store, point_id: int | UUID) -> tuple[Segment, int | None]:
    """The segment of a point and its offset there; for a new point the segment that it goes to, and None."""
    for segment in store.segments:
        offset = segment.ids.offset_of(point_id)
        if offset is not None:
            return segment, offset
    return target(store.segments), None


def _field(home: Segment) -> DenseField | None:
    """The only vectors of a segment, None if their rows are not of the plain kind that can be changed in place."""
    field = home.fields[""]
    if home.appendable and type(field) is DenseField and type(field.storage) is ChunkedDense:
        return field
    return None


def _put(field: DenseField, offset: int, row: Row) -> None:
    assert isinstance(field.storage, ChunkedDense)
    field.storage.put_one(offset, row)
    field.flat.invalidate_one(offset)


def _stamp(home: Segment, offset: int, number: int) -> None:
    home.ids.set_version(offset, number)
    home.touched()
    home.version = number


def _carry_out(store: Store, record: Callable[[], bytes], apply: Callable[[int], None]) -> bool:
    number = store.log(record)
    try:
        apply(number)
    except BaseException:
        store.undo(number)
        raise
    return True
