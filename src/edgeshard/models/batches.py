"""Columns of points, as `UpdateOperation.upsert_batch` takes them, checked without an object per point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import ValidationError
from edgeshard.models.base import as_array, text
from edgeshard.models.ids import ParsedId, parse_ids
from edgeshard.models.operations import MultiBatch, SparseBatch, UpsertBatch
from edgeshard.models.options import options
from edgeshard.models.payload import decode_json, encode_payload
from edgeshard.models.vectors import pack_dense

if TYPE_CHECKING:
    from edgeshard.models.column_types import Ids, Payloads, Vectors

__all__ = ["upsert_batch"]

F32Array = npt.NDArray[np.float32]


def upsert_batch(ids: Ids, vectors: Vectors, payloads: Payloads | None = None) -> UpsertBatch:
    """The operation described at `UpdateOperation.upsert_batch`."""
    keys = _ids(ids)
    columns = vectors if isinstance(vectors, Mapping) else {"": vectors}
    packed = {text(name, "vectors"): _column(column, name) for name, column in columns.items()}
    for name, batch in packed.items():
        _same_length(len(keys), len(batch), f"vectors[{name!r}]")
    jsons = None if payloads is None else _payloads(payloads)
    if jsons is not None:
        _same_length(len(keys), len(jsons), "payloads")
    return UpsertBatch(keys, packed, jsons)


def _same_length(ids: int, got: int, what: str) -> None:
    if ids != got:
        raise ValidationError(f"Validation failed: expected {ids} rows in {what}, one per id, got {got}")


def _ids(ids: Any) -> npt.NDArray[np.uint64] | list[ParsedId]:
    if not isinstance(ids, np.ndarray) and hasattr(ids, "__array__") and not isinstance(ids, (list, tuple)):
        ids = as_array(ids, "ids")
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        if ids.ndim != 1:
            raise TypeError(f"ids: expected one dimension, got {ids.ndim}")
        if ids.dtype.kind == "i" and len(ids) and int(ids.min()) < 0:
            raise TypeError(f"ids: expected integers from 0 to 2**64 - 1, got {int(ids.min())}")
        return ids.astype(np.uint64)
    parsed = parse_ids(ids, "ids")
    if all(type(point_id) is int for point_id in parsed):
        return np.array(parsed, np.uint64)
    return parsed


def _column(column: Any, name: str) -> F32Array | SparseBatch | MultiBatch:
    what = f"vectors[{name!r}]"
    if all(hasattr(column, part) for part in ("indptr", "indices", "data")):  # scipy.sparse.csr_array
        return _sparse(column.indptr, column.indices, column.data, what)
    if all(hasattr(column, part) for part in ("indptr", "indices", "values")):
        return _sparse(column.indptr, column.indices, column.values, what)
    if isinstance(column, tuple) and len(column) == 3 and np.ndim(column[0]) == np.ndim(column[2]) == 1:
        return _sparse(*column, what)
    if isinstance(column, tuple) and len(column) == 2 and np.ndim(column[0]) == 1 and np.ndim(column[1]) == 2:
        return _multi(_bounds(column[0], len(column[1]), what), column[1], what)
    if isinstance(column, (list, tuple)) and column and _is_nested(column[0]):
        matrices = [pack_dense(matrix, finite=_finite(), name=what) for matrix in column]
        return _stacked(matrices, what)
    if isinstance(column, np.ndarray) and column.ndim == 3:
        rows = column.reshape(-1, column.shape[2])
        return _multi(np.arange(len(column) + 1, dtype=np.int64) * column.shape[1], rows, what)
    return _dense(column, what)


def _is_nested(row: Any) -> bool:
    if isinstance(row, np.ndarray):
        return row.ndim == 2
    return isinstance(row, (list, tuple)) and len(row) > 0 and isinstance(row[0], (list, tuple, np.ndarray))


def _finite() -> bool:
    return not options.allow_nonfinite_vectors


def _dense(column: Any, what: str) -> F32Array:
    if isinstance(column, (list, tuple)) and not column:
        return np.empty((0, 0), np.float32)
    packed = (
        column
        if isinstance(column, np.ndarray) and column.size == 0
        else pack_dense(column, finite=_finite(), name=what)
    )
    if packed.ndim != 2:
        raise TypeError(f"{what}: expected an (n, dim) array, got {packed.ndim} dimension(s)")
    return packed.astype(np.float32, copy=False)


def _multi(indptr: npt.NDArray[np.int64], rows: Any, what: str) -> MultiBatch:
    if bool((indptr[1:] == indptr[:-1]).any()):
        raise ValidationError(f"Validation failed: {what}: every multi-vector needs at least one row")
    return MultiBatch(indptr, _dense(rows, what))


def _stacked(matrices: list[F32Array], what: str) -> MultiBatch:
    widths = {matrix.shape[1] if matrix.ndim == 2 else -1 for matrix in matrices}
    if len(widths) != 1 or -1 in widths:
        raise ValidationError(f"Validation failed: {what}: expected 2-D arrays of one width")
    indptr = np.zeros(len(matrices) + 1, np.int64)
    np.cumsum([len(matrix) for matrix in matrices], out=indptr[1:])
    return MultiBatch(indptr, np.concatenate(matrices))


def _sparse(indptr: Any, indices: Any, values: Any, what: str) -> SparseBatch:
    weights = pack_dense(values, finite=_finite(), name=what)
    positions = _integers(indices, what)
    if weights.ndim != 1 or len(weights) != len(positions):
        raise ValidationError(f"Validation failed: {what}: expected as many values as indices")
    if len(positions) and (int(positions.min()) < 0 or int(positions.max()) > 0xFFFFFFFF):
        raise OverflowError(f"{what}: expected indices from 0 to 2**32 - 1")
    bounds = _bounds(indptr, len(positions), what)
    batch = SparseBatch(bounds, positions.astype(np.uint32), weights)
    _check_no_index_twice(batch, what)
    return batch


def _check_no_index_twice(batch: SparseBatch, what: str) -> None:
    if len(batch.indices) < 2:
        return
    row = np.repeat(np.arange(len(batch), dtype=np.uint64), np.diff(batch.indptr))
    pairs = np.sort((row << np.uint64(32)) | batch.indices)
    twice = np.flatnonzero(pairs[1:] == pairs[:-1])
    if len(twice):
        pair = int(pairs[twice[0]])
        raise ValidationError(f"Validation failed: {what}: row {pair >> 32} holds index {pair & 0xFFFFFFFF} twice")


def _bounds(indptr: Any, total: int, what: str) -> npt.NDArray[np.int64]:
    bounds = _integers(indptr, what).astype(np.int64)
    if len(bounds) == 0 or bounds[0] != 0 or bounds[-1] != total or bool((np.diff(bounds) < 0).any()):
        raise ValidationError(f"Validation failed: {what}: indptr must rise from 0 to {total}, the number of entries")
    return bounds


def _integers(values: Any, what: str) -> npt.NDArray[Any]:
    array = as_array(values, what)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{what}: expected a flat array of integers, got {array.ndim} dimension(s) of {array.dtype}")
    return array


def _payloads(payloads: Any) -> list[bytes | None]:
    if hasattr(payloads, "to_pylist") and hasattr(payloads, "column_names"):
        return _from_arrow(payloads)
    if hasattr(payloads, "columns") and hasattr(payloads, "iloc"):
        return _from_arrow(_pyarrow().Table.from_pandas(payloads, preserve_index=False))
    if hasattr(payloads, "__arrow_c_stream__"):
        return _from_arrow(_pyarrow().table(payloads))
    if isinstance(payloads, (str, bytes, Mapping)):
        raise TypeError(f"payloads: expected a list, a pyarrow table or a data frame, got {type(payloads).__name__}")
    return [
        encode_payload(payload) if type(payload) is dict else _payload(payload, row)
        for row, payload in enumerate(payloads)
    ]


def _payload(payload: Any, row: int) -> bytes | None:
    if payload is None:
        return None
    if isinstance(payload, (str, bytes)):
        try:
            payload = decode_json(payload if isinstance(payload, bytes) else payload.encode())
        except ValueError as error:
            raise ValidationError(f"Validation failed: payloads[{row}] is not JSON: {error}") from error
        if not isinstance(payload, dict):
            raise ValidationError(
                f"Validation failed: payloads[{row}] must be a JSON object, got {type(payload).__name__}"
            )
    return encode_payload(payload)


def _from_arrow(table: Any) -> list[bytes | None]:
    return [encode_payload(_row(row)) for row in table.to_pylist()]


def _pyarrow() -> Any:
    """What reads data frames: it tells missing values from NaN and keeps integers integers."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError("payloads from a data frame need pyarrow: pip install 'edgeshard[arrow]'") from None
    return pyarrow


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _cell(value) for key, value in row.items() if value is not None}


def _cell(value: Any) -> Any:
    """Dates become RFC 3339 text, which is what date filters read."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, list):
        return [_cell(item) for item in value]
    if isinstance(value, dict):
        return {key: _cell(item) for key, item in value.items()}
    return value
