"""Roaring bitmaps in the portable serialisation ("RoaringFormatSpec", Lemire et al.).

::

    u32 cookie      12346, then u32 containers;
                    or 12347 | (containers - 1) << 16, then one bit per container: holds runs
    per container   u16 key (the high half of its values), u16 cardinality - 1
    [u32 offset of every container]     absent with runs and fewer than 4 containers
    containers      up to 4096 values: u16 each; above: a bitmap of 8192 bytes;
                    runs: u16 n, n * (u16 first, u16 length - 1)
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

_PLAIN: Final = 12346
_WITH_RUNS: Final = 12347
_ARRAY_LIMIT: Final = 4096  # a larger container is a bitmap
_BITMAP_BYTES: Final = 8192
_OFFSETS_FROM: Final = 4  # containers from which a bitmap with runs has offsets


class _Input:
    """Bytes read from the front, never past the end."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes."""
        if size > len(self._data) - self._at:
            raise ValueError(f"the Roaring bitmap ends after {len(self._data)} bytes, inside a container")
        self._at += size
        return self._data[self._at - size : self._at]

    def array(self, dtype: str, count: int) -> npt.NDArray[np.int64]:
        """The next ``count`` numbers."""
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype).astype(np.int64)


def decode(data: memoryview, limit: int) -> Positions:
    """The values of a bitmap, ascending.

    Args:
        data: the serialised bitmap.
        limit: every value must be below.

    Raises:
        ValueError: it is malformed.
    """
    source = _Input(data)
    cookie = int(source.array("<u4", 1)[0])
    runs = np.zeros(0, np.bool_)
    if cookie & 0xFFFF == _WITH_RUNS:
        containers = (cookie >> 16) + 1
        flags = np.frombuffer(source.take(-(-containers // 8)), np.uint8)
        runs = np.unpackbits(flags, count=containers, bitorder="little").view(np.bool_)
    elif cookie == _PLAIN:
        containers = int(source.array("<u4", 1)[0])
        if containers > 1 << 16:
            raise ValueError(f"a Roaring bitmap has at most 65536 containers, got {containers}")
        runs = np.zeros(containers, np.bool_)
    else:
        raise ValueError(f"not a Roaring bitmap: it starts with {cookie}")
    heads = source.array("<u2", 2 * containers).reshape(-1, 2)
    if cookie == _PLAIN or containers >= _OFFSETS_FROM:
        source.take(4 * containers)  # the containers follow in order, so their offsets say nothing new
    parts, before = [], -1
    for is_run, (key, cardinality) in zip(runs, heads, strict=True):
        if not before < int(key) <= limit >> 16:  # checked first: a few bytes can stand for 65536 values
            raise ValueError(f"the containers of a Roaring bitmap must ascend and be below {limit}")
        before = int(key)
        parts.append(_container(source, bool(is_run), int(cardinality) + 1) + (before << 16))
    values = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if len(values) and (int(values[-1]) >= limit or bool((np.diff(values) <= 0).any())):
        raise ValueError(f"the values of a Roaring bitmap must ascend and be below {limit}")
    return values


def _container(source: _Input, is_run: bool, cardinality: int) -> Positions:
    if is_run:
        count = int(source.array("<u2", 1)[0])
        pairs = source.array("<u2", 2 * count).reshape(-1, 2)
        starts, lengths = pairs[:, 0], pairs[:, 1] + 1
        if int(lengths.sum()) > 1 << 16:
            raise ValueError("the runs of a Roaring container overlap")
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.repeat(starts, lengths) + np.arange(int(lengths.sum())) - before
    if cardinality <= _ARRAY_LIMIT:
        return source.array("<u2", cardinality)
    bits = np.frombuffer(source.take(_BITMAP_BYTES), np.uint8)
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.int64)


def encode(values: Positions) -> bytes:
    """Ascending values as a bitmap whose containers have the smallest of the three forms."""
    keys, starts = np.unique(values >> 16, return_index=True)
    bounds = [*starts.tolist(), len(values)]
    coded = [_coded(values[a:b] & 0xFFFF) for a, b in pairwise(bounds)]
    bodies = [body for body, _ in coded]
    runs = np.array([is_run for _, is_run in coded], np.bool_)
    if runs.any():
        start = struct.pack("<I", _WITH_RUNS | (len(bodies) - 1) << 16)
        start += np.packbits(runs, bitorder="little").tobytes()
    else:
        start = struct.pack("<II", _PLAIN, len(bodies))
    start += np.stack([keys, np.diff(bounds) - 1], axis=1).astype("<u2").tobytes()
    if not runs.any() or len(bodies) >= _OFFSETS_FROM:
        first = len(start) + 4 * len(bodies)
        start += (first + np.cumsum([0, *map(len, bodies)])[:-1]).astype("<u4").tobytes()
    return b"".join([start, *bodies])


def _coded(low: Positions) -> tuple[bytes, bool]:
    """A container's bytes, and whether they are runs."""
    ends = np.flatnonzero(np.diff(low) != 1)
    firsts = low[np.concatenate([[0], ends + 1])]
    lasts = low[np.concatenate([ends, [len(low) - 1]])]
    if 2 + 4 * len(firsts) < min(2 * len(low), _BITMAP_BYTES):
        pairs = np.stack([firsts, lasts - firsts], axis=1).astype("<u2").tobytes()
        return struct.pack("<H", len(firsts)) + pairs, True
    if len(low) <= _ARRAY_LIMIT:
        return low.astype("<u2").tobytes(), False
    bits = np.zeros(1 << 16, np.bool_)
    bits[low] = True
    return np.packbits(bits, bitorder="little").tobytes(), False
