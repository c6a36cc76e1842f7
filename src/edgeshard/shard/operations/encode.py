"""Operations to CBOR, with the keys and the nulls of Qdrant Edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.errors import quoted
from edgeshard.models.filters import Filter
from edgeshard.models.operations import (
    ClearPayload,
    ClearPayloadByFilter,
    CreateDenseVector,
    CreateFieldIndex,
    CreateSparseVector,
    DeleteFieldIndex,
    DeletePayload,
    DeletePoints,
    DeletePointsByFilter,
    DeleteVectorName,
    DeleteVectors,
    DeleteVectorsByFilter,
    MultiBatch,
    OverwritePayload,
    SetPayload,
    SparseBatch,
    UpdateVectors,
    UpsertBatch,
    UpsertPoints,
)
from edgeshard.models.points import Point, PointVectors
from edgeshard.models.schemas import schema_to_json
from edgeshard.models.updates import UpdateOperation
from edgeshard.models.vectors import SparseVector
from edgeshard.models.wire import to_wire
from edgeshard.shard.operations.filters import encode_filter, encode_id
from edgeshard.shard.operations.raw import SyncPoints, SyncPointsRaw, UpsertRaw

__all__ = ["encode"]

Arguments = Any


def encode(operation: UpdateOperation) -> bytes:
    """The log record of an operation.

    Raises:
        TypeError: it is no operation.
        ValueError: a payload is not JSON.
    """
    if isinstance(operation, UpsertRaw):
        vectors: list[Any] = [(name, column[:2], column[2]) for name, column in operation.vectors.items()]
        return _native.encode_upsert_raw(operation.ids, vectors, operation.payloads)
    try:
        name, encoder = _ENCODERS[type(operation)]
    except KeyError:
        raise TypeError(f"expected an UpdateOperation, got {quoted(operation)}") from None
    if isinstance(operation, UpsertPoints) and (operation.condition is not None or operation.mode is not None):
        return _native.cbor_dumps({"upsert_points_conditional": _conditional(operation)})
    return _native.cbor_dumps({name: encoder(operation)})


def _payload(payload: bytes | None) -> memoryview | None:
    """JSON as CBOR that is inserted as it is."""
    return None if payload is None else memoryview(_native.json_to_cbor(payload))


def _ids(ids: Any) -> list[int | bytes] | None:
    if ids is None:
        return None
    return (
        ids.tolist()
        if isinstance(ids, np.ndarray)
        else [point_id if type(point_id) is int else encode_id(point_id) for point_id in ids]
    )


def _filter(condition: Filter | None) -> dict[str, Any] | None:
    return None if condition is None else encode_filter(condition)


def _vectors(packed: Any) -> Any:
    """Arrays stay: the native encoder writes them."""
    if isinstance(packed, dict):
        return {name: _vectors(vector) for name, vector in packed.items()}
    if isinstance(packed, SparseVector):
        return {"indices": packed._indices, "values": packed._values}
    return packed


def _point(point: Point) -> dict[str, Any]:
    return {
        "id": encode_id(point._id),
        "vector": _vectors(point._vectors),
        "payload": _payload(point._payload),
    }


def _conditional(operation: UpsertPoints) -> Arguments:
    arguments: dict[str, Any] = {
        "points_op": {"points": [_point(point) for point in operation.points]},
        "condition": encode_filter(operation.condition or Filter()),
    }
    if operation.mode is not None:
        arguments["update_mode"] = to_wire(operation.mode)
    return arguments


def _batch(operation: UpsertBatch) -> Arguments:
    vectors = {name: _column(batch) for name, batch in operation.vectors.items()}
    payloads = operation.payloads
    return {
        "batch": {
            "ids": _ids(operation.ids),
            "vectors": vectors[""] if list(vectors) == [""] else vectors,
            "payloads": None if payloads is None else [_payload(payload) for payload in payloads],
        }
    }


def _column(batch: Any) -> Any:
    if isinstance(batch, SparseBatch):
        spans = zip(batch.indptr[:-1].tolist(), batch.indptr[1:].tolist(), strict=True)
        return [{"indices": batch.indices[a:b], "values": batch.values[a:b]} for a, b in spans]
    if isinstance(batch, MultiBatch):
        spans = zip(batch.indptr[:-1].tolist(), batch.indptr[1:].tolist(), strict=True)
        return [np.ascontiguousarray(batch.rows[a:b]) for a, b in spans]
    return np.ascontiguousarray(batch, np.float32)


def _update_vectors(operation: UpdateVectors) -> Arguments:
    def one(point: PointVectors) -> dict[str, Any]:
        return {"id": encode_id(point._id), "vector": _vectors(point._vectors)}

    arguments: dict[str, Any] = {"points": [one(point) for point in operation.points]}
    if operation.condition is not None:
        arguments["update_filter"] = encode_filter(operation.condition)
    return arguments


def _set_payload(operation: SetPayload) -> Arguments:
    return {
        "payload": _payload(operation.payload),
        "points": _ids(operation.ids),
        "filter": _filter(operation.filter),
        "key": operation.key,
    }


def _delete_payload(operation: DeletePayload) -> Arguments:
    return {
        "keys": operation.keys,
        "points": _ids(operation.ids),
        "filter": _filter(operation.filter),
    }


def _dense_vector(operation: CreateDenseVector) -> Arguments:
    config: dict[str, Any] = {"size": operation.size, "distance": to_wire(operation.distance)}
    if operation.multivector_config is not None:
        config["multivector_config"] = {"comparator": to_wire(operation.multivector_config.comparator)}
    if operation.datatype is not None:
        config["datatype"] = to_wire(operation.datatype)
    return {"vector_name": operation.name, "config": {"dense": config}}


def _sparse_vector(operation: CreateSparseVector) -> Arguments:
    config: dict[str, Any] = {}
    if operation.modifier is not None:
        config["modifier"] = to_wire(operation.modifier)
    if operation.datatype is not None:
        config["datatype"] = to_wire(operation.datatype)
    return {"vector_name": operation.name, "config": {"sparse": config}}


def _range(operation: SyncPoints | SyncPointsRaw, points: list[Any]) -> Arguments:
    ends = [None if end is None else encode_id(end) for end in (operation.from_id, operation.to_id)]
    return {"from_id": ends[0], "to_id": ends[1], "points": points}


def _raw_points(operation: UpsertRaw) -> list[Any]:
    ids = operation.ids.tolist() if isinstance(operation.ids, np.ndarray) else operation.ids
    points = []
    for i, point_id in enumerate(ids):
        vectors = [
            [name, data[bounds[i] : bounds[i + 1]].tobytes()]
            for name, (data, bounds, present) in operation.vectors.items()
            if present[i]
        ]
        payload = _payload(operation.payloads[i])
        points.append({"id": encode_id(point_id), "vectors": vectors, "payload": payload})
    return points


_ENCODERS: dict[type, tuple[str, Callable[[Any], Arguments]]] = {
    UpsertPoints: ("upsert_points", lambda op: {"points": [_point(point) for point in op.points]}),
    UpsertBatch: ("upsert_points", _batch),
    DeletePoints: ("delete_points", lambda op: {"ids": _ids(op.ids)}),
    DeletePointsByFilter: ("delete_points_by_filter", lambda op: encode_filter(op.filter)),
    SyncPoints: ("sync_points", lambda op: _range(op, [_point(point) for point in op.points])),
    SyncPointsRaw: ("sync_points_raw", lambda op: _range(op, _raw_points(op.points))),
    UpdateVectors: ("update_vectors", _update_vectors),
    DeleteVectors: ("delete_vectors", lambda op: [{"points": _ids(op.ids)}, op.names]),
    DeleteVectorsByFilter: ("delete_vectors_by_filter", lambda op: [encode_filter(op.filter), op.names]),
    SetPayload: ("set_payload", _set_payload),
    OverwritePayload: ("overwrite_payload", _set_payload),
    DeletePayload: ("delete_payload", _delete_payload),
    ClearPayload: ("clear_payload", lambda op: {"points": _ids(op.ids)}),
    ClearPayloadByFilter: ("clear_payload_by_filter", lambda op: encode_filter(op.filter)),
    CreateFieldIndex: (
        "create_index",
        lambda op: {"field_name": op.field, "field_schema": schema_to_json(op.schema)},
    ),
    DeleteFieldIndex: ("delete_index", lambda op: op.field),
    CreateDenseVector: ("create_vector_name", _dense_vector),
    CreateSparseVector: ("create_vector_name", _sparse_vector),
    DeleteVectorName: ("delete_vector_name", lambda op: {"vector_name": op.name}),
}
