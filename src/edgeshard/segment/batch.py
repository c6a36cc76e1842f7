"""Points in columns, in the form their storages keep: what an update carries from validation to the segments.

Every column has one entry per point of its batch. ``present`` says which points have the vector, None meaning all.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from edgeshard.storage.few import is_range
from edgeshard.storage.runs import bounds_of, row_numbers

Mask = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.uint32]
Ids: TypeAlias = "npt.NDArray[np.uint64] | list[int | UUID]"
Selection: TypeAlias = "npt.NDArray[np.int64] | slice"


class DenseColumn:
    """One dense vector per point.

    Args:
        rows: ``(n, dim)`` in the storage's dtype, converted and normalised; rows of absent points are ignored.
        present: ``(n,)`` which points have the vector, None for all.
    """

    __slots__ = ("present", "rows")

    def __init__(self, rows: npt.NDArray[np.generic], present: Mask | None = None) -> None:
        self.rows = rows
        self.present = present

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Selection) -> DenseColumn:
        """The entries at some positions of the batch."""
        return DenseColumn(self.rows[chosen], None if self.present is None else self.present[chosen])


class _RaggedColumn:
    """Entries of varying length: ``indptr[i]:indptr[i + 1]`` delimits entry ``i``."""

    __slots__ = ("indptr", "present")

    indptr: npt.NDArray[np.int64]
    present: Mask | None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def _gather(self, chosen: Selection) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Mask | None]:
        starts, stops = self.indptr[:-1][chosen], self.indptr[1:][chosen]
        indptr = bounds_of(stops - starts)
        return indptr, row_numbers(starts, indptr), None if self.present is None else self.present[chosen]


class MultiColumn(_RaggedColumn):
    """One multi-vector per point.

    Args:
        indptr: ``(n + 1,) int64``, rows of point ``i`` are ``rows[indptr[i]:indptr[i + 1]]``.
        rows: ``(total, dim)`` in the storage's dtype.
        present: which points have the vector, None for all.
    """

    __slots__ = ("rows",)

    def __init__(
        self, indptr: npt.NDArray[np.int64], rows: npt.NDArray[np.generic], present: Mask | None = None
    ) -> None:
        self.indptr = indptr
        self.rows = rows
        self.present = present

    def take(self, chosen: Selection) -> MultiColumn:
        """The entries at some positions of the batch."""
        indptr, positions, present = self._gather(chosen)
        return MultiColumn(indptr, self.rows[positions], present)


class SparseColumn(_RaggedColumn):
    """One sparse vector per point, in CSR form with ascending indices.

    Args:
        indptr: ``(n + 1,) int64``.
        indices: ``(nnz,) uint32``, ascending within a point.
        values: ``(nnz,) float32``.
        present: which points have the vector, None for all.
    """

    __slots__ = ("indices", "values")

    def __init__(
        self,
        indptr: npt.NDArray[np.int64],
        indices: npt.NDArray[np.uint32],
        values: npt.NDArray[np.float32],
        present: Mask | None = None,
    ) -> None:
        self.indptr = indptr
        self.indices = indices
        self.values = values
        self.present = present

    def take(self, chosen: Selection) -> SparseColumn:
        """The entries at some positions of the batch."""
        indptr, positions, present = self._gather(chosen)
        return SparseColumn(indptr, self.indices[positions], self.values[positions], present)


Column: TypeAlias = "DenseColumn | MultiColumn | SparseColumn"


class Batch:
    """Validated points on their way into segments.

    Args:
        ids: the points, each once.
        columns: by vector name, each with one entry per point.
        payloads: compact JSON by point (None for no payload), or None when payloads are not part of the change.
    """

    __slots__ = ("columns", "ids", "payloads")

    def __init__(self, ids: Ids, columns: dict[str, Column], payloads: list[bytes | None] | None) -> None:
        self.ids = ids
        self.columns = columns
        self.payloads = payloads

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: npt.NDArray[np.int64]) -> Batch:
        """The points at some positions, in that order."""
        if len(chosen) == len(self.ids) and is_range(chosen):
            return self
        places = chosen.tolist()
        ids: Ids = self.ids[chosen] if isinstance(self.ids, np.ndarray) else [self.ids[i] for i in places]
        columns = {name: column.take(chosen) for name, column in self.columns.items()}
        payloads = None if self.payloads is None else [self.payloads[i] for i in places]
        return Batch(ids, columns, payloads)
