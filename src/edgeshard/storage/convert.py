"""User vectors to stored elements and back, byte for byte as Qdrant Edge stores them.

The rules are in docs/format/dense-vectors.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native

COSINE, EUCLID, DOT, MANHATTAN = range(4)
"""Codes of the distances, equal to ``int(Distance.X)``; the kernels use the same."""
ELEMENTS = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.uint8): 2}
"""Codes of the element types, as the native conversions take them."""
PIECE_ELEMENTS = 1 << 23
"""Converted by one native call, some ten milliseconds of work."""


def to_stored(
    rows: npt.NDArray[np.float32],
    distance: int,
    dtype: npt.DTypeLike,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """The stored form of user vectors, same shape.

    Cosine rows are divided by their length (not for uint8; not if they are of length zero or one already),
    float16 rounds to nearest even, uint8 truncates and clamps.

    Args:
        rows: ``(n, dim)`` or ``(dim,)``.
        distance: 0 Cosine, 1 Euclid, 2 Dot, 3 Manhattan.
        dtype: float32, float16 or uint8.
        out: where to put the result, C-contiguous; a new array if None.

    Raises:
        KeyError: another dtype.
    """
    kind = np.dtype(dtype)
    element = ELEMENTS[kind]
    source = np.ascontiguousarray(rows, np.float32)
    if out is None:
        out = np.empty(source.shape, kind)
    table, target = (source, out) if source.ndim == 2 else (source[None], out[None])
    if table.size <= PIECE_ELEMENTS:
        if len(table):
            _native.to_stored(table, distance == COSINE, element, target)
        return out
    step = max(1, PIECE_ELEMENTS // table.shape[1])
    for start in range(0, len(table), step):  # Ctrl-C is noticed between pieces
        _native.to_stored(table[start : start + step], distance == COSINE, element, target[start : start + step])
    return out


def row_to_stored(row: npt.NDArray[np.float32], distance: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """:func:`to_stored` of one vector ``(dim,)`` as ``(1, dim)``, in a fifth of the time."""
    return _native.query_row(row, distance == COSINE, ELEMENTS[dtype])


def from_stored(rows: npt.NDArray[Any], dtype: npt.DTypeLike | None = None) -> npt.NDArray[np.float32]:
    """Stored elements as float32, same shape, always a copy.

    Args:
        rows: stored elements of any shape.
        dtype: their type if ``rows`` is an array of bytes with another dtype; usually left out.
    """
    stored = np.ascontiguousarray(rows if dtype is None or rows.dtype == dtype else rows.view(dtype))
    out = np.empty(stored.shape, np.float32)
    _native.from_stored(stored, ELEMENTS[stored.dtype], out)
    return out
