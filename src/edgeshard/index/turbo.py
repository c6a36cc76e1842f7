"""Vectors stored as TurboQuant records: the element types turbo4, turbo8 and turbo16.

A record is the rotated vector as 4-bit levels or 8 or 16-bit whole numbers, followed by one or two floats.
Everything follows from dimension, distance and bits: nothing is trained, the records need no other file.
The format is in docs/format/quantization.md.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.storage.convert import EUCLID, to_stored

TURBO_BITS = {"turbo4": 4, "turbo8": 8, "turbo16": 16}
"""Bits per component, by element type."""
Records = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]


def record_bytes(size: int, distance: int, bits: int) -> int:
    """Bytes of the record of a vector.

    Args:
        size: dimension.
        distance: distance code; Euclid records keep the length as well.
        bits: 4, 8 or 16.
    """
    return padded_size(size, bits) * bits // 8 + 4 + (4 if distance == EUCLID else 0)


def padded_size(size: int, bits: int) -> int:
    """Coded components: 4-bit codes fill whole bytes."""
    return size + size % 2 if bits == 4 else size


@lru_cache(maxsize=64)
def codec(size: int, distance: int, bits: int) -> _native.RecordCodec:
    """The native codec of an element type, made once: it holds the rotation's permutations.

    Args:
        size: dimension.
        distance: distance code.
        bits: 4, 8 or 16.
    """
    return _native.turbo_codec(size, bits, padded_size(size, bits), distance, False, False, None, None)


def encode_rows(rows: Vectors, distance: int, bits: int) -> Records:
    """Records ``(n, record_bytes)`` of user vectors; Cosine vectors are normalised first.

    Args:
        rows: ``(n, dim) float32``.
        distance: distance code.
        bits: 4, 8 or 16.
    """
    return codec(rows.shape[1], distance, bits).encode(to_stored(rows, distance, np.float32))


def decode_rows(records: Records, size: int, distance: int, bits: int) -> Vectors:
    """The vectors ``(n, size)`` that records stand for; close to what was stored, not equal.

    Args:
        records: ``(n, record_bytes)``.
        size: dimension.
        distance: distance code.
        bits: 4, 8 or 16.
    """
    return codec(size, distance, bits).decode(np.ascontiguousarray(records))


def placeholder(size: int, distance: int, bits: int) -> Records:
    """The record ``(record_bytes,)`` of a point without the vector."""
    record: Records = codec(size, distance, bits).encode(np.ones((1, size), np.float32))[0]
    return record
