"""Sparse vectors of one name inside one segment, and their inverted index.

An appendable segment has its posting lists in memory, built at the first search and kept current from then on; an
optimised one reads the compressed files it was built with. If those are missing or damaged, the lists are built from
the stored vectors instead, with a warning.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError, WrongVectorKindError
from edgeshard.index.sparse.build import build_index
from edgeshard.segment.batch import Column, Mask, Offsets, SparseColumn
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.stored_vectors import SparseRows, StoredVectors
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.sparse import SparseStorage

if TYPE_CHECKING:
    from pathlib import Path

    from edgeshard.index.sparse.files import SparseIndexConfig

Scores = npt.NDArray[np.float32]
T = TypeVar("T")

NOTHING = (np.zeros(0, np.uint32), np.zeros(0, np.float32))
"""A sparse vector without elements."""
ELEMENT_BYTES = 12
"""What an element counts for when an optimiser measures sparse vectors, as in Qdrant: its entry in a posting list."""
DEFAULT_FULL_SCAN_THRESHOLD = 5000
"""Points left by a filter below which Qdrant scores them one by one (and keeps scores of 0)."""


class SparseQuery:
    """A sparse query, indices in any order; equal indices add up.

    Args:
        indices: ``(m,) uint32``.
        values: ``(m,) float32``.
    """

    __slots__ = ("indices", "values")

    def __init__(self, indices: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]) -> None:
        self.indices = indices
        self.values = values


class SparseField:
    """A sparse vector per point, scored by its dot product with the query.

    Args:
        storage: the vectors.
        spec: whether queries are weighted by inverse document frequency.
        writable: whether the segment is appendable.
        dead: ``(m,)`` offsets of deleted points when the segment was opened; they are not indexed.
        threshold: the full scan threshold, None for the default.
    """

    __slots__ = (
        "_building", "_index", "_index_path", "_present", "dead", "exact_weights", "spec", "storage", "threshold",
        "writable",
    )  # fmt: skip

    indexable = True
    takes_all = False

    def __init__(
        self,
        storage: SparseStorage,
        spec: VectorSchema,
        writable: bool,
        *,
        dead: Mask | None = None,
        threshold: int | None = None,
    ) -> None:
        self.storage = storage
        self.spec = spec
        self.writable = writable
        self.dead = dead
        self.threshold = DEFAULT_FULL_SCAN_THRESHOLD if threshold is None else threshold
        self.exact_weights = True
        self._index: _native.SparseIndex | None = None
        self._index_path: Path | None = None
        self._present: Mask | None = None
        self._building = threading.Lock()

    # --- the index -------------------------------------------------------------------------------------

    def use_index(self, directory: Path, index: _native.PackedSparseIndex, config: SparseIndexConfig) -> None:
        """Search the compressed index of an optimised segment."""
        self._index, self._index_path = index, directory
        self.exact_weights = config.weights == 0

    @property
    def index(self) -> _native.SparseIndex:
        """The posting lists, built now if there are none yet."""
        if self._index is None:
            with self._building:
                if self._index is None:
                    self._index = build_index(self.storage, self.storage.count, self.dead)
        return self._index

    @property
    def packed(self) -> Path | None:
        """Where the compressed files of the segment are, if they are in use."""
        return self._index_path

    @property
    def indexed_count(self) -> int:
        """See :class:`Field`. Every index counts, those in memory too, as in Qdrant."""
        return self.index.vectors

    def _read(self, work: Callable[[_native.SparseIndex], T]) -> T:
        """What ``work`` makes of the index; a damaged one is replaced by one built from the stored vectors."""
        try:
            return work(self.index)
        except RuntimeError as error:
            damage = self._damage(error)
        with self._building:
            self._index = self._index_path = None
            self.exact_weights = True
        warnings.warn(f"{damage}; searching an index rebuilt from the stored vectors", RuntimeWarning, stacklevel=2)
        return work(self.index)

    def damage(self) -> CorruptedError | None:
        """What is wrong with the compressed files in use, of which every list is read; None if nothing is."""
        if isinstance(self._index, _native.PackedSparseIndex):
            try:
                self._index.check()
            except RuntimeError as error:
                return self._damage(error)
        return None

    def _damage(self, error: RuntimeError) -> CorruptedError:
        """What the native index says of its file; any other error is raised again."""
        if self._index_path is None or len(error.args) != 2:
            raise error
        return CorruptedError(self._index_path / "inverted_index.dat", *error.args)

    def _unindex(self, offsets: Offsets) -> None:
        """Take what is stored at some offsets out of the index."""
        if isinstance(self._index, _native.PlainSparseIndex):
            known = offsets[offsets < self.storage.count]
            if len(known):
                indptr, indices, _ = self.storage.csr(known)
                self._index.remove(known, indptr, indices)

    # --- changing --------------------------------------------------------------------------------------

    def put(self, offsets: Offsets, column: Column) -> None:
        """See :class:`Field`."""
        assert isinstance(column, SparseColumn)
        self._present = None
        self._unindex(offsets)
        if column.present is not None:
            kept = np.flatnonzero(column.present)
            self.storage.set_deleted(offsets[~column.present], True)
            offsets, column = offsets[kept], column.take(kept)
        self.storage.put_batch(offsets, column.indptr, column.indices, column.values)
        if isinstance(self._index, _native.PlainSparseIndex):
            self._index.put(offsets, column.indptr, column.indices, column.values)

    def put_one(
        self,
        offset: int,
        data: bytes,
        ends: npt.NDArray[np.int64],
        indices: npt.NDArray[np.uint32],
        values: npt.NDArray[np.float32],
    ) -> None:
        """:meth:`put` of one vector without its overhead.

        Args:
            offset: where; those left out before it have no vector.
            data: the vector in stored form.
            ends: 0 and the number of its elements.
            indices: ascending.
            values: as many.
        """
        self._present = None
        index = self._index
        if isinstance(index, _native.PlainSparseIndex):
            offsets = np.array([offset], np.uint32)
            self._unindex(offsets)
            self.storage.put_one(offset, data)
            index.put(offsets, ends, indices, values)
        else:
            self.storage.put_one(offset, data)

    def forget(self, offsets: Offsets) -> None:
        """See :class:`Field`."""
        self._present = None
        self._unindex(offsets)
        self.storage.set_deleted(offsets, True)

    def ensure_count(self, total: int) -> None:
        """See :class:`Field`."""
        if self.writable:
            self._present = None
            self.storage.ensure_count(total)

    # --- reading ---------------------------------------------------------------------------------------

    def size_bytes(self, offsets: Offsets) -> int:
        """See :class:`Field`."""
        indptr, _, _ = self.storage.csr(offsets)
        return int(indptr[-1]) * ELEMENT_BYTES

    def presence(self, total: int) -> Mask:
        """See :class:`Field`. Not to be changed: it is kept until the next change of a vector."""
        mask = self._present
        if mask is None or len(mask) != total:
            mask = self._present = np.logical_not(self.storage.deleted_mask(total))
            mask.setflags(write=False)
        return mask

    def stored(self, offsets: Offsets) -> SparseColumn:
        """See :class:`Field`."""
        indptr, indices, values = self.storage.csr(offsets)
        present = ~self.storage.missing(offsets)
        return SparseColumn(indptr, indices, values, None if bool(present.all()) else present)

    def read(self, offsets: Offsets) -> StoredVectors:
        """See :class:`Field`."""
        return SparseRows(*self.storage.csr(offsets), self.storage.missing(offsets))

    def read_one(self, offset: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]] | None:
        """See :class:`Field`."""
        return self.storage.get(offset)

    # --- searching -------------------------------------------------------------------------------------

    def query(self, vector: Any) -> SparseQuery:
        """See :class:`Field`."""
        if isinstance(vector, np.ndarray):
            raise WrongVectorKindError("Wrong usage of sparse vectors: a sparse field needs a SparseVector query")
        return SparseQuery(vector._indices, vector._values)

    def topk(
        self, queries: list[Any], mask: Mask | None, k: int, params: Any = None, *, filtered: bool = False
    ) -> list[tuple[Offsets, Scores]]:
        """See :class:`Field`. Only points that share an index with the query count.

        Args:
            queries: from :meth:`query`.
            mask: candidates.
            k: how many at most.
            params: search parameters; nothing in them matters here.
            filtered: a filter chose the candidates. If they are fewer than the full scan threshold, scores of
                exactly 0 count, as in Qdrant, which then scores them one by one.
        """
        assert mask is not None
        zeros = filtered and int(np.count_nonzero(mask)) < self.threshold
        k = min(k, len(mask))
        return [
            self._read(lambda index, query=query: index.search(query.indices, query.values, mask, k, zeros))  # type: ignore[misc]
            for query in queries
        ]

    def nearest_sims(self, query: SparseQuery, offsets: Offsets) -> tuple[Scores, Mask]:
        """Similarities of given points as :meth:`topk` has them, and which of them share an index with the query."""
        order = None
        if bool((offsets[1:] <= offsets[:-1]).any()):
            order = np.argsort(offsets)
            offsets = offsets[order]
        sims, shared = self._read(lambda index: index.score(query.indices, query.values, offsets))
        if order is not None:
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            sims, shared = sims[back], shared[back]
        return sims, shared > 0

    def sims(self, queries: list[Any], offsets: Offsets) -> Scores:
        """See :class:`Field`. Always of the vectors as they are stored, whatever the weights in the index."""
        scores = np.empty((len(queries), len(offsets)), np.float32)
        if self._index is not None and self.exact_weights:
            for place, query in enumerate(queries):
                scores[place] = self.nearest_sims(query, offsets)[0]
            return scores
        indptr, indices, values = self.storage.csr(offsets)
        for place, query in enumerate(queries):
            scores[place] = _native.sparse_scores(query.indices, query.values, indptr, indices, values)[0]
        return scores

    def as_queries(self, offsets: Offsets) -> list[Any]:
        """See :class:`Field`."""
        return [SparseQuery(*self.storage.get(offset) or NOTHING) for offset in offsets.tolist()]

    def pairwise(self, left: list[Any], right: list[Any]) -> Scores:
        """See :class:`Field`."""
        raise WrongVectorKindError("Wrong usage of sparse vectors: they are not compared with one another")

    def frequencies(self, wanted: npt.NDArray[np.uint32], mask: Mask) -> tuple[int, npt.NDArray[np.int64]]:
        """How many of some points have a vector, and have each wanted index: numbers for a corpus of a query.

        Args:
            wanted: ``(m,)`` indices.
            mask: the points, which all have the vector (even an empty one).
        """
        return int(np.count_nonzero(mask)), self._read(lambda index: index.frequencies(wanted, mask))

    # --- files -----------------------------------------------------------------------------------------

    def collect(self, plan: FlushPlan) -> None:
        """See :class:`Field`."""
        self.storage.collect(plan)

    def close(self) -> None:
        """See :class:`Field`."""
        self._index = None
        self.storage.close()
