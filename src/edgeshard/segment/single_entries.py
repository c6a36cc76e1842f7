"""The vectors of one point, on their way into an appendable segment without columns of length one.

What is not stored plainly (codes beside the vectors, turbo records, vectors that do not fit) has no entry here; the
general way takes it, or says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.models.vectors import SparseVector
from edgeshard.segment.fields import DenseField, MultiField
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField
from edgeshard.storage.convert import row_to_stored, to_stored
from edgeshard.storage.dense import ChunkedDense
from edgeshard.storage.few import ascending

Rows = npt.NDArray[Any]


class Entry(Protocol):
    """One vector in stored form."""

    def logged(self) -> Any:
        """As a column of :func:`edgeshard._native.encode_upsert_raw`."""

    def put(self, offset: int) -> None:
        """Store it at an offset; those left out before it have no vector."""


class DenseEntry:
    """A dense vector; see :func:`entries_of`."""

    __slots__ = ("_field", "_row")

    def __init__(self, field: DenseField, row: Rows) -> None:
        self._field = field
        self._row = row

    def logged(self) -> Rows:
        """See :class:`Entry`."""
        return self._row

    def put(self, offset: int) -> None:
        """See :class:`Entry`."""
        storage = self._field.storage
        assert isinstance(storage, ChunkedDense)
        if storage.count < offset:
            storage.ensure_count(offset)
        storage.put_one(offset, self._row[0])
        self._field.flat.invalidate_one(offset)


class MultiEntry:
    """A multi-vector; see :func:`entries_of`."""

    __slots__ = ("_field", "_rows")

    def __init__(self, field: MultiField, rows: Rows) -> None:
        self._field = field
        self._rows = rows

    def logged(self) -> tuple[Rows, Rows]:
        """See :class:`Entry`."""
        return self._rows.view(np.uint8).reshape(-1), np.array([0, self._rows.nbytes], np.int64)

    def put(self, offset: int) -> None:
        """See :class:`Entry`."""
        storage = self._field.storage
        if storage.count < offset:
            storage.ensure_count(offset)
        storage.put(offset, self._rows)


class SparseEntry:
    """A sparse vector with ascending indices; see :func:`entries_of`."""

    __slots__ = ("_data", "_ends", "_field", "_indices", "_values")

    def __init__(self, field: SparseField, indices: Rows, values: Rows) -> None:
        self._field = field
        self._indices = indices
        self._values = values
        self._ends = np.array([0, len(indices)], np.int64)
        self._data = _native.pack_sparse(self._ends, indices, values)

    def logged(self) -> tuple[Rows, Rows]:
        """See :class:`Entry`."""
        return self._data

    def put(self, offset: int) -> None:
        """See :class:`Entry`."""
        self._field.put_one(offset, self._data[0].tobytes(), self._ends, self._indices, self._values)


def _entry_of(home: Segment, name: str, vector: Any) -> Entry | None:
    """A vector in the form a segment stores it in; None if it is to be stored the general way."""
    field: Any = home.fields.get(name)
    kind = type(field)
    if kind is SparseField:
        if type(vector) is not SparseVector or not ascending(vector._indices):
            return None
        return SparseEntry(field, vector._indices, vector._values)
    spec = None if field is None else field.spec
    if spec is None or type(vector) is not np.ndarray or not vector.shape[0] or vector.shape[-1] != spec.size:
        return None
    if kind is DenseField and vector.ndim == 1 and type(field.storage) is ChunkedDense:
        return DenseEntry(field, row_to_stored(vector, spec.distance, spec.dtype))
    if kind is MultiField:
        rows = vector if vector.ndim == 2 else vector.reshape(1, -1)
        return MultiEntry(field, to_stored(rows, spec.distance, spec.dtype))
    return None


def entries_of(home: Segment, vectors: Any) -> Mapping[str, Entry] | None:
    """The vectors of a point in the form a segment stores them in; None if they are to be stored the general way.

    Args:
        home: the segment.
        vectors: one packed vector, or several by name, see :mod:`edgeshard.shard.prepare`.
    """
    if not home.appendable:
        return None
    if type(vectors) is not dict:
        vectors = {"": vectors}
    entries = {}
    for name, vector in vectors.items():
        entry = _entry_of(home, name, vector)
        if entry is None:
            return None
        entries[name] = entry
    return entries
