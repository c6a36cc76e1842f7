"""Vectors that were read for a result: copies in few arrays, from which one vector is made when it is looked at."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Missing = npt.NDArray[np.bool_]
"""``(n,)``, True where the point has no such vector."""


class StoredVectors(Protocol):
    """One vector per point: a 1-d array, a 2-d array or ``(indices, values)``; None where it is missing."""

    def __getitem__(self, place: int, /) -> Any: ...


class Rows:
    """Dense vectors.

    Args:
        rows: ``(n, dim)`` float32.
        missing: see :data:`Missing`.
    """

    __slots__ = ("_missing", "_rows")

    def __init__(self, rows: npt.NDArray[np.float32], missing: Missing) -> None:
        self._rows, self._missing = rows, missing

    def __getitem__(self, place: int, /) -> npt.NDArray[np.float32] | None:
        row: npt.NDArray[np.float32] = self._rows[place]
        return None if self._missing[place] else row

    def packed(self) -> tuple[None, npt.NDArray[np.float32]]:
        """``(n, dim)``, missing ones with whatever is stored; of :class:`RowGroups` the bounds as well."""
        return None, self._rows


class RowGroups:
    """Multi-vectors.

    Args:
        indptr: ``(n + 1,)``, where the rows of each begin and end.
        rows: ``(indptr[n], dim)`` float32.
        missing: see :data:`Missing`.
    """

    __slots__ = ("_indptr", "_missing", "_rows")

    def __init__(self, indptr: npt.NDArray[Any], rows: npt.NDArray[np.float32], missing: Missing) -> None:
        self._indptr, self._rows, self._missing = indptr, rows, missing

    def __getitem__(self, place: int, /) -> npt.NDArray[np.float32] | None:
        if self._missing[place]:
            return None
        return self._rows[self._indptr[place] : self._indptr[place + 1]]

    def packed(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """``(indptr, rows)``."""
        return self._indptr, self._rows


class SparseRows:
    """Sparse vectors.

    Args:
        indptr: ``(n + 1,)``, where the components of each begin and end.
        indices: ``(indptr[n],)`` uint32.
        values: ``(indptr[n],)`` float32.
        missing: see :data:`Missing`.
    """

    __slots__ = ("_indices", "_indptr", "_missing", "_values")

    def __init__(
        self,
        indptr: npt.NDArray[Any],
        indices: npt.NDArray[np.uint32],
        values: npt.NDArray[np.float32],
        missing: Missing,
    ) -> None:
        self._indptr, self._indices, self._values, self._missing = indptr, indices, values, missing

    def __getitem__(self, place: int, /) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]] | None:
        if self._missing[place]:
            return None
        span = slice(self._indptr[place], self._indptr[place + 1])
        return self._indices[span], self._values[span]


class NoVectors:
    """Of a vector that no point of the segment has."""

    __slots__ = ()

    def __getitem__(self, place: int, /) -> None:
        return None
