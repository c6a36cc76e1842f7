"""Fields whose vectors are stored as TurboQuant records (datatypes turbo4, turbo8, turbo16).

They differ from other dense and multi-vector fields in three places: a stored row is a record of bytes, what
is read is decoded, and queries stay float32 vectors, which the codec compares with records. There are no
originals, so exact search gives the same scores.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.index import turbo
from edgeshard.index.flat import best_of
from edgeshard.segment.batch import Mask, Offsets
from edgeshard.segment.fields import DenseField, Hits, MultiField, Scores, dense_query, multi_query
from edgeshard.segment.graph_field import FoundByGraph, Graph
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.stored_vectors import RowGroups, Rows, StoredVectors
from edgeshard.storage.convert import row_to_stored, to_stored
from edgeshard.storage.dense import ChunkedDense, MatrixDense
from edgeshard.storage.multi import MultiDense

Vectors = npt.NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


class TurboField(DenseField):
    """One compressed vector per point.

    Args:
        storage: the records.
        spec: size, distance and type of the vectors.
    """

    __slots__ = ("codec",)

    def __init__(self, storage: ChunkedDense | MatrixDense, spec: VectorSchema) -> None:
        super().__init__(storage, spec)
        self.codec = turbo.codec(spec.size, spec.distance, spec.turbo_bits or 0)

    def size_bytes(self, offsets: Offsets) -> int:
        """See :class:`Field`."""
        return len(offsets) * self.storage.dim

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        return Rows(self.codec.decode(self.storage.get(offsets)), self.storage.deleted_mask()[offsets])

    def read_one(self, offset: int) -> Any:
        """See :class:`Field`."""
        return self.read(np.array([offset], np.uint32))[0]

    def query(self, vector: Any) -> Vectors:
        """See :class:`Field`."""
        return row_to_stored(dense_query(vector, self.spec.size), self.spec.distance, FLOAT32)

    def queries(self, rows: Vectors) -> list[Any]:
        """See :class:`DenseField`."""
        return list(to_stored(rows, self.spec.distance, FLOAT32)[:, None, :])

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        chunks = self.storage.chunks()
        rows = sum(map(len, chunks))
        wanted = None if mask is None else mask[:rows]
        if len(queries) == 1:
            return [self.codec.topk(queries[0], chunks, wanted, None, k, single=True)]
        found = self.codec.topk(np.concatenate(queries), chunks, wanted, None, min(k, rows))
        return [(o[:c], s[:c]) for o, s, c in zip(*found, strict=True)]

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`."""
        return self.codec.score(np.concatenate(queries), self.storage.chunks(), offsets)

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Stored vectors in the form :meth:`sims` takes."""
        return list(self.codec.decode(self.storage.get(offsets))[:, None, :])


class TurboMultiField(MultiField):
    """A compressed multi-vector per point.

    Args:
        storage: the records and the table that says which belong to a point.
        spec: size, distance and type of the vectors.
        writable: whether the segment is appendable.
    """

    __slots__ = ("codec",)

    def __init__(self, storage: MultiDense, spec: VectorSchema, writable: bool) -> None:
        super().__init__(storage, spec, writable)
        self.codec = turbo.codec(spec.size, spec.distance, spec.turbo_bits or 0)

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        indptr, records = self.storage.get_batch(offsets)
        vectors = self.codec.decode(np.ascontiguousarray(records))
        return RowGroups(indptr, vectors, self.storage.deleted_mask()[offsets])

    def read_one(self, offset: int) -> Any:
        """See :class:`Field`."""
        return self.read(np.array([offset], np.uint32))[0]

    def query(self, vector: Any) -> Vectors:
        """See :class:`Field`."""
        return to_stored(multi_query(vector, self.spec.size), self.spec.distance, np.float32)

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        count = self.storage.count
        offsets = np.arange(count, dtype=np.uint32) if mask is None else np.flatnonzero(mask[:count]).astype(np.uint32)
        return [best_of(sims, offsets, k) for sims in self.sims(queries, offsets)]

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`."""
        first, count, places = self.storage.rows_of(offsets)
        chunks = self.storage.chunks()
        return np.stack([self.codec.maxsim(query, chunks, first, count, places) for query in queries])

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Stored multi-vectors in the form :meth:`sims` takes."""
        indptr, records = self.storage.get_batch(offsets)
        vectors = self.codec.decode(np.ascontiguousarray(records))
        return [vectors[start:stop] for start, stop in pairwise(indptr)]


class TurboGraphField(FoundByGraph, TurboField):
    """A :class:`TurboField` found by a graph that walks on the records.

    Args:
        storage: the records.
        spec: size, distance and type of the vectors.
        directory: of the graph.
    """

    __slots__ = ("graph",)

    def __init__(self, storage: MatrixDense, spec: VectorSchema, directory: Path) -> None:
        super().__init__(storage, spec)
        self.graph = Graph(directory, storage, spec, (self.codec, None))


class TurboMultiGraphField(FoundByGraph, TurboMultiField):
    """A :class:`TurboMultiField` found by a graph that walks on the records.

    Args:
        storage: the records and the table that says which belong to a point.
        spec: size, distance and type of the vectors.
        directory: of the graph.
    """

    __slots__ = ("graph",)

    def __init__(self, storage: MultiDense, spec: VectorSchema, directory: Path) -> None:
        super().__init__(storage, spec, writable=False)
        self.graph = Graph(directory, storage, spec, (self.codec, None))


def open_turbo_field(
    directory: Path, spec: VectorSchema, *, storage_type: str, appendable: bool, read_only: bool
) -> TurboField | TurboMultiField:
    """The field in a vector directory.

    Raises:
        CorruptedError: its files are missing or damaged.
    """
    bits = spec.turbo_bits or 0
    width = turbo.record_bytes(spec.size, spec.distance, bits)
    if spec.kind == "multi":
        multi = MultiDense.open(directory, width, np.uint8, turbo=True, read_only=read_only, appendable=appendable)
        return TurboMultiField(multi, spec, appendable)
    if storage_type not in ("ChunkedMmap", "InRamChunkedMmap"):
        return TurboField(MatrixDense.open(directory, width, np.uint8, turbo=True, read_only=read_only), spec)
    filler = turbo.placeholder(spec.size, spec.distance, bits)
    rows = ChunkedDense.open(directory, width, np.uint8, turbo=True, placeholder=filler, read_only=read_only)
    return TurboField(rows, spec)


def create_turbo_field(directory: Path, spec: VectorSchema) -> TurboField | TurboMultiField:
    """A new, empty, appendable field."""
    bits = spec.turbo_bits or 0
    width = turbo.record_bytes(spec.size, spec.distance, bits)
    if spec.kind == "multi":
        return TurboMultiField(MultiDense.create(directory, width, np.uint8, turbo=True), spec, True)
    filler = turbo.placeholder(spec.size, spec.distance, bits)
    return TurboField(ChunkedDense.create(directory, width, np.uint8, turbo=True, placeholder=filler), spec)


def around_records(directory: Path, rows: npt.NDArray[np.uint8], spec: VectorSchema, *, read_only: bool) -> MatrixDense:
    """Records that are kept inside of the lists of a graph; see :meth:`MatrixDense.around`."""
    width = turbo.record_bytes(spec.size, spec.distance, spec.turbo_bits or 0)
    return MatrixDense.around(directory, rows, width, np.uint8, read_only=read_only)


def open_records(directory: Path, spec: VectorSchema) -> MatrixDense | MultiDense:
    """The records of a segment being built, for reading."""
    width = turbo.record_bytes(spec.size, spec.distance, spec.turbo_bits or 0)
    if spec.kind == "multi":
        return MultiDense.open(directory, width, np.uint8, turbo=True, read_only=True)
    return MatrixDense.open(directory, width, np.uint8, turbo=True, read_only=True)
