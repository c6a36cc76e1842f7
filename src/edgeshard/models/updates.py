"""`UpdateOperation`: what `EdgeShard.update` applies. Factories check their arguments; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from edgeshard.models.base import (
    Model,
    instance,
    instances,
    json_path,
    opt_instance,
    opt_json_path,
    sequence,
    show,
    text,
    texts,
)
from edgeshard.models.config import MultiVectorConfig, vector_size
from edgeshard.models.enums import Distance, Modifier, PayloadSchemaType, UpdateMode, VectorStorageDatatype
from edgeshard.models.filters import Filter
from edgeshard.models.ids import PointId, parse_ids
from edgeshard.models.indexes import INDEX_PARAMS, IndexParams
from edgeshard.models.payload import Payload, encode_payload
from edgeshard.models.points import Point, PointVectors

if TYPE_CHECKING:
    from edgeshard.models.column_types import Ids, Payloads, Vectors

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
    "UpdateOperation",
    "UpdateVectors",
    "UpsertBatch",
    "UpsertPoints",
]


class UpdateOperation(Model):
    """A change of a shard; made by the static methods below.

    They return instances of the subclasses in `edgeshard.models.operations`, for which ``_call`` names the
    method and ``_names`` its argument for each field of ``__match_args__``.
    """

    __slots__ = ()
    _call: ClassVar[str] = ""
    _names: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        raise TypeError(
            "cannot create 'UpdateOperation' instances; use a factory, as UpdateOperation.upsert_points(...)"
        )

    def __repr__(self) -> str:
        return f"UpdateOperation.{self._call}({', '.join(self._shown())})"

    def _shown(self) -> Iterable[str]:
        for field, name in zip(self.__match_args__, self._names, strict=True):  # type: ignore[attr-defined]
            value = getattr(self, field)
            if value is not None:
                yield f"{name}={show(value)}"

    @staticmethod
    def upsert_points(
        points: Iterable[Point], condition: Filter | None = None, update_mode: UpdateMode | None = None
    ) -> UpdateOperation:
        """An operation that stores points, replacing those of the same id whole.

        Args:
            points: the points; of several with one id the last counts.
            condition: points that exist are only replaced if they match.
            update_mode: store only new points, or only existing ones; both if None.
        """
        return UpsertPoints(
            _points(points, Point, "points"),
            opt_instance(condition, Filter, "condition"),
            opt_instance(update_mode, UpdateMode, "update_mode"),
        )

    @staticmethod
    def upsert_batch(ids: Ids, vectors: Vectors, payloads: Payloads | None = None) -> UpdateOperation:
        """An operation that stores points given as columns, without an object per point.

        Args:
            ids: ``(n,)`` integers as an array, or a list of ids; of several rows with one id the last counts.
            vectors: an ``(n, dim)`` array for the unnamed vector, or a dict of columns by vector name. A
                column is an ``(n, dim)`` array (dense), a triple ``(indptr, indices, values)`` or a SciPy CSR
                matrix (sparse), a pair ``(indptr, rows)`` or a list of n 2-D arrays (multi-vectors).
            payloads: n dicts, JSON texts (bytes or str) or None; or a table of n rows whose columns become payload
                keys (nulls are left out): a pyarrow Table or RecordBatch, a pandas DataFrame, or a frame of another
                library with Arrow's PyCapsule interface, such as Polars.

        Raises:
            ValidationError: columns of different lengths, NaN or infinity in vectors, JSON that is no object.
            TypeError: a column that cannot be read.
        """
        from edgeshard.models.batches import upsert_batch

        return upsert_batch(ids, vectors, payloads)

    @staticmethod
    def delete_points(point_ids: Iterable[PointId]) -> UpdateOperation:
        """An operation that deletes points; unknown ids are ignored."""
        return DeletePoints(parse_ids(point_ids))

    @staticmethod
    def delete_points_by_filter(filter: Filter) -> UpdateOperation:
        """An operation that deletes all points that match `filter`."""
        return DeletePointsByFilter(instance(filter, Filter, "filter"))

    @staticmethod
    def update_vectors(point_vectors: Iterable[PointVectors], condition: Filter | None = None) -> UpdateOperation:
        """An operation that replaces the vectors given, of existing points (which match `condition`)."""
        return UpdateVectors(
            _points(point_vectors, PointVectors, "point_vectors"),
            opt_instance(condition, Filter, "condition"),
        )

    @staticmethod
    def delete_vectors(point_ids: Iterable[PointId], vector_names: Iterable[str]) -> UpdateOperation:
        """An operation that deletes vectors of points by vector name."""
        return DeleteVectors(parse_ids(point_ids), list(texts(vector_names, "vector_names")))

    @staticmethod
    def delete_vectors_by_filter(filter: Filter, vector_names: Iterable[str]) -> UpdateOperation:
        """An operation that deletes vectors, by vector name, of all points that match `filter`."""
        return DeleteVectorsByFilter(instance(filter, Filter, "filter"), list(texts(vector_names, "vector_names")))

    @staticmethod
    def set_payload(point_ids: Iterable[PointId], payload: Payload, key: str | None = None) -> UpdateOperation:
        """An operation that merges `payload` into that of points, at the path `key` if given.

        A key whose new value is None is removed from payloads that there are; of a point without one, that is kept.
        """
        return SetPayload(encode_payload(payload), parse_ids(point_ids), None, opt_json_path(key, "key"))

    @staticmethod
    def set_payload_by_filter(filter: Filter, payload: Payload, key: str | None = None) -> UpdateOperation:
        """`set_payload` for all points that match `filter`."""
        return SetPayload(encode_payload(payload), None, instance(filter, Filter, "filter"), opt_json_path(key, "key"))

    @staticmethod
    def delete_payload(point_ids: Iterable[PointId], keys: Iterable[str]) -> UpdateOperation:
        """An operation that deletes payload paths of points."""
        return DeletePayload(_paths(keys), parse_ids(point_ids), None)

    @staticmethod
    def delete_payload_by_filter(filter: Filter, keys: Iterable[str]) -> UpdateOperation:
        """An operation that deletes payload paths of all points that match `filter`."""
        return DeletePayload(_paths(keys), None, instance(filter, Filter, "filter"))

    @staticmethod
    def clear_payload(point_ids: Iterable[PointId]) -> UpdateOperation:
        """An operation that deletes the whole payload of points."""
        return ClearPayload(parse_ids(point_ids))

    @staticmethod
    def clear_payload_by_filter(filter: Filter) -> UpdateOperation:
        """An operation that deletes the whole payload of all points that match `filter`."""
        return ClearPayloadByFilter(instance(filter, Filter, "filter"))

    @staticmethod
    def overwrite_payload(point_ids: Iterable[PointId], payload: Payload, key: str | None = None) -> UpdateOperation:
        """An operation that replaces the whole payload of points; `key` is ignored."""
        return OverwritePayload(encode_payload(payload), parse_ids(point_ids), None, opt_json_path(key, "key"))

    @staticmethod
    def overwrite_payload_by_filter(filter: Filter, payload: Payload, key: str | None = None) -> UpdateOperation:
        """An operation that replaces the payload of all points that match `filter`; `key` is ignored."""
        return OverwritePayload(
            encode_payload(payload), None, instance(filter, Filter, "filter"), opt_json_path(key, "key")
        )

    @staticmethod
    def create_field_index(field_name: str, schema: PayloadSchemaType | IndexParams) -> UpdateOperation:
        """An operation that indexes a payload path, by index type or with parameters."""
        return CreateFieldIndex(
            json_path(field_name, "field_name"),
            instance(schema, (PayloadSchemaType, *INDEX_PARAMS), "schema"),
        )

    @staticmethod
    def delete_field_index(field_name: str) -> UpdateOperation:
        """An operation that deletes the index of a payload path, if there is one."""
        return DeleteFieldIndex(json_path(field_name, "field_name"))

    @staticmethod
    def create_dense_vector(
        vector_name: str,
        size: int,
        distance: Distance,
        multivector_config: MultiVectorConfig | None = None,
        datatype: VectorStorageDatatype | None = None,
    ) -> UpdateOperation:
        """An operation that adds a dense vector (or multi-vector) to the shard; existing points lack it.

        Raises:
            ValidationError: `size` is 0.
        """
        return CreateDenseVector(
            text(vector_name, "vector_name"),
            vector_size(size),
            instance(distance, Distance, "distance"),
            opt_instance(multivector_config, MultiVectorConfig, "multivector_config"),
            opt_instance(datatype, VectorStorageDatatype, "datatype"),
        )

    @staticmethod
    def create_sparse_vector(
        vector_name: str, modifier: Modifier | None = None, datatype: VectorStorageDatatype | None = None
    ) -> UpdateOperation:
        """An operation that adds a sparse vector to the shard; existing points lack it."""
        return CreateSparseVector(
            text(vector_name, "vector_name"),
            opt_instance(modifier, Modifier, "modifier"),
            opt_instance(datatype, VectorStorageDatatype, "datatype"),
        )

    @staticmethod
    def delete_vector_name(vector_name: str) -> UpdateOperation:
        """An operation that removes a vector from the shard, and from all points."""
        return DeleteVectorName(text(vector_name, "vector_name"))


def _points(points: Iterable[Any], kind: type, name: str) -> list[Any]:
    return list(instances(points, kind, name))


def _paths(keys: Iterable[str]) -> list[str]:
    return [json_path(key, "keys") for key in sequence(keys, "keys")]


# The kinds of operations derive from the class above, so this import has to wait for it.
from edgeshard.models.operations import (  # noqa: E402
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
