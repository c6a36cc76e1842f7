"""A vector name that no point of an immutable segment has: it was added after the segment was built."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.index import turbo
from edgeshard.segment.batch import Column, DenseColumn, Mask, MultiColumn, Offsets, SparseColumn
from edgeshard.segment.fields import Hits, Scores
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.stored_vectors import NoVectors, StoredVectors
from edgeshard.storage.flush import FlushPlan


class AbsentField:
    """A field without vectors.

    Args:
        spec: what the name stores elsewhere.
    """

    __slots__ = ("spec", "writable")

    @property
    def indexed_count(self) -> int:
        """See :class:`Field`."""
        return 0

    indexable = False
    takes_all = False

    def __init__(self, spec: VectorSchema) -> None:
        self.spec = spec
        self.writable = False

    def put(self, offsets: Offsets, column: Column) -> None:
        """Never called: points move to an appendable segment first."""
        raise AssertionError("an immutable segment takes no vectors")

    def size_bytes(self, offsets: Offsets) -> int:
        """See :class:`Field`."""
        return 0

    def forget(self, offsets: Offsets) -> None:
        """See :class:`Field`."""

    def presence(self, total: int) -> Mask:
        """See :class:`Field`."""
        return np.zeros(total, np.bool_)

    def stored(self, offsets: Offsets) -> Column:
        """See :class:`Field`."""
        none = np.zeros(len(offsets), np.bool_)
        indptr = np.zeros(len(offsets) + 1, np.int64)
        if self.spec.kind == "sparse":
            return SparseColumn(indptr, np.zeros(0, np.uint32), np.zeros(0, np.float32), none)
        width = self.spec.size
        if self.spec.turbo_bits is not None:
            width = turbo.record_bytes(self.spec.size, self.spec.distance, self.spec.turbo_bits)
        if self.spec.kind == "multi":
            return MultiColumn(indptr, np.zeros((0, width), self.spec.dtype), none)
        return DenseColumn(np.zeros((len(offsets), width), self.spec.dtype), none)

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        return NoVectors()

    def read_one(self, offset: int) -> None:
        """See :class:`Field`."""

    def query(self, vector: Any) -> Any:
        """See :class:`Field`; other segments check it."""
        return vector

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        return [(np.zeros(0, np.uint32), np.zeros(0, np.float32)) for _ in queries]

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`."""
        return np.full((len(queries), len(offsets)), np.nan, np.float32)

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """Never called: no point has the vector."""
        return []

    def pairwise(self, left: list[Any], right: list[Any]) -> Scores:
        """Never called: no point has the vector."""
        return np.zeros((len(left), len(right)), np.float32)

    def ensure_count(self, total: int) -> None:
        """Nothing to do: there are no files."""

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`Field`."""

    def close(self) -> None:
        """See :class:`Field`."""
