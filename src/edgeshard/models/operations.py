"""The kinds of `UpdateOperation`, as the write-ahead log and the segments see them.

Their constructors check nothing: the factories of `UpdateOperation` do, and the log is checked when it is
decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.models.base import Model, put_fields, show
from edgeshard.models.config import MultiVectorConfig
from edgeshard.models.enums import Distance, Modifier, PayloadSchemaType, UpdateMode, VectorStorageDatatype
from edgeshard.models.filters import Filter
from edgeshard.models.ids import ParsedId
from edgeshard.models.indexes import IndexParams
from edgeshard.models.payload import decode_json
from edgeshard.models.points import Point, PointVectors
from edgeshard.models.updates import UpdateOperation

__all__ = [
    "ClearPayload",
    "ClearPayloadByFilter",
    "CreateDenseVector",
    "CreateFieldIndex",
    "CreateSparseVector",
    "DeleteFieldIndex",
    "DeletePayload",
    "DeletePoints",
    "DeletePointsByFilter",
    "DeleteVectorName",
    "DeleteVectors",
    "DeleteVectorsByFilter",
    "MultiBatch",
    "OverwritePayload",
    "SetPayload",
    "SparseBatch",
    "UpdateVectors",
    "UpsertBatch",
    "UpsertPoints",
]


class UpsertPoints(UpdateOperation, public=False):
    """Store points; `condition` and `mode` decide what happens to points that exist."""

    __slots__ = ("condition", "mode", "points")
    __match_args__ = ("points", "condition", "mode")
    _call = "upsert_points"
    _names = ("points", "condition", "update_mode")

    points: list[Point]
    condition: Filter | None
    mode: UpdateMode | None

    def __init__(self, points: list[Point], condition: Filter | None = None, mode: UpdateMode | None = None) -> None:
        put_fields(self, points=points, condition=condition, mode=mode)


class SparseBatch(Model, public=False):
    """Sparse vectors as a CSR matrix: vector i is ``indptr[i]:indptr[i + 1]`` of `indices` and `values`."""

    __slots__ = ("indices", "indptr", "values")
    __match_args__ = ("indptr", "indices", "values")

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]

    def __init__(
        self, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]
    ) -> None:
        put_fields(self, indptr=indptr, indices=indices, values=values)

    def __len__(self) -> int:
        return len(self.indptr) - 1


class MultiBatch(Model, public=False):
    """Multi-vectors one after the other: vector i is ``rows[indptr[i]:indptr[i + 1]]`` of a 2-D array."""

    __slots__ = ("indptr", "rows")
    __match_args__ = ("indptr", "rows")

    indptr: npt.NDArray[np.int64]
    rows: npt.NDArray[np.float32]

    def __init__(self, indptr: npt.NDArray[np.int64], rows: npt.NDArray[np.float32]) -> None:
        put_fields(self, indptr=indptr, rows=rows)

    def __len__(self) -> int:
        return len(self.indptr) - 1


class UpsertBatch(UpdateOperation, public=False):
    """Store points given as columns: ids, one matrix per vector name (``""`` is unnamed), JSON payloads."""

    __slots__ = ("ids", "payloads", "vectors")
    __match_args__ = ("ids", "vectors", "payloads")
    _call = "upsert_batch"
    _names = ("ids", "vectors", "payloads")

    ids: npt.NDArray[np.uint64] | list[ParsedId]
    vectors: dict[str, npt.NDArray[np.float32] | SparseBatch | MultiBatch]
    payloads: list[bytes | None] | None

    def __init__(
        self,
        ids: npt.NDArray[np.uint64] | list[ParsedId],
        vectors: dict[str, npt.NDArray[np.float32] | SparseBatch | MultiBatch],
        payloads: list[bytes | None] | None = None,
    ) -> None:
        put_fields(self, ids=ids, vectors=vectors, payloads=payloads)

    def _shown(self) -> Iterable[str]:
        yield f"ids={show(list(self.ids) if isinstance(self.ids, list) else self.ids.tolist())}"
        vectors = {name: _plain(batch) for name, batch in self.vectors.items()}
        yield f"vectors={show(vectors)}"
        if self.payloads is not None:
            yield f"payloads={self.payloads!r}"


class DeletePoints(UpdateOperation, public=False):
    """Delete points; unknown ids are ignored."""

    __slots__ = ("ids",)
    __match_args__ = ("ids",)
    _call = "delete_points"
    _names = ("point_ids",)

    ids: list[ParsedId]

    def __init__(self, ids: list[ParsedId]) -> None:
        put_fields(self, ids=ids)


class DeletePointsByFilter(UpdateOperation, public=False):
    """Delete all points that match."""

    __slots__ = ("filter",)
    __match_args__ = ("filter",)
    _call = "delete_points_by_filter"
    _names = ("filter",)

    filter: Filter

    def __init__(self, filter: Filter) -> None:
        put_fields(self, filter=filter)


class UpdateVectors(UpdateOperation, public=False):
    """Replace the vectors named, of points that exist (and match `condition`)."""

    __slots__ = ("condition", "points")
    __match_args__ = ("points", "condition")
    _call = "update_vectors"
    _names = ("point_vectors", "condition")

    points: list[PointVectors]
    condition: Filter | None

    def __init__(self, points: list[PointVectors], condition: Filter | None = None) -> None:
        put_fields(self, points=points, condition=condition)


class DeleteVectors(UpdateOperation, public=False):
    """Delete the vectors named."""

    __slots__ = ("ids", "names")
    __match_args__ = ("ids", "names")
    _call = "delete_vectors"
    _names = ("point_ids", "vector_names")

    ids: list[ParsedId]
    names: list[str]

    def __init__(self, ids: list[ParsedId], names: list[str]) -> None:
        put_fields(self, ids=ids, names=names)


class DeleteVectorsByFilter(UpdateOperation, public=False):
    """Delete the vectors named, of all points that match."""

    __slots__ = ("filter", "names")
    __match_args__ = ("filter", "names")
    _call = "delete_vectors_by_filter"
    _names = ("filter", "vector_names")

    filter: Filter
    names: list[str]

    def __init__(self, filter: Filter, names: list[str]) -> None:
        put_fields(self, filter=filter, names=names)


class _Selected(UpdateOperation, public=False):
    """An operation on the payload of points given by `ids`, or by `filter`."""

    __slots__ = ("filter", "ids")

    ids: list[ParsedId] | None
    filter: Filter | None

    def __repr__(self) -> str:
        suffix = "" if self.filter is None else "_by_filter"
        return f"UpdateOperation.{self._call}{suffix}({', '.join(self._shown())})"


class SetPayload(_Selected, public=False):
    """Merge a JSON payload into that of points, at `key` if given."""

    __slots__ = ("key", "payload")
    __match_args__ = ("payload", "ids", "filter", "key")
    _call = "set_payload"

    payload: bytes
    key: str | None

    def __init__(
        self, payload: bytes, ids: list[ParsedId] | None, filter: Filter | None = None, key: str | None = None
    ) -> None:
        put_fields(self, payload=payload, ids=ids, filter=filter, key=key)

    def _shown(self) -> Iterable[str]:
        yield f"point_ids={show(self.ids)}" if self.filter is None else f"filter={self.filter!r}"
        yield f"payload={show(decode_json(self.payload))}"
        if self.key is not None:
            yield f"key={self.key!r}"


class OverwritePayload(SetPayload, public=False):
    """Replace the payload of points by a JSON payload; `key` is ignored, as ``qdrant_edge`` does."""

    __slots__ = ()
    _call = "overwrite_payload"


class DeletePayload(_Selected, public=False):
    """Delete payload paths."""

    __slots__ = ("keys",)
    __match_args__ = ("keys", "ids", "filter")
    _call = "delete_payload"

    keys: list[str]

    def __init__(self, keys: list[str], ids: list[ParsedId] | None, filter: Filter | None = None) -> None:
        put_fields(self, keys=keys, ids=ids, filter=filter)

    def _shown(self) -> Iterable[str]:
        yield f"point_ids={show(self.ids)}" if self.filter is None else f"filter={self.filter!r}"
        yield f"keys={self.keys!r}"


class ClearPayload(UpdateOperation, public=False):
    """Delete the whole payload of points."""

    __slots__ = ("ids",)
    __match_args__ = ("ids",)
    _call = "clear_payload"
    _names = ("point_ids",)

    ids: list[ParsedId]

    def __init__(self, ids: list[ParsedId]) -> None:
        put_fields(self, ids=ids)


class ClearPayloadByFilter(UpdateOperation, public=False):
    """Delete the whole payload of all points that match."""

    __slots__ = ("filter",)
    __match_args__ = ("filter",)
    _call = "clear_payload_by_filter"
    _names = ("filter",)

    filter: Filter

    def __init__(self, filter: Filter) -> None:
        put_fields(self, filter=filter)


class CreateFieldIndex(UpdateOperation, public=False):
    """Index a payload path; an index of another kind there is replaced."""

    __slots__ = ("field", "schema")
    __match_args__ = ("field", "schema")
    _call = "create_field_index"
    _names = ("field_name", "schema")

    field: str
    schema: PayloadSchemaType | IndexParams

    def __init__(self, field: str, schema: PayloadSchemaType | IndexParams) -> None:
        put_fields(self, field=field, schema=schema)


class DeleteFieldIndex(UpdateOperation, public=False):
    """Delete the index of a payload path, if there is one."""

    __slots__ = ("field",)
    __match_args__ = ("field",)
    _call = "delete_field_index"
    _names = ("field_name",)

    field: str

    def __init__(self, field: str) -> None:
        put_fields(self, field=field)


class CreateDenseVector(UpdateOperation, public=False):
    """Add a dense vector to the shard; existing points lack it."""

    __slots__ = ("datatype", "distance", "multivector_config", "name", "size")
    __match_args__ = ("name", "size", "distance", "multivector_config", "datatype")
    _call = "create_dense_vector"
    _names = ("vector_name", "size", "distance", "multivector_config", "datatype")

    name: str
    size: int
    distance: Distance
    multivector_config: MultiVectorConfig | None
    datatype: VectorStorageDatatype | None

    def __init__(
        self,
        name: str,
        size: int,
        distance: Distance,
        multivector_config: MultiVectorConfig | None = None,
        datatype: VectorStorageDatatype | None = None,
    ) -> None:
        put_fields(
            self,
            name=name,
            size=size,
            distance=distance,
            multivector_config=multivector_config,
            datatype=datatype,
        )


class CreateSparseVector(UpdateOperation, public=False):
    """Add a sparse vector to the shard; existing points lack it."""

    __slots__ = ("datatype", "modifier", "name")
    __match_args__ = ("name", "modifier", "datatype")
    _call = "create_sparse_vector"
    _names = ("vector_name", "modifier", "datatype")

    name: str
    modifier: Modifier | None
    datatype: VectorStorageDatatype | None

    def __init__(
        self, name: str, modifier: Modifier | None = None, datatype: VectorStorageDatatype | None = None
    ) -> None:
        put_fields(self, name=name, modifier=modifier, datatype=datatype)


class DeleteVectorName(UpdateOperation, public=False):
    """Remove a vector from the shard, if it has it, and from all points."""

    __slots__ = ("name",)
    __match_args__ = ("name",)
    _call = "delete_vector_name"
    _names = ("vector_name",)

    name: str

    def __init__(self, name: str) -> None:
        put_fields(self, name=name)


def _plain(batch: npt.NDArray[np.float32] | SparseBatch | MultiBatch) -> Any:
    """What `UpdateOperation.upsert_batch` takes for a column."""
    if isinstance(batch, SparseBatch):
        return SparseColumn(batch)
    if isinstance(batch, MultiBatch):
        return [batch.rows[a:b].tolist() for a, b in zip(batch.indptr[:-1], batch.indptr[1:], strict=True)]
    return batch.tolist()


class SparseColumn:
    """Prints a sparse column as the triple it is built from."""

    __slots__ = ("batch",)

    def __init__(self, batch: SparseBatch) -> None:
        self.batch = batch

    def __repr__(self) -> str:
        batch = self.batch
        return f"({batch.indptr.tolist()}, {batch.indices.tolist()}, {show(batch.values.tolist())})"
