"""The vectors of one name inside one segment: their storage, and exact scoring over it.

A field takes and gives vectors in stored form (:mod:`edgeshard.segment.batch`) and scores with similarities, larger
is better. Offsets it is given lie inside the segment; the segment sees to that.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import VectorDimensionError, WrongVectorKindError
from edgeshard.filter.selections import Selection
from edgeshard.index.flat import FlatIndex, MultiFlatIndex
from edgeshard.segment.batch import Column, DenseColumn, Mask, MultiColumn, Offsets
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.sparse_field import SparseField
from edgeshard.segment.stored_vectors import RowGroups, Rows, StoredVectors
from edgeshard.storage.convert import from_stored, row_to_stored, to_stored
from edgeshard.storage.dense import ChunkedDense, MatrixDense
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.multi import MultiDense
from edgeshard.storage.sparse import SparseStorage

Scores = npt.NDArray[np.float32]
Hits: TypeAlias = "tuple[Offsets, Scores]"
"""Offsets and similarities of one query, best first."""


LISTED_SHARE = 0.25
"""Below this share of wanted points a list of them is scored faster than a mask is scanned."""


class Field(Protocol):
    """What a segment asks of the vectors of one name."""

    spec: VectorSchema
    writable: bool
    takes_all: bool
    """Whether :meth:`topk` takes None for a mask of all offsets."""
    indexable: bool
    """Whether an optimisation can build an index for it."""

    @property
    def indexed_count(self) -> int:
        """Vectors that an index finds, deleted ones included."""

    def size_bytes(self, offsets: Offsets) -> int:
        """Bytes of the vectors of some points."""

    def put(self, offsets: Offsets, column: Column) -> None:
        """Store one entry per offset; absent entries become missing vectors."""

    def forget(self, offsets: Offsets) -> None:
        """Mark vectors as missing."""

    def presence(self, total: int) -> Mask:
        """Which of the first ``total`` offsets have this vector."""

    def stored(self, offsets: Offsets) -> Column:
        """Entries in stored form, for moving points between segments."""

    def read(self, offsets: Offsets) -> StoredVectors:
        """Vectors for a result, as they are now."""

    def read_one(self, offset: int) -> Any:
        """:meth:`read` of one point, without its overhead: the vector itself, None where it is missing."""

    def query(self, vector: Any) -> Any:
        """A query vector checked and converted once, for :meth:`topk` and :meth:`sims`."""

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """The best ``k`` of the offsets in ``mask`` for each query, ties by offset; ``params`` are SearchParams."""

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """Similarities ``(len(queries), len(offsets))``."""

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Stored vectors in the form :meth:`sims` and :meth:`pairwise` take."""

    def pairwise(self, left: list[Any], right: list[Any]) -> Scores:
        """Similarities ``(len(left), len(right))`` of vectors in query form."""

    def ensure_count(self, total: int) -> None:
        """Give every offset of the segment an entry: a crash can leave fewer than there are ids."""

    def collect(self, plan: FlushPlan) -> None:
        """Hand unflushed changes to a flush."""

    def close(self) -> None:
        """Release files."""


class RowField:
    """What fields of dense rows have in common, be it one row per point or several: a part of :class:`Field`."""

    __slots__ = ("flat", "spec", "storage", "writable")

    storage: ChunkedDense | MatrixDense | MultiDense
    spec: VectorSchema
    writable: bool
    indexable = True
    takes_all = True

    if TYPE_CHECKING:  # each kind has its own, which mixins extend

        def put(self, offsets: Offsets, column: Column) -> None:
            """See :class:`Field`."""

        def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
            """See :class:`Field`."""

        def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
            """See :class:`Field`."""

        def ensure_count(self, total: int) -> None:
            """See :class:`Field`."""

    @property
    def indexed_count(self) -> int:
        """See :class:`Field`."""
        return 0

    def forget(self, offsets: Offsets) -> None:
        """See :class:`Field`."""
        self.storage.set_deleted(offsets, True)

    def presence(self, total: int) -> Mask:
        """See :class:`Field`."""
        mask = np.zeros(total, np.bool_)
        count = min(total, self.storage.count)
        np.logical_not(self.storage.deleted_mask()[:count], out=mask[:count])
        return mask

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`Field`."""
        self.storage.collect(plan)

    def close(self) -> None:
        """See :class:`Field`."""
        self.storage.close()


class DenseField(RowField):
    """One dense vector per point.

    Args:
        storage: the rows.
        spec: their size, distance and type.
    """

    __slots__ = ()

    storage: ChunkedDense | MatrixDense
    flat: FlatIndex

    def __init__(self, storage: ChunkedDense | MatrixDense, spec: VectorSchema) -> None:
        self.storage = storage
        self.spec = spec
        self.flat = FlatIndex(storage, spec.distance)
        self.writable = isinstance(storage, ChunkedDense)

    def put(self, offsets: Offsets, column: Column) -> None:
        """See :class:`Field`."""
        assert isinstance(column, DenseColumn)
        assert isinstance(self.storage, ChunkedDense)
        self.storage.put(offsets, column.rows)
        self.flat.invalidate(offsets)
        if column.present is not None:
            self.storage.set_deleted(offsets[~column.present], True)

    def size_bytes(self, offsets: Offsets) -> int:
        """See :class:`Field`."""
        return len(offsets) * self.spec.size * self.spec.dtype.itemsize

    def stored(self, offsets: Offsets) -> DenseColumn:
        """See :class:`Field`."""
        present = ~self.storage.deleted_mask()[offsets]
        return DenseColumn(self.storage.get(offsets), None if bool(present.all()) else present)

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        rows = self.storage.get(offsets)  # a copy already
        if rows.dtype != np.float32:
            rows = from_stored(rows, self.spec.dtype)
        return Rows(rows, self.storage.deleted_mask()[offsets])

    def read_one(self, offset: int) -> npt.NDArray[np.float32] | None:
        """See :class:`Field`."""
        storage = self.storage
        if storage.lacks(offset):
            return None
        row = storage.row(offset)
        return row.copy() if row.dtype == np.float32 else from_stored(row, self.spec.dtype)

    def query(self, vector: Any) -> npt.NDArray[np.generic]:
        """See :class:`Field`."""
        row = dense_query(vector, self.spec.size)
        return row_to_stored(row, self.spec.distance, self.spec.dtype)

    def queries(self, rows: npt.NDArray[np.float32]) -> list[Any]:
        """:meth:`query` of each of some vectors ``(q, size)`` at once."""
        return list(to_stored(rows, self.spec.distance, self.spec.dtype)[:, None, :])

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        if mask is None:
            rows = queries[0] if len(queries) == 1 else np.concatenate(queries)
            return self.flat.search(rows, min(k, self.storage.count))
        return self.scan(queries, Selection(mask), k)

    def topk_of(self, queries: list[Any], chosen: Selection, k: int, params: Any = None) -> list[Hits]:
        """:meth:`topk` among the points of a selection."""
        return self.scan(queries, chosen, k)

    def scan(self, queries: list[Any], chosen: Selection, k: int) -> list[Hits]:
        """The best ``k`` of a selection by exact search, whatever index there is."""
        rows = queries[0] if len(queries) == 1 else np.concatenate(queries)
        wanted = len(chosen)
        if wanted < LISTED_SHARE * chosen.total:
            return self.flat.search(rows, k, listed=chosen)  # which takes the smaller of k and their number
        return self.flat.search(rows, min(k, wanted), mask=chosen.mask)

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`."""
        return self.flat.score_matrix(np.concatenate(queries), offsets)

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Stored vectors in the form :meth:`sims` takes."""
        return list(self.storage.get(offsets)[:, None, :])

    def pairwise(self, left: list[Any], right: list[Any]) -> Scores:
        """Similarities ``(len(left), len(right))`` of vectors in query form."""
        rows = np.ascontiguousarray(np.concatenate(right))
        return _native.score_matrix(np.ascontiguousarray(np.concatenate(left)), [rows], None, self.spec.distance)

    def ensure_count(self, total: int) -> None:
        """See :class:`Field`."""
        if isinstance(self.storage, ChunkedDense):
            self.storage.ensure_count(total)


class MultiField(RowField):
    """A multi-vector per point, compared by MaxSim.

    Args:
        storage: rows and the table that says which belong to a point.
        spec: their size, distance and type.
        writable: whether the segment is appendable.
    """

    __slots__ = ()

    storage: MultiDense
    flat: MultiFlatIndex

    def __init__(self, storage: MultiDense, spec: VectorSchema, writable: bool) -> None:
        self.storage = storage
        self.flat = MultiFlatIndex(storage, spec.distance)
        self.spec = spec
        self.writable = writable

    def put(self, offsets: Offsets, column: Column) -> None:
        """See :class:`Field`."""
        assert isinstance(column, MultiColumn)
        if column.present is None:
            self.storage.put_batch(offsets, column.indptr, column.rows)
        else:
            kept = np.flatnonzero(column.present)
            some = column.take(kept)
            self.storage.put_batch(offsets[kept], some.indptr, some.rows)
            self.storage.set_deleted(offsets[~column.present], True)

    def size_bytes(self, offsets: Offsets) -> int:
        """See :class:`Field`. Points count with the mean number of rows, as in Qdrant."""
        total_bytes = self.storage.row_count * self.storage.dim * self.storage.dtype.itemsize
        return total_bytes * len(offsets) // max(self.storage.count, 1)

    def stored(self, offsets: Offsets) -> MultiColumn:
        """See :class:`Field`."""
        indptr, rows = self.storage.get_batch(offsets)
        present = ~self.storage.deleted_mask()[offsets]
        return MultiColumn(indptr, rows, None if bool(present.all()) else present)

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        indptr, rows = self.storage.get_batch(offsets)
        return RowGroups(indptr, from_stored(rows, self.spec.dtype), self.storage.deleted_mask()[offsets])

    def read_one(self, offset: int) -> npt.NDArray[np.float32] | None:
        """See :class:`Field`."""
        storage = self.storage
        if storage.lacks(offset):
            return None
        rows = storage.get(offset)
        return rows.copy() if rows.dtype == np.float32 else from_stored(rows, self.spec.dtype)

    def query(self, vector: Any) -> npt.NDArray[np.generic]:
        """See :class:`Field`."""
        return to_stored(multi_query(vector, self.spec.size), self.spec.distance, self.spec.dtype)

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        return [self.flat.search(query, min(k, self.storage.count), mask=mask) for query in queries]

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`."""
        return np.stack([self.flat.score(query, offsets) for query in queries])

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Stored multi-vectors in the form :meth:`sims` takes."""
        indptr, rows = self.storage.get_batch(offsets)
        return [rows[start:stop] for start, stop in itertools.pairwise(indptr)]

    def pairwise(self, left: list[Any], right: list[Any]) -> Scores:
        """Similarities ``(len(left), len(right))`` of multi-vectors in query form."""
        counts = np.array([len(rows) for rows in right], np.uint32)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.uint32)
        rows = np.ascontiguousarray(np.concatenate(right))
        everything = np.arange(len(right), dtype=np.uint32)
        distance = self.spec.distance
        return np.stack([_native.maxsim_offsets(query, [rows], first, counts, everything, distance) for query in left])

    def ensure_count(self, total: int) -> None:
        """See :class:`Field`."""
        if self.writable:
            self.storage.ensure_count(total)


def dense_query(vector: Any, size: int) -> npt.NDArray[np.float32]:
    """A query for one vector per point: ``(size,)``.

    Raises:
        WrongVectorKindError, VectorDimensionError: it does not fit the field.
    """
    if not isinstance(vector, np.ndarray):
        raise WrongVectorKindError("Wrong usage of sparse vectors: a dense field needs a dense query")
    if vector.ndim != 1:
        raise WrongVectorKindError("Wrong usage of multi vectors: a dense field needs a dense query")
    if len(vector) != size:
        raise VectorDimensionError(size, len(vector))
    return vector


def multi_query(vector: Any, size: int) -> npt.NDArray[np.float32]:
    """A query for multi-vectors: ``(rows, size)``, one row if it is a single vector.

    Raises:
        WrongVectorKindError, VectorDimensionError: it does not fit the field.
    """
    if not isinstance(vector, np.ndarray):
        raise WrongVectorKindError("Wrong usage of sparse vectors: a multi-vector field needs dense rows")
    rows = vector.reshape(1, -1) if vector.ndim == 1 else vector
    if rows.shape[1] != size:
        raise VectorDimensionError(size, rows.shape[1])
    return rows


def open_field(
    path: Path, name: str, spec: VectorSchema, *, storage_type: str, appendable: bool, read_only: bool, points: int
) -> Field:
    """The field of a vector name in a directory of a segment with so many points.

    Raises:
        CorruptedError: its files are missing or damaged.
    """
    directory = vector_directory(path, name)
    if spec.kind == "sparse":
        return SparseField(SparseStorage.open(directory, read_only=read_only, points=points), spec, appendable)
    if spec.turbo_bits is not None:
        from edgeshard.segment.turbo_fields import open_turbo_field

        return open_turbo_field(directory, spec, storage_type=storage_type, appendable=appendable, read_only=read_only)
    if spec.kind == "multi":
        multi = MultiDense.open(directory, spec.size, spec.dtype, read_only=read_only, appendable=appendable)
        return MultiField(multi, spec, appendable)
    if storage_type in ("ChunkedMmap", "InRamChunkedMmap"):
        return DenseField(ChunkedDense.open(directory, spec.size, spec.dtype, read_only=read_only), spec)
    return DenseField(MatrixDense.open(directory, spec.size, spec.dtype, read_only=read_only), spec)


def create_field(path: Path, name: str, spec: VectorSchema) -> Field:
    """A new, empty, appendable field."""
    directory = vector_directory(path, name)
    if spec.kind == "sparse":
        return SparseField(SparseStorage.create(directory), spec, True)
    if spec.turbo_bits is not None:
        from edgeshard.segment.turbo_fields import create_turbo_field

        return create_turbo_field(directory, spec)
    if spec.kind == "multi":
        return MultiField(MultiDense.create(directory, spec.size, spec.dtype), spec, True)
    return DenseField(ChunkedDense.create(directory, spec.size, spec.dtype), spec)


def vector_directory(segment: Path, name: str) -> Path:
    """Where the vectors of a name are; the unnamed vector has no suffix."""
    return segment / (f"vector_storage-{name}" if name else "vector_storage")
