"""Changes of the vectors of a single point, see :mod:`edgeshard.shard.single`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard._native import encode_upsert_raw
from edgeshard.models.operations import DeleteVectors, UpdateVectors, UpsertPoints
from edgeshard.segment.fields import DenseField
from edgeshard.segment.segment import Segment
from edgeshard.shard.apply import target
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.prepare import EMPTY_PAYLOAD, prepare_vectors
from edgeshard.shard.single_steps import carry_out, find, find_writable, one, stamp
from edgeshard.storage.convert import row_to_stored
from edgeshard.storage.dense import ChunkedDense
from edgeshard.storage.id_tracker import MutableIdTracker

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

Row: TypeAlias = "npt.NDArray[Any]"


def upsert(store: Store, operation: UpsertPoints) -> bool:
    """See :func:`edgeshard.shard.single.change_single`; of points with one dense vector."""
    points = operation.points
    if len(points) != 1 or operation.condition is not None or operation.mode is not None:
        return False
    point = points[0]
    point_id, vector = point._id, _only_row(store, point._vectors)
    if vector is None or len(store.schema) != 1:
        return False
    home, offset = find(store, point_id) or (target(store.segments), None)
    name = vector[0]
    field = _field(home, name)
    if field is None:
        return False
    row = row_to_stored(vector[1], field.spec.distance, field.spec.dtype)
    payload = point._payload or EMPTY_PAYLOAD

    def apply(number: int) -> None:
        at = offset
        if at is None:
            assert isinstance(home.ids, MutableIdTracker)
            at = home.ids.insert_one(point_id)
        _put(field, at, row[0])
        home.put_payload(at, payload)
        home.changes.points = number
        stamp(home, at, number)

    return carry_out(store, lambda: encode_upsert_raw([point_id], [(name, row, None)], [payload]), apply)


def update_vectors(store: Store, operation: UpdateVectors) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    points = operation.points
    if len(points) != 1 or operation.condition is not None:
        return False
    place = find_writable(store, points[0]._id)
    if place is None:
        return False
    home, offset = place
    vector = _only_row(store, points[0]._vectors)
    field = None if vector is None else _field(home, vector[0])
    if vector is None or field is None:
        columns = prepare_vectors(points, store.schema).columns
        return carry_out(
            store, lambda: encode(operation), lambda number: home.put_vectors(number, one(offset), columns)
        )
    row, names = row_to_stored(vector[1], field.spec.distance, field.spec.dtype), vector[:1]

    def apply(number: int) -> None:
        _put(field, offset, row[0])
        home.changes.touch_vectors(names, number)
        stamp(home, offset, number)

    return carry_out(store, lambda: encode(operation), apply)


def delete_vectors(store: Store, operation: DeleteVectors) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    ids, names = operation.ids, operation.names
    if len(ids) != 1 or not names or not all(name in store.schema for name in names):
        return False
    place = find_writable(store, ids[0])
    if place is None:
        return False
    home, offset = place
    known = [name for name in names if name in home.fields]
    return carry_out(store, lambda: encode(operation), lambda number: home.forget_vectors(number, one(offset), known))


def _only_row(store: Store, vectors: object) -> tuple[str, Row] | None:
    """The name and the numbers of the only vector given, if it is one that is stored as a plain row."""
    name, row = next(iter(vectors.items())) if type(vectors) is dict and len(vectors) == 1 else ("", vectors)
    spec = store.schema.get(name)
    if spec is None or spec.kind != "dense" or spec.turbo_bits is not None:
        return None
    if type(row) is not np.ndarray or row.shape != (spec.size,):
        return None
    return name, row


def _field(home: Segment, name: str) -> DenseField | None:
    """The vectors of a name in a segment, None if their rows are not of the plain kind that can be changed in place."""
    field = home.fields.get(name)
    if home.appendable and type(field) is DenseField and type(field.storage) is ChunkedDense:
        return field
    return None


def _put(field: DenseField, offset: int, row: Row) -> None:
    assert isinstance(field.storage, ChunkedDense)
    field.storage.put_one(offset, row)
    field.flat.invalidate_one(offset)
