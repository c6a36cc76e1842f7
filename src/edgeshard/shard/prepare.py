"""Points as the caller gave them become a validated :class:`Batch` in stored form.

Nothing is written here: whatever is wrong with an update is found before it reaches the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError, VectorDimensionError, WrongVectorKindError
from edgeshard.models.operations import MultiBatch, SparseBatch, UpsertBatch
from edgeshard.models.points import Point, PointVectors
from edgeshard.models.vectors import SparseVector
from edgeshard.segment.batch import Batch, Column, DenseColumn, Ids, Mask, MultiColumn, SparseColumn
from edgeshard.segment.schema import Schema, VectorSchema, shown_name, unknown_vector
from edgeshard.shard.operations import UpsertRaw
from edgeshard.storage.convert import row_to_stored, to_stored
from edgeshard.storage.few import FEW, ascending
from edgeshard.storage.runs import bounds_of

Packed = Any
"""A vector as :class:`Point` keeps it: 1-d array (dense), 2-d array (multi) or :class:`SparseVector`."""

EMPTY_PAYLOAD = b"{}"


def prepare_points(points: Sequence[Point], schema: Schema) -> Batch:
    """A batch from :class:`Point` objects; of several points with one id the last wins.

    Raises:
        VectorNameNotFoundError, VectorDimensionError, WrongVectorKindError: a vector does not fit the shard.
    """
    points = _last_of_each(points)
    ids: Ids = [point._id for point in points]
    payloads: list[bytes | None] = [point._payload or EMPTY_PAYLOAD for point in points]
    return Batch(ids, _columns([point._vectors for point in points], schema), payloads)


def prepare_vectors(points: Sequence[PointVectors], schema: Schema) -> Batch:
    """A batch from :class:`PointVectors` objects; entries for one id are merged, later names winning."""
    merged: dict[int | UUID, Packed] = {}
    for point in points:
        if point._id in merged:
            merged[point._id] = {**by_name(merged[point._id]), **by_name(point._vectors)}
        else:
            merged[point._id] = point._vectors
    return Batch(list(merged), _columns(list(merged.values()), schema), None)


def prepare_columns(batch: UpsertBatch, schema: Schema) -> Batch:
    """A batch from the columnar form; of several rows with one id the last wins."""
    columns: dict[str, Column] = {}
    for name, vectors in batch.vectors.items():
        spec = _spec(schema, name)
        if spec.kind == "sparse":
            if not isinstance(vectors, SparseBatch):
                raise wrong_kind(spec, name)
            columns[name] = _sorted_sparse(vectors.indptr, vectors.indices, vectors.values, None)
        elif isinstance(vectors, MultiBatch):
            _require(spec.kind == "multi", spec, name, given="multi")
            columns[name] = MultiColumn(vectors.indptr, _store_rows(vectors.rows, spec, name))
        else:
            if isinstance(vectors, SparseBatch):
                raise wrong_kind(spec, name, given="sparse")
            rows = _store_rows(vectors, spec, name)
            columns[name] = _one_row_each(rows) if spec.kind == "multi" else DenseColumn(rows)
    count = len(batch.ids)
    given = batch.payloads or [None] * count
    payloads: list[bytes | None] = [payload or EMPTY_PAYLOAD for payload in given]
    whole = Batch(batch.ids, columns, payloads)
    chosen = _last_positions(batch.ids)
    return whole if chosen is None else whole.take(chosen)


def prepare_raw(operation: UpsertRaw, schema: Schema) -> Batch | None:
    """A batch from stored bytes; None if the log names only vectors the shard does not have.

    Other names the shard does not have are left out (see :mod:`edgeshard.shard.logged_names`).

    Raises:
        ValidationError: bytes that are no vectors of the shard.
    """
    columns: dict[str, Column] = {}
    for name, (data, bounds, present) in operation.vectors.items():
        if name in schema:
            columns[name] = _raw_column(data, bounds, present, schema[name], name)
    if operation.vectors and not columns:
        return None
    whole = Batch(operation.ids, columns, [payload or EMPTY_PAYLOAD for payload in operation.payloads])
    chosen = _last_positions(operation.ids)
    return whole if chosen is None else whole.take(chosen)


def _raw_column(
    data: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    present: Mask,
    spec: VectorSchema,
    name: str,
) -> Column:
    marks = None if bool(present.all()) else present
    if spec.kind == "sparse":
        try:
            return SparseColumn(*_native.unpack_sparse(data, bounds), marks)
        except ValueError as error:
            raise ValidationError(f"a logged vector {name!r} is no sparse vector: {error}") from error
    row_bytes = _row_bytes(spec)
    lengths = np.diff(bounds)
    fits = lengths % row_bytes == 0 if spec.kind == "multi" else (lengths == row_bytes) | ~present
    if not bool(fits.all()):
        wrong = int(lengths[~fits][0])
        raise ValidationError(f"a logged vector {name!r} has {wrong} bytes, rows of {row_bytes} were expected")
    rows = data.view(np.uint8).reshape(-1, row_bytes).view(spec.dtype)
    if spec.kind == "multi":
        return MultiColumn(bounds // row_bytes, rows, marks)
    if marks is None:
        return DenseColumn(rows)
    spread = np.ones((len(present), rows.shape[1]), rows.dtype)
    spread[present] = rows
    return DenseColumn(spread, marks)


def _row_bytes(spec: VectorSchema) -> int:
    if spec.turbo_bits is None:
        return spec.size * spec.dtype.itemsize
    from edgeshard.index.turbo import record_bytes

    return int(record_bytes(spec.size, spec.distance, spec.turbo_bits))


def _last_of_each(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) < 2:
        return points
    last = {point._id: point for point in points}
    return points if len(last) == len(points) else list(last.values())


def _last_positions(ids: Ids) -> npt.NDArray[np.int64] | None:
    """Positions of the last row of each id in ascending order, None if no id repeats."""
    if isinstance(ids, np.ndarray):
        if len(ids) < 2 or bool((ids[1:] > ids[:-1]).all()):
            return None
        unique, first_from_end = np.unique(ids[::-1], return_index=True)
        return None if len(unique) == len(ids) else np.sort(len(ids) - 1 - first_from_end)
    last = {point_id: position for position, point_id in enumerate(ids)}
    return None if len(last) == len(ids) else np.array(sorted(last.values()), np.int64)


def by_name(vectors: Packed) -> dict[str, Packed]:
    """Vectors of a point by name, whether it was given one or several."""
    return vectors if isinstance(vectors, dict) else {"": vectors}


def _spec(schema: Schema, name: str) -> VectorSchema:
    try:
        return schema[name]
    except KeyError:
        raise unknown_vector(name, schema) from None


def _columns(vectors: list[Packed], schema: Schema) -> dict[str, Column]:
    """Columns of all names any of the points has."""
    if vectors and not any(isinstance(vector, dict) for vector in vectors):
        return {"": _column(vectors, _spec(schema, ""), "")}
    named = [by_name(vector) for vector in vectors]
    names = dict.fromkeys(name for entry in named for name in entry)
    return {name: _column([entry.get(name) for entry in named], _spec(schema, name), name) for name in names}


def _column(vectors: list[Packed], spec: VectorSchema, name: str) -> Column:
    """One column; None entries are absent vectors."""
    missing = [vector is None for vector in vectors] if None.__class__ in map(type, vectors) else []
    present = ~np.array(missing, np.bool_) if any(missing) else None
    if spec.kind == "sparse":
        return _sparse_column(vectors, spec, name, present)
    if spec.kind == "multi":
        return _multi_column(vectors, spec, name, present)
    size = spec.size
    for vector in vectors:
        if vector is not None and (type(vector) is not np.ndarray or vector.shape != (size,)):
            check_dense(vector, spec, name)
    if present is None and vectors:
        if len(vectors) == 1 and spec.turbo_bits is None:
            return DenseColumn(row_to_stored(vectors[0], spec.distance, spec.dtype))
        return DenseColumn(_store_rows(np.concatenate(vectors).reshape(-1, size), spec, name, in_place=True))
    rows = np.ones((len(vectors), size), np.float32)
    for place, vector in enumerate(vectors):
        if vector is not None:
            rows[place] = vector
    return DenseColumn(_store_rows(rows, spec, name), present)


def check_dense(vector: Packed, spec: VectorSchema, name: str) -> None:
    """Raise what is wrong with a vector for a dense field, if anything is."""
    _require(not isinstance(vector, SparseVector), spec, name, given="sparse")
    _require(vector.ndim == 1, spec, name, given="multi")
    if vector.shape[0] != spec.size:
        raise VectorDimensionError(spec.size, vector.shape[0], name)


def _multi_column(vectors: list[Packed], spec: VectorSchema, name: str, present: Mask | None) -> MultiColumn:
    blocks = []
    for vector in vectors:
        if vector is None:
            blocks.append(np.zeros((0, spec.size), np.float32))
            continue
        _require(not isinstance(vector, SparseVector), spec, name, given="sparse")
        block = vector.reshape(1, -1) if vector.ndim == 1 else vector
        if block.shape[1] != spec.size:
            raise VectorDimensionError(spec.size, block.shape[1], name)
        if not len(block):
            raise ValidationError(f"multi-vector {name!r} has no rows: give at least one vector of {spec.size} numbers")
        blocks.append(block)
    if len(blocks) == 1:
        rows = blocks[0]
    else:
        rows = np.concatenate(blocks) if blocks else np.zeros((0, spec.size), np.float32)
    return MultiColumn(bounds_of([len(block) for block in blocks]), _store_rows(rows, spec, name), present)


def _sparse_column(vectors: list[Packed], spec: VectorSchema, name: str, present: Mask | None) -> SparseColumn:
    for vector in vectors:
        _require(vector is None or isinstance(vector, SparseVector), spec, name, given="dense")
    if len(vectors) == 1 and present is None:
        only = vectors[0]
        return _sorted_sparse(bounds_of([len(only._indices)]), only._indices, only._values, None)
    indptr = bounds_of([0 if vector is None else len(vector._indices) for vector in vectors])
    parts = [vector for vector in vectors if vector is not None]
    indices = np.concatenate([part._indices for part in parts]) if parts else np.zeros(0, np.uint32)
    values = np.concatenate([part._values for part in parts]) if parts else np.zeros(0, np.float32)
    if len(parts) <= FEW and all(ascending(part._indices) for part in parts):
        return SparseColumn(indptr, indices, values, present)
    return _sorted_sparse(indptr, indices, values, present)


def _sorted_sparse(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    present: Mask | None,
) -> SparseColumn:
    """Entries with ascending indices inside each point, values moving along."""
    if len(indices) > 1 and (len(indptr) > 2 or not ascending(indices)):
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        inside = rows[1:] == rows[:-1]
        if bool((inside & (indices[1:] <= indices[:-1])).any()):
            order = np.lexsort((indices, rows))
            indices, values = indices[order], values[order]
            repeated = inside & (indices[1:] == indices[:-1])
            if bool(repeated.any()):
                index = int(indices[1:][repeated][0])
                raise ValidationError(f"sparse vector holds index {index} twice: add the two values up")
    return SparseColumn(indptr, indices, values, present)


def _one_row_each(rows: npt.NDArray[np.generic]) -> MultiColumn:
    return MultiColumn(np.arange(len(rows) + 1, dtype=np.int64), rows)


def _store_rows(
    rows: npt.NDArray[Any], spec: VectorSchema, name: str, *, in_place: bool = False
) -> npt.NDArray[np.generic]:
    """Rows in stored form; ``in_place`` may overwrite float32 ``rows`` with it."""
    if rows.ndim != 2 or rows.shape[1] != spec.size:
        raise VectorDimensionError(spec.size, rows.shape[-1], name)
    if spec.turbo_bits is not None:
        from edgeshard.index.turbo import encode_rows

        return encode_rows(rows, spec.distance, spec.turbo_bits)
    out = rows if in_place and rows.dtype == spec.dtype else None
    return to_stored(rows, spec.distance, spec.dtype, out)


def _require(condition: bool, spec: VectorSchema, name: str, given: str = "dense") -> None:
    if not condition:
        raise wrong_kind(spec, name, given)


def wrong_kind(spec: VectorSchema, name: str, given: str = "dense") -> WrongVectorKindError:
    """The error for a vector of another kind than a name stores."""
    what = "sparse" if "sparse" in (spec.kind, given) else "multi"
    return WrongVectorKindError(
        f"Wrong usage of {what} vectors: {shown_name(name)} stores {spec.kind} vectors, a {given} one was given"
    )
