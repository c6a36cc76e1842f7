"""Operations that change what a shard stores: vector names and payload indexes.

A vector name lives in three places: every segment's ``segment.json``, the segment's files and ``edge_config.json``.
Creating or deleting one is logged and applied; one flush makes all three durable together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeshard.errors import ValidationError
from edgeshard.models.config import EdgeSparseVectorParams, EdgeVectorParams
from edgeshard.models.operations import (
    CreateDenseVector,
    CreateFieldIndex,
    CreateSparseVector,
    DeleteFieldIndex,
    DeleteVectorName,
)
from edgeshard.models.paths import JsonPath
from edgeshard.models.schemas import same_schema, schema_to_json
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.files import add_field, drop_field
from edgeshard.shard import config as configs
from edgeshard.shard.layout import check_vector_name, check_vector_size, field_config, schema_of_config, with_vectors
from edgeshard.shard.operations import encode

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

_KINDS = (CreateFieldIndex, DeleteFieldIndex, CreateDenseVector, CreateSparseVector, DeleteVectorName)


def is_schema_change(operation: object) -> bool:
    """Whether an operation changes what the shard stores rather than points."""
    return isinstance(operation, _KINDS)


def change_schema(store: Store, operation: UpdateOperation) -> None:
    """Validate, log and apply a change of the schema.

    Raises:
        ValidationError: it contradicts what the shard stores; nothing changed.
    """
    if not _needed(store, operation):
        return
    files_change = isinstance(operation, (CreateFieldIndex, DeleteFieldIndex))
    if files_change:  # the journal must not hold writes to files that are about to be replaced
        store.flush(checkpoint=True)
    number = store.log(lambda: encode(operation))
    change_schema_replayed(store, number, operation)
    if files_change:
        store.flush(checkpoint=True)


def change_schema_replayed(store: Store, number: int, operation: Any) -> None:
    """Apply a change of the schema that is in the log."""
    if isinstance(operation, CreateFieldIndex):
        schema = schema_to_json(operation.schema)
        for segment in store.segments:
            if segment.version < number or segment.indexes.schema.get(operation.field) != schema:
                segment.create_index(number, operation.field, schema)
    elif isinstance(operation, DeleteFieldIndex):
        for segment in store.segments:
            if segment.version < number:
                segment.delete_index(number, operation.field)
    elif isinstance(operation, DeleteVectorName):
        _delete_name(store, number, operation.name)
    elif _needed(store, operation):
        _create_name(store, number, operation)


def _needed(store: Store, operation: Any) -> bool:
    """Whether an operation changes anything.

    Raises:
        ValidationError: a vector name exists with other parameters.
    """
    if isinstance(operation, CreateFieldIndex):
        schema = schema_to_json(operation.schema)
        if not isinstance(schema, str) and schema.get("nested"):
            _check_nested(operation.field, schema["nested"])
            if schema.get("is_tenant") or schema.get("is_principal"):
                text = f"nested `{schema['nested']}` can't be combined with `is_tenant` or `is_principal`"
                raise ValidationError(f"Validation failed: {text}")
        indexes = [segment.indexes.schema.get(operation.field) for segment in store.segments]
        return any(stored is None or not same_schema(stored, schema) for stored in indexes)
    if isinstance(operation, DeleteFieldIndex):
        return any(operation.field in segment.indexes.schema for segment in store.segments)
    if isinstance(operation, DeleteVectorName):
        return operation.name in store.schema
    params = _params(operation)
    known = store.config.vectors.get(operation.name) or store.config.sparse_vectors.get(operation.name)
    if known is None:
        return True
    if not _same(known, params):
        raise ValidationError(
            f"Validation failed: vector {operation.name!r} already exists with different parameters; "
            f"it has {known!r}, not {params!r}. Delete it first, or choose another name"
        )
    return False


def _check_nested(field: str, nested: str) -> None:
    """Refuse an index over array elements whose field is not inside them, or which names several array levels."""
    inside = nested if nested.endswith("[]") else f"{nested}[]"
    array, path = JsonPath.parse(inside).steps, JsonPath.parse(field).steps
    if array.count(None) != 1:
        raise ValidationError(f"Validation failed: nested `{inside}` must name one array level, like `offers[]`")
    if len(path) <= len(array) or path[: len(array)] != array:
        raise ValidationError(
            f"Validation failed: field `{field}` must be inside the elements of nested `{inside}`, "
            f"like `{inside}.price`"
        )


def _same(known: Any, wanted: Any) -> bool:
    if type(known) is not type(wanted):
        return False
    sparse = isinstance(wanted, EdgeSparseVectorParams)
    fields = ("modifier",) if sparse else ("size", "distance", "multivector_config")
    same = all(getattr(known, field) == getattr(wanted, field) for field in fields)
    return same and configs.datatype_name(known.datatype) == configs.datatype_name(wanted.datatype)


def _params(operation: CreateDenseVector | CreateSparseVector) -> EdgeVectorParams | EdgeSparseVectorParams:
    check_vector_name(operation.name)
    if isinstance(operation, CreateSparseVector):
        return EdgeSparseVectorParams(modifier=operation.modifier, datatype=operation.datatype)
    params = EdgeVectorParams(
        size=operation.size,
        distance=operation.distance,
        multivector_config=operation.multivector_config,
        datatype=operation.datatype,
    )
    check_vector_size(operation.name, params)
    return params


def _create_name(store: Store, number: int, operation: CreateDenseVector | CreateSparseVector) -> None:
    name = operation.name
    config = with_vectors(store.config, name, _params(operation))
    for segment in store.segments:
        if name not in segment.fields:
            add_field(segment, name, field_config(config, name))
            segment.changes.touch_vectors([name], number)
        segment.version = max(segment.version, number)
    _commit(store, config)


def _delete_name(store: Store, number: int, name: str) -> None:
    for segment in store.segments:
        if name in segment.fields:
            drop_field(segment, name)
        segment.version = max(segment.version, number)
    _commit(store, with_vectors(store.config, name, None))


def _commit(store: Store, config: Any) -> None:
    store.config = config
    store.schema = schema_of_config(config)
    store.flush(checkpoint=True, replacements={store.path / configs.FILE: configs.encoded(store.path, config)})
