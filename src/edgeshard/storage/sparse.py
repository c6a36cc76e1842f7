"""Sparse vectors by offset, packed into a store of values.

Files: ``store/`` (a gridstore of blocks of 128 bytes, uncompressed) and ``deleted/`` (flags). A value is the
packed indices and the f32 weights, see docs/format/sparse-vectors.md; packing runs in C++.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage import files
from edgeshard.storage.few import highest
from edgeshard.storage.flags import Flags
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.gridstore_config import NO_COMPRESSION
from edgeshard.storage.runs import bounds_of

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

BLOCK_BYTES = 128
Offsets = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float32]
Csr: TypeAlias = "tuple[npt.NDArray[np.int64], Indices, Values]"
"""``(indptr, indices, values)``: vector i is ``indices[indptr[i]:indptr[i+1]]`` and the values there."""


class SparseStorage:
    """The sparse vectors of a segment under one name.

    Args:
        directory: ``vector_storage-<name>`` of the segment.
        store: its opened store.
        flags: its opened flags.

    Use :meth:`open` or :meth:`create`.
    """

    __slots__ = ("_directory", "_flags", "_store")

    def __init__(self, directory: Path, store: Gridstore, flags: Flags) -> None:
        self._directory, self._store, self._flags = directory, store, flags

    @classmethod
    def open(cls, directory: files.PathLike, *, read_only: bool = False, points: int = 0) -> SparseStorage:
        """The storage in a directory, of a segment that has so many points.

        Raises:
            CorruptedError: a file is missing or damaged.
        """
        path = Path(directory)
        store = Gridstore.open(path / "store", read_only=read_only, expected_slots=points)
        return cls(path, store, Flags.open(path / "deleted", read_only=read_only))

    @classmethod
    def create(cls, directory: files.PathLike) -> SparseStorage:
        """A new, empty storage."""
        path = Path(directory)
        store = Gridstore.create(path / "store", block_size_bytes=BLOCK_BYTES, compression=NO_COMPRESSION)
        return cls(path, store, Flags.create(path / "deleted"))

    @property
    def count(self) -> int:
        """Number of offsets, those without a vector included."""
        return max(self._store.count, self._flags.count)

    def get(self, offset: int) -> tuple[Indices, Values] | None:
        """``(indices, values)`` of one point, indices ascending; None if it has no such vector."""
        if self._flags.holds(offset):
            return None
        raw = self._store.get(offset)
        if raw is None:
            return None
        data = np.frombuffer(raw, np.uint8)
        _, indices, values = self._unpack(data, np.array([0, len(data)], np.int64))
        return indices, values

    def get_batch(self, offsets: Offsets) -> Csr:
        """The vectors at ``offsets``, in that order; empty rows for points without one."""
        data, bounds = self._store.get_batch(offsets)
        return without(self._unpack(data, bounds), self._flags.at(offsets))

    def csr(self, offsets: Offsets | None = None) -> Csr:
        """All vectors by offset, ``count`` rows, or those at ``offsets``; points without one have none."""
        if offsets is not None:
            return self.get_batch(offsets)
        data, bounds = self._store.get_batch()
        indptr, indices, values = self._unpack(data, bounds)
        missing = self.count + 1 - len(indptr)
        if missing > 0:
            indptr = np.concatenate([indptr, np.full(missing, indptr[-1], np.int64)])
        return without((indptr, indices, values), self.deleted_mask(len(indptr) - 1))

    def _unpack(self, data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> Csr:
        try:
            return _native.unpack_sparse(data, bounds)
        except ValueError as error:
            raise CorruptedError(self._directory / "store", f"a damaged sparse vector: {error}") from error

    def deleted_mask(self, count: int | None = None) -> npt.NDArray[np.bool_]:
        """``(count,)``, True where the point has no such vector; all offsets if ``count`` is None."""
        size = self.count if count is None else count
        mask = np.ones(size, np.bool_)
        present = self._store.present()[:size]
        mask[: len(present)] = ~present
        mask |= self._flags.mask(size)
        return mask

    def missing(self, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """``(n,)``, True where the point at an offset has no such vector."""
        return self._flags.at(offsets) | ~self._store.present(offsets)

    def put(self, offset: int, indices: Indices, values: Values) -> None:
        """Store the vector of one point; see :meth:`put_batch`."""
        indptr = np.array([0, len(indices)], np.int64)
        self.put_batch(np.array([offset], np.uint32), indptr, indices, values)

    def put_batch(
        self,
        offsets: Offsets,
        indptr: npt.NDArray[np.int64],
        indices: Indices,
        values: Values,
        present: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Store several vectors at distinct ``offsets`` and flag them present.

        Args:
            offsets: ``(n,)``; those left out before the last are flagged as having no vector.
            indptr: ``(n + 1,)`` where each vector is in the next two.
            indices: ``(indptr[-1],)``; sorted within a vector if they are not.
            values: ``(indptr[-1],)`` weights.
            present: ``(n,)`` which points have the vector; the others lose it. None for all.

        Raises:
            StorageError: the store could not grow; nothing changed.
        """
        if not len(offsets):
            return
        data, ends = _native.pack_sparse(indptr, indices, values)
        if present is not None and not present.all():
            self.set_deleted(offsets[~present])
            data, ends = chosen_values(data, ends, present)
            offsets = offsets[present]
        if len(offsets):
            self._put_packed(offsets, data, ends)

    def _put_packed(self, offsets: Offsets, data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        if len(offsets) == 1:
            self.put_one(int(offsets[0]), data.tobytes())
            return
        before, top = self.count, highest(offsets) + 1  # there may be fewer flags: missing ones mean present
        self._store.put_batch(offsets, (data, ends))
        if top - before > np.count_nonzero(offsets >= before):
            self._flags.set(np.arange(before, top, dtype=np.uint32), True)
        self._flags.set(offsets, False)

    def put_one(self, offset: int, data: bytes) -> None:
        """Store one vector in packed form and flag it present; offsets left out before it have none.

        Raises:
            StorageError: the store could not grow; nothing changed.
        """
        before = self.count
        self._store.put(offset, data)
        if offset > before:
            self._flags.set(np.arange(before, offset, dtype=np.uint32), True)
        self._flags.set_one(offset, False)

    def set_deleted(self, offsets: Offsets, deleted: bool = True) -> None:
        """Remove the vectors at ``offsets``; with False only clear the flags of points that have one."""
        if not len(offsets):
            return
        if deleted:
            self.ensure_count(highest(offsets) + 1)
            self._store.remove_batch(offsets)
        self._flags.set(offsets, deleted)

    def remove(self, offsets: Offsets) -> None:
        """Remove the vectors at ``offsets``."""
        self.set_deleted(offsets)

    def ensure_count(self, count: int) -> None:
        """Flag offsets up to ``count`` that are not known yet as having no vector."""
        before = self.count
        if count > before:
            self._flags.set(np.arange(before, count, dtype=np.uint32), True)

    @property
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""
        return self._store.dirty_bytes + self._flags.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changes to a flush."""
        self._store.collect(plan)
        self._flags.collect(plan)

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        self._store.close()
        self._flags.close()


def chosen_values(
    data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The packed values flagged in ``chosen``, back to back."""
    sizes = np.diff(bounds)
    return data[np.repeat(chosen, sizes)], bounds_of(sizes[chosen])


def pack_values(
    indptr: npt.NDArray[np.int64], indices: Indices, values: Values
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Vectors in the form the storage keeps, as ``(data, bounds)``."""
    return _native.pack_sparse(indptr, indices, values)


def without(csr: Csr, gone: npt.NDArray[np.bool_]) -> Csr:
    """The same rows, those flagged in ``gone`` emptied."""
    if not gone.any():
        return csr
    indptr, indices, values = csr
    counts = np.diff(indptr)
    kept = np.repeat(~gone, counts)
    return bounds_of(counts * ~gone), indices[kept], values[kept]
