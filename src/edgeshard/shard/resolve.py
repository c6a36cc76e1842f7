"""From what the caller asked to what is logged: operations over known points, validated whole.

Filters and conditions are evaluated here, once, and replaced by the points they select. The log therefore holds only
operations that say themselves what they touch, and replaying one twice, or over data of a later state, gives the same
result. An operation that cannot be applied whole is refused here, before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from edgeshard.errors import PointNotFoundError, quoted
from edgeshard.filter.evaluate import evaluate, evaluate_offsets
from edgeshard.models.enums import UpdateMode
from edgeshard.models.filters import Filter
from edgeshard.models.operations import (
    ClearPayload,
    ClearPayloadByFilter,
    DeletePayload,
    DeletePoints,
    DeletePointsByFilter,
    DeleteVectors,
    DeleteVectorsByFilter,
    OverwritePayload,
    SetPayload,
    UpdateVectors,
    UpsertBatch,
    UpsertPoints,
)
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.batch import Batch, DenseColumn, Ids, MultiColumn, SparseColumn
from edgeshard.segment.schema import Schema, unknown_vector
from edgeshard.segment.segment import Segment, SegmentContext
from edgeshard.shard import apply
from edgeshard.shard.operations import encode, encode_upsert_raw
from edgeshard.shard.prepare import prepare_columns, prepare_points, prepare_vectors
from edgeshard.storage.sparse import pack_values

Segments = Sequence[Segment]
Found = list[apply.Located]


class Resolved(NamedTuple):
    """An operation ready to be logged and applied."""

    record: Callable[[], bytes]
    """Makes what goes into the log."""
    apply: Callable[[Segments, int], None]
    """Applies it to the segments under its number."""


def resolve(operation: UpdateOperation, segments: Segments, schema: Schema) -> Resolved | None:
    """What an operation means for the points that exist now.

    Args:
        operation: what the caller asked; not one that changes the schema.
        segments: all segments of the shard.
        schema: its vectors.

    Returns:
        The operation over known points, None if it touches nothing.

    Raises:
        ValidationError, NotFoundError: it cannot be applied; nothing was changed.
    """
    handler = _HANDLERS.get(type(operation))
    if handler is None:
        raise TypeError(f"not an update operation: {quoted(operation)}")
    result: Resolved | None = handler(operation, segments, schema)
    return result


# --- whole points --------------------------------------------------------------------------------------


def _upsert_points(operation: UpsertPoints, segments: Segments, schema: Schema) -> Resolved | None:
    batch = prepare_points(operation.points, schema)
    if operation.condition is not None or operation.mode is not None:
        batch = batch.take(_allowed(batch.ids, operation.condition, operation.mode, segments))
    return _upsert(batch)


def _upsert_batch(operation: UpsertBatch, segments: Segments, schema: Schema) -> Resolved | None:
    return _upsert(prepare_columns(operation, schema))


def _upsert(batch: Batch) -> Resolved | None:
    if not len(batch):
        return None
    return Resolved(lambda: upsert_record(batch), lambda segments, op: apply.upsert(segments, op, batch))


def upsert_record(batch: Batch) -> bytes:
    """The log record of a batch: points with their vectors as the storages hold them."""
    vectors: list[Any] = []
    for name, column in batch.columns.items():
        if isinstance(column, DenseColumn):
            vectors.append((name, column.rows, column.present))
        elif isinstance(column, MultiColumn):
            rows = np.ascontiguousarray(column.rows)
            width = rows.shape[1] * rows.itemsize
            vectors.append((name, (rows.view(np.uint8).reshape(-1), column.indptr * width), column.present))
        elif isinstance(column, SparseColumn):
            data, bounds = pack_values(column.indptr, column.indices, column.values)
            vectors.append((name, (data, bounds), column.present))
    return encode_upsert_raw(batch.ids, vectors, batch.payloads)


def _allowed(
    ids: Ids, condition: Filter | None, mode: UpdateMode | None, segments: Segments
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions of the points that a conditional upsert may write."""
    located, new = apply.locate(segments, ids)
    kept = [] if mode == UpdateMode.UpdateOnly else [new]
    if mode != UpdateMode.InsertOnly:
        for segment, places, offsets in located:
            if condition is not None:
                places = places[evaluate_offsets(condition, SegmentContext(segment), offsets)]
            kept.append(places)
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def _delete_points(operation: DeletePoints, segments: Segments, schema: Schema) -> Resolved | None:
    found, missing = apply.locate(segments, operation.ids)
    ids = list(operation.ids)
    if len(missing):
        unknown = set(missing.tolist())
        ids = [point_id for place, point_id in enumerate(ids) if place not in unknown]
    return _delete(ids, found)


def _delete_by_filter(operation: DeletePointsByFilter, segments: Segments, schema: Schema) -> Resolved | None:
    return _delete(select(operation.filter, segments))


def _delete(ids: list[int | UUID], found: Found | None = None) -> Resolved | None:
    if not ids:
        return None
    return _over(DeletePoints(ids), ids, found, apply.delete_points)


# --- vectors -------------------------------------------------------------------------------------------


def _update_vectors(operation: UpdateVectors, segments: Segments, schema: Schema) -> Resolved | None:
    batch = prepare_vectors(operation.points, schema)
    found: Found | None = _known(batch.ids, segments)
    points = operation.points
    if operation.condition is not None:
        places = _allowed(batch.ids, operation.condition, UpdateMode.UpdateOnly, segments)
        batch, found = batch.take(places), None
        kept = set(batch.ids)
        points = [point for point in points if point._id in kept]
    if not len(batch):
        return None
    record = UpdateVectors(points, None)
    return _over(record, batch.ids, found, apply.update_vectors, batch)


def _delete_vectors(operation: DeleteVectors, segments: Segments, schema: Schema) -> Resolved | None:
    found = _known(operation.ids, segments)
    return _forget(list(operation.ids), operation.names, schema, found)


def _delete_vectors_by_filter(operation: DeleteVectorsByFilter, segments: Segments, schema: Schema) -> Resolved | None:
    return _forget(select(operation.filter, segments), operation.names, schema)


def _forget(ids: list[int | UUID], names: Sequence[str], schema: Schema, found: Found | None = None) -> Resolved | None:
    if not ids or not names:
        return None
    for name in names:
        if name not in schema:
            raise unknown_vector(name, schema)
    record = DeleteVectors(ids, list(names))
    return _over(record, ids, found, apply.delete_vectors, names)


# --- payloads ------------------------------------------------------------------------------------------


def _set_payload(operation: SetPayload, segments: Segments, schema: Schema) -> Resolved | None:
    ids, found = _chosen(operation, segments)
    payload, key = operation.payload, operation.key
    if not ids:
        return None
    record = SetPayload(payload, ids, None, key)
    return _over(record, ids, found, apply.set_payload, payload, key)


def _overwrite_payload(operation: OverwritePayload, segments: Segments, schema: Schema) -> Resolved | None:
    ids, found = _chosen(operation, segments)
    payload = operation.payload
    if not ids:
        return None
    record = OverwritePayload(payload, ids, None, None)
    return _over(record, ids, found, apply.overwrite_payload, payload)


def _delete_payload(operation: DeletePayload, segments: Segments, schema: Schema) -> Resolved | None:
    ids, found = _chosen(operation, segments)
    keys = list(operation.keys)
    if not ids or not keys:
        return None
    record = DeletePayload(keys, ids, None)
    return _over(record, ids, found, apply.delete_payload, keys)


def _clear_payload(operation: ClearPayload, segments: Segments, schema: Schema) -> Resolved | None:
    found = _known(operation.ids, segments)
    return _clear(list(operation.ids), found)


def _clear_by_filter(operation: ClearPayloadByFilter, segments: Segments, schema: Schema) -> Resolved | None:
    return _clear(select(operation.filter, segments))


def _clear(ids: list[int | UUID], found: Found | None = None) -> Resolved | None:
    if not ids:
        return None
    return _over(ClearPayload(ids), ids, found, apply.clear_payload)


def _chosen(
    operation: SetPayload | OverwritePayload | DeletePayload, segments: Segments
) -> tuple[list[int | UUID], Found | None]:
    """The points of an operation that takes ids or a filter, and where they are if that is known already."""
    if operation.ids is None:
        return select(operation.filter, segments), None
    ids = list(dict.fromkeys(operation.ids))
    return ids, _known(ids, segments)


# --- shared --------------------------------------------------------------------------------------------


def select(condition: Filter | None, segments: Segments) -> list[int | UUID]:
    """Ids of all points a filter matches; all points for None."""
    ids: list[int | UUID] = []
    for segment in segments:
        mask = segment.live_mask()
        if condition is not None:
            mask &= evaluate(condition, SegmentContext(segment))
        ids += segment.ids.ids_of(np.flatnonzero(mask).astype(np.uint32))
    return ids


def _known(ids: Ids, segments: Segments) -> Found:
    """Where points are, all of which must exist."""
    found, missing = apply.locate(segments, ids)
    if len(missing):
        raise PointNotFoundError(f"No point with id {ids[int(missing[0])]}")
    return found


def _over(
    record: UpdateOperation, ids: Ids, found: Found | None, change: Callable[..., None], *arguments: Any
) -> Resolved:
    """An operation that is ``change(segments, number, points, *arguments)``.

    Points that a filter selected, for whom ``found`` is None, are located when it is applied: it may be a replay.
    """

    def carry_out(segments: Segments, op_number: int) -> None:
        points = apply.older(segments, ids, op_number) if found is None else found
        change(segments, op_number, points, *arguments)

    return Resolved(lambda: encode(record), carry_out)


_HANDLERS: dict[type, Callable[[Any, Segments, Schema], Resolved | None]] = {
    UpsertPoints: _upsert_points,
    UpsertBatch: _upsert_batch,
    DeletePoints: _delete_points,
    DeletePointsByFilter: _delete_by_filter,
    UpdateVectors: _update_vectors,
    DeleteVectors: _delete_vectors,
    DeleteVectorsByFilter: _delete_vectors_by_filter,
    SetPayload: _set_payload,
    OverwritePayload: _overwrite_payload,
    DeletePayload: _delete_payload,
    ClearPayload: _clear_payload,
    ClearPayloadByFilter: _clear_by_filter,
}
