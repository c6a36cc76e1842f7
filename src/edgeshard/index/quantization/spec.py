"""What is compressed: size, distance and element type of the vectors of one name, and their rows as floats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.index import turbo
from edgeshard.storage.convert import COSINE, from_stored, to_stored

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.uint32]
BLOCK_ROWS = 4096


class VectorSpec:
    """The vectors of one name.

    Args:
        size: dimension.
        distance: distance code.
        multi: whether points have several rows.
        datatype: ``float32``, ``float16``, ``uint8`` or ``turbo4|8|16``.
    """

    __slots__ = ("datatype", "distance", "multi", "size")

    def __init__(self, size: int, distance: int, multi: bool = False, datatype: str = "float32") -> None:
        self.size = size
        self.distance = distance
        self.multi = multi
        self.datatype = datatype

    @property
    def compressed(self) -> bool:
        """Whether the storage itself holds TurboQuant records."""
        return self.datatype in turbo.TURBO_BITS

    def floats(self, rows: npt.NDArray[Any], method: str) -> Vectors:
        """Stored rows as the floats that a method compresses.

        Args:
            rows: ``(n, dim)`` stored elements, or records.
            method: ``scalar``, ``product``, ``binary`` or ``turbo``.
        """
        if self.compressed:
            return turbo.decode_rows(rows, self.size, self.distance, turbo.TURBO_BITS[self.datatype])
        if rows.dtype == np.float32:
            return np.ascontiguousarray(rows)
        vectors = from_stored(rows)
        if self.datatype != "uint8":
            return vectors
        if method == "binary":  # bytes have no sign: their middle stands for zero
            np.subtract(vectors, np.float32(127), out=vectors)
            return vectors
        return to_stored(vectors, self.distance, np.float32) if self.distance == COSINE else vectors

    def query_floats(self, query: npt.NDArray[Any], method: str) -> Vectors:
        """A query in the field's form, ``(rows, dim)``, as the codecs take it."""
        return np.ascontiguousarray(query) if self.compressed else self.floats(query, method)


class Rows:
    """All rows of a storage, as floats, in the order codes are kept.

    Args:
        storage: ``ChunkedDense``, ``MatrixDense`` or ``MultiDense``.
        spec: what it holds.
        method: which codes are to be made of them.
    """

    __slots__ = ("method", "spec", "storage", "table")

    def __init__(self, storage: Any, spec: VectorSpec, method: str) -> None:
        self.storage = storage
        self.spec = spec
        self.method = method
        self.table: tuple[Offsets, Offsets] | None = storage.row_table() if spec.multi else None

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.storage.count if self.table is None else int(self.table[1].sum(dtype=np.int64))

    def blocks(self) -> Iterator[tuple[Vectors, Mask]]:
        """``(rows, present)`` in order, a few thousand at a time; fillers of missing vectors are not present."""
        missing = self.storage.deleted_mask()
        for start in range(0, self.storage.count, BLOCK_ROWS):
            offsets = np.arange(start, min(start + BLOCK_ROWS, self.storage.count), dtype=np.uint32)
            present = ~missing[offsets]
            if self.table is None:
                rows = self.storage.get(offsets)
            else:
                _, rows = self.storage.get_batch(offsets)
                present = np.repeat(present, self.table[1][offsets])
            yield self.spec.floats(rows, self.method), present

    def present_count(self) -> int:
        """Number of rows of present vectors."""
        return int(np.count_nonzero(self._present()))

    def sample(self, most: int) -> Vectors:
        """At most ``most`` rows of present vectors, evenly spread at random with a fixed seed."""
        generator = np.random.default_rng(0x5EED)
        total, kept = 0, []
        numbers = np.flatnonzero(self._present())
        if len(numbers) > most:
            numbers = np.sort(generator.choice(numbers, most, replace=False))
        for rows, _ in self.blocks():
            here = numbers[(numbers >= total) & (numbers < total + len(rows))] - total
            kept.append(rows[here])
            total += len(rows)
        return np.concatenate(kept) if kept else np.zeros((0, self.spec.size), np.float32)

    def _present(self) -> Mask:
        """Which rows are of vectors that are there."""
        present = ~self.storage.deleted_mask()
        return present if self.table is None else np.repeat(present, self.table[1])
