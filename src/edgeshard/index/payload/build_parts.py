"""Files that several kinds of immutable payload index have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard.index.payload.values import Array, Offsets
from edgeshard.storage import files
from edgeshard.storage.runs import bounds_of

_HEADER_BYTES = 4096
_BLOCK_BYTES = 16384
_ZSTD_BLOCK = 128 << 10


def save(path: Path, *parts: Any) -> None:
    """Write a new file from bytes and arrays. The caller makes it durable.

    Raises:
        OSError: the file system refused.
    """
    fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        at = 0
        for part in parts:
            # One dimension, as a view of none of the rows of a table has no bytes to cast.
            whole: Any = np.ascontiguousarray(part).reshape(-1).view(np.uint8) if isinstance(part, np.ndarray) else part
            view = memoryview(whole)
            files.disk.pwrite(fd, view, at)
            at += view.nbytes
    finally:
        os.close(fd)


def first_of_each(counts: Offsets, values: Array) -> tuple[Offsets, Array]:
    """Counts and values without the repeats inside of a point; the order stays."""
    if not len(values) or int(counts.max()) <= 1:
        return counts, values
    numbers = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.uint64)
    owners = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    kept = np.sort(np.unique(owners * (numbers.max() + np.uint64(1)) + numbers, return_index=True)[1])
    remaining = np.bincount(owners[kept].astype(np.int64), minlength=len(counts)).astype(np.uint32)
    return remaining, values[kept]


def write_point_to_values(directory: Path, counts: Offsets, values: Array, sizes: Array) -> None:
    """``point_to_values.bin``: the values of each point.

    Args:
        directory: of the index.
        counts: ``(points,)`` values of each.
        values: the bytes of all values.
        sizes: ``(values,) int64`` bytes of each.
    """
    ranges = np.zeros((len(counts), 2), "<u8")
    firsts = bounds_of(counts)[:-1]
    ranges[:, 0] = _HEADER_BYTES + 16 * len(counts) + bounds_of(sizes)[firsts]
    ranges[:, 1] = counts
    header = np.zeros(_HEADER_BYTES // 8, "<u8")
    header[:2] = _HEADER_BYTES, len(counts)
    save(directory / "point_to_values.bin", header, ranges, values)


def absent_mask(counts: Array) -> Array:
    """Bits, whole words of 64, of the points without a value."""
    bits = np.zeros(-(-len(counts) // 64) * 64, np.bool_)
    bits[: len(counts)] = counts == 0
    return np.packbits(bits, bitorder="little")


def block_index(array: Array) -> tuple[Array, Array]:
    """Header and sample of a sorted array: its first element and every so-many-th after it."""
    size = array.itemsize
    per_block = _BLOCK_BYTES // size
    header = np.frombuffer(
        b"QdrntSBI" + np.array([1, size, per_block, 0], "<u4").tobytes() + np.array([len(array)], "<u8").tobytes(),
        np.uint8,
    )
    return header, array[::per_block]


def plane_frame(values: Offsets) -> bytes:
    """A zstd frame of ``u32`` values as byte planes, all low bytes first.

    Planes of one repeated byte become run-length blocks, the others are stored as they are: a valid frame (RFC 8878)
    that needs no compressor.
    """
    planes = np.ascontiguousarray(values.astype("<u4").view(np.uint8).reshape(-1, 4).T).reshape(-1)
    frame = [b"\x28\xb5\x2f\xfd\xa0", np.array([len(planes)], "<u4").tobytes()]
    starts = range(0, max(len(planes), 1), _ZSTD_BLOCK)
    for start in starts:
        block = planes[start : start + _ZSTD_BLOCK]
        last = start + _ZSTD_BLOCK >= len(planes)
        repeated = len(block) > 0 and bool((block == block[0]).all())
        head = len(block) << 3 | repeated << 1 | last
        frame += [head.to_bytes(3, "little"), block[:1].tobytes() if repeated else block.tobytes()]
    return b"".join(frame)
