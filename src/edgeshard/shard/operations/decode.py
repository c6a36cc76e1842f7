"""Log records to operations. The bytes are untrusted: whatever they hold, the answer is an operation or
CorruptedError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.models.base import put_fields
from edgeshard.models.config import MultiVectorConfig
from edgeshard.models.enums import (
    Distance,
    Modifier,
    MultiVectorComparator,
    UpdateMode,
    VectorStorageDatatype,
)
from edgeshard.models.filters import Filter
from edgeshard.models.ids import ParsedId
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
    OverwritePayload,
    SetPayload,
    UpdateVectors,
    UpsertPoints,
)
from edgeshard.models.paths import parse_path
from edgeshard.models.points import Point, PointVectors
from edgeshard.models.schemas import schema_from_json
from edgeshard.models.updates import UpdateOperation
from edgeshard.models.vectors import PackedVector, SparseVector
from edgeshard.models.wire import from_wire
from edgeshard.shard.operations.filters import decode_filter, decode_id
from edgeshard.shard.operations.raw import RawColumn, SyncPoints, SyncPointsRaw, UpsertRaw
from edgeshard.storage.runs import bounds_of

__all__ = ["decode"]

_REFUSALS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What the models and the container types raise for values that are not what they should be."""


def decode(record: bytes | memoryview, where: object = "log record") -> UpdateOperation:
    """The operation of a log record.

    Args:
        record: CBOR, or MessagePack as very old engines wrote it.
        where: named in the error: the file or number of the record.

    Raises:
        CorruptedError: it is no operation this version knows.
    """
    try:
        raw = _native.decode_upsert_raw(record)
        if raw is not None:
            return UpsertRaw(*raw)
        return _operation(_native.cbor_loads(record))
    except _REFUSALS as error:
        reason = error
    try:
        return _operation(_native.cbor_loads(_from_messagepack(record)))
    except _REFUSALS:
        raise CorruptedError(where, f"not an operation this version knows: {reason}") from reason


def _from_messagepack(record: bytes | memoryview) -> bytes:
    if not len(record) or not 0x80 <= record[0] <= 0x8F:  # a MessagePack map of up to 15 entries
        raise ValueError("not MessagePack")
    import msgspec.msgpack

    return _native.cbor_dumps(msgspec.msgpack.decode(record))


def _operation(record: Any) -> UpdateOperation:
    if not isinstance(record, dict):
        raise TypeError("expected a map of one operation")
    record.pop("clock_tag", None)
    ((name, arguments),) = record.items()
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise ValueError(f"unknown operation {name!r}")
    return decoder(arguments)


# --- points


def _upsert_points(arguments: Any) -> UpdateOperation:
    return UpsertPoints(_points_or_batch(arguments))


def _points_or_batch(arguments: Any) -> list[Point]:
    ((form, value),) = arguments.items()
    if form == "points":
        return [_point(point) for point in value]
    if form == "batch":
        return _batch(value)
    raise ValueError(f"unknown list of points {form!r}")


def _conditional(arguments: Any) -> UpdateOperation:
    mode = arguments.get("update_mode")
    return UpsertPoints(
        _points_or_batch(arguments["points_op"]),
        decode_filter(arguments["condition"]),
        None if mode is None else from_wire(UpdateMode, mode),
    )


def _point(stored: Any) -> Point:
    return Point._make(decode_id(stored["id"]), _vectors(stored["vector"]), _payload(stored.get("payload")))


def _payload(stored: Any) -> bytes | None:
    """The native decoder turned maps under this key into JSON."""
    if stored is not None and not isinstance(stored, bytes):
        raise TypeError("a payload is a map")
    return stored


def _batch(stored: Any) -> list[Point]:
    """A batch holds the same as columns: ids, vectors, payloads."""
    ids = [decode_id(point_id) for point_id in _list(stored["ids"])]
    vectors, payloads = stored["vectors"], stored.get("payloads")
    rows: list[Any]
    if isinstance(vectors, dict):
        columns = {name: _list(column, len(ids)) for name, column in vectors.items()}
        rows = [{name: column[i] for name, column in columns.items()} for i in range(len(ids))]
    else:
        rows = _list(vectors, len(ids))
    texts = [None] * len(ids) if payloads is None else _list(payloads, len(ids))
    triples = zip(ids, rows, texts, strict=True)
    return [Point._make(point_id, _vectors(row), _payload(text)) for point_id, row, text in triples]


def _list(value: Any, size: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise ValueError("expected a list as long as that of the ids" if size is not None else "expected a list")
    return value


def _vectors(stored: Any) -> npt.NDArray[np.float32] | dict[str, PackedVector]:
    if isinstance(stored, dict):
        return {name: _vector(vector) for name, vector in stored.items()}
    return _array(stored)


def _vector(stored: Any) -> PackedVector:
    if not isinstance(stored, dict):
        return _array(stored)
    indices, values = _list(stored["indices"]), _array(stored["values"])
    # 0.9.0 takes surplus values and drops them; too few values bring it down.
    return SparseVector(indices, values[: len(indices)])


def _array(stored: Any) -> npt.NDArray[np.float32]:
    """One row of numbers or several of one length; NaN and infinity as they are."""
    array = np.asarray(_list(stored))
    if array.dtype.kind not in "fiu" or not 1 <= array.ndim <= 2 or (array.ndim == 2 and not array.size):
        raise ValueError("a vector is a list of numbers, or several of one length")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32)


def _sync_points(arguments: Any) -> UpdateOperation:
    return SyncPoints(
        _opt_id(arguments.get("from_id")),
        _opt_id(arguments.get("to_id")),
        [_point(point) for point in arguments["points"]],
    )


def _opt_id(stored: Any) -> ParsedId | None:
    return None if stored is None else decode_id(stored)


def _sync_points_raw(arguments: Any) -> UpdateOperation:
    points = _list(arguments["points"])
    named = [dict(point["vectors"]) for point in points]
    names = list(dict.fromkeys(name for vectors in named for name in vectors))
    if len(names) * len(points) > 1 << 24:
        raise ValueError("too many vector names")
    raw = UpsertRaw(
        [decode_id(point["id"]) for point in points],
        {name: _raw_column([vectors.get(name) for vectors in named]) for name in names},
        [_payload(point.get("payload")) for point in points],
    )
    return SyncPointsRaw(_opt_id(arguments.get("from_id")), _opt_id(arguments.get("to_id")), raw)


def _raw_column(vectors: list[bytes | None]) -> RawColumn:
    data = b"".join([vector or b"" for vector in vectors])
    return (
        np.frombuffer(data, np.uint8),
        bounds_of([len(vector or b"") for vector in vectors]),
        np.array([vector is not None for vector in vectors], np.bool_),
    )


# --- vectors, payloads


def _update_vectors(arguments: Any) -> UpdateOperation:
    points = []
    for stored in arguments["points"]:
        point = PointVectors.__new__(PointVectors)
        put_fields(point, _id=decode_id(stored["id"]), _vectors=_vectors(stored["vector"]))
        points.append(point)
    return UpdateVectors(points, _opt_filter(arguments.get("update_filter")))


def _delete_vectors(arguments: Any) -> UpdateOperation:
    selected, names = arguments
    return DeleteVectors(_ids(selected["points"]), _texts(names))


def _delete_vectors_by_filter(arguments: Any) -> UpdateOperation:
    condition, names = arguments
    return DeleteVectorsByFilter(decode_filter(condition), _texts(names))


def _ids(stored: Any) -> list[ParsedId]:
    return [decode_id(point_id) for point_id in _list(stored)]


def _opt_ids(stored: Any) -> list[ParsedId] | None:
    return None if stored is None else _ids(stored)


def _opt_filter(stored: Any) -> Filter | None:
    return None if stored is None else decode_filter(stored)


def _texts(stored: Any) -> list[str]:
    if not all(isinstance(item, str) for item in _list(stored)):
        raise TypeError("expected a list of texts")
    return list(stored)


def _text(stored: Any) -> str:
    if not isinstance(stored, str):
        raise TypeError("expected text")
    return stored


def _path(stored: Any) -> str:
    return parse_path(_text(stored)).text


def _set_payload(kind: type[SetPayload]) -> Callable[[Any], UpdateOperation]:
    def decoder(arguments: Any) -> UpdateOperation:
        payload, key = _payload(arguments["payload"]), arguments.get("key")
        if payload is None:
            raise TypeError("a payload is a map")
        ids, condition = _opt_ids(arguments.get("points")), _opt_filter(arguments.get("filter"))
        return kind(payload, ids, condition, None if key is None else _path(key))

    return decoder


def _delete_payload(arguments: Any) -> UpdateOperation:
    keys = [_path(key) for key in _list(arguments["keys"])]
    return DeletePayload(keys, _opt_ids(arguments.get("points")), _opt_filter(arguments.get("filter")))


# --- schema


def _create_index(arguments: Any) -> UpdateOperation:
    kind, params = schema_from_json(arguments["field_schema"])
    return CreateFieldIndex(_path(arguments["field_name"]), kind if params is None else params)


def _create_vector_name(arguments: Any) -> UpdateOperation:
    name = _text(arguments["vector_name"])
    ((kind, config),) = arguments["config"].items()
    datatype = config.get("datatype")
    datatype = None if datatype is None else from_wire(VectorStorageDatatype, datatype)
    if kind == "sparse":
        modifier = config.get("modifier")
        return CreateSparseVector(name, None if modifier is None else from_wire(Modifier, modifier), datatype)
    if kind != "dense" or type(config["size"]) is not int or config["size"] <= 0:
        raise ValueError(f"not a vector: {kind!r} of size {config.get('size')!r}")
    multi = config.get("multivector_config")
    if multi is not None:
        multi = MultiVectorConfig(from_wire(MultiVectorComparator, multi["comparator"]))
    return CreateDenseVector(name, config["size"], from_wire(Distance, config["distance"]), multi, datatype)


_DECODERS: dict[str, Callable[[Any], UpdateOperation]] = {
    "upsert_points": _upsert_points,
    "upsert_points_conditional": _conditional,
    "delete_points": lambda v: DeletePoints(_ids(v["ids"])),
    "delete_points_by_filter": lambda v: DeletePointsByFilter(decode_filter(v)),
    "sync_points": _sync_points,
    "sync_points_raw": _sync_points_raw,
    "update_vectors": _update_vectors,
    "delete_vectors": _delete_vectors,
    "delete_vectors_by_filter": _delete_vectors_by_filter,
    "set_payload": _set_payload(SetPayload),
    "overwrite_payload": _set_payload(OverwritePayload),
    "delete_payload": _delete_payload,
    "clear_payload": lambda v: ClearPayload(_ids(v["points"])),
    "clear_payload_by_filter": lambda v: ClearPayloadByFilter(decode_filter(v)),
    "create_index": _create_index,
    "delete_index": lambda v: DeleteFieldIndex(_path(v)),
    "create_vector_name": _create_vector_name,
    "delete_vector_name": lambda v: DeleteVectorName(_text(v["vector_name"])),
}
