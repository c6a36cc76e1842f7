"""A stored bitmask (``id_tracker.is_uuid``): one value of the bits listed, the other implied.

Layout: ``QBMK``, u32 version 1, u64 number of bits, u32 encoding, u32 0, u64 payload length; then the payload.
Encoding 0: the bits, padded to 8 bytes. 1: a Roaring bitmap of the set bits. 2: of the bits not set.
Roaring: github.com/RoaringBitmap/RoaringFormatSpec.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError
from edgeshard.storage import files

HEADER = struct.Struct("<4sIQIIQ")
RAW, SET_BITS, UNSET_BITS = 0, 1, 2
EMPTY_ROARING = struct.pack("<II", 12346, 0)
Mask = npt.NDArray[np.bool_]


def read_bitmask(path: files.PathLike, count: int) -> Mask:
    """``(count,)`` the bits of a stored bitmask.

    Raises:
        CorruptedError: damaged, or of another number of bits.
    """
    data = files.read_file(path)
    if len(data) < HEADER.size:
        raise CorruptedError(path, f"expected at least {HEADER.size} bytes, got {len(data)}", 0)
    magic, version, length, encoding, _, size = HEADER.unpack_from(data)
    if magic != b"QBMK" or version != 1:
        raise CorruptedError(path, f"expected a bitmask QBMK of version 1, got {magic!r} of version {version}", 0)
    if length != count:
        raise CorruptedError(path, f"expected {count} bits, got {length}", 8)
    if size > len(data) - HEADER.size:
        raise CorruptedError(path, f"a payload of {size} bytes does not fit the file", 24)
    payload = data[HEADER.size : HEADER.size + size]
    if encoding == RAW:
        if size < (count + 7) // 8:
            raise CorruptedError(path, f"{size} bytes are too few for {count} bits", 24)
        return np.unpackbits(np.frombuffer(payload, np.uint8), count=count, bitorder="little").view(np.bool_)
    if encoding not in (SET_BITS, UNSET_BITS):
        raise CorruptedError(path, f"unknown encoding {encoding}", 16)
    mask = np.full(count, encoding == UNSET_BITS)
    try:
        positions = read_roaring(payload)
        mask[positions] = encoding == SET_BITS
    except (ValueError, IndexError, struct.error) as error:
        raise CorruptedError(path, f"damaged Roaring bitmap: {error}", HEADER.size) from error
    return mask


def encode_bitmask(mask: Mask) -> bytes:
    """The file of a bitmask: raw bits, or an empty Roaring bitmap of the value that does not occur."""
    if mask.any() and not mask.all():
        encoding, payload = RAW, np.packbits(mask, bitorder="little").tobytes()
        payload += b"\0" * (-len(payload) % 8)
    else:
        encoding, payload = (UNSET_BITS if len(mask) and mask[0] else SET_BITS), EMPTY_ROARING
    return HEADER.pack(b"QBMK", 1, len(mask), encoding, 0, len(payload)) + payload


def read_roaring(data: bytes) -> npt.NDArray[np.int64]:
    """The positions of a Roaring bitmap in its portable form.

    Raises:
        ValueError, struct.error: the data ends early or is no such bitmap.
    """
    (cookie,) = struct.unpack_from("<I", data)
    if cookie & 0xFFFF == 12347:
        count, at = (cookie >> 16) + 1, 4
        has_runs = np.unpackbits(np.frombuffer(data, np.uint8, (count + 7) // 8, at), bitorder="little")
        at += (count + 7) // 8
    elif cookie == 12346:
        (count,) = struct.unpack_from("<I", data, 4)
        if count > 1 << 16:
            raise ValueError(f"{count} containers")
        has_runs, at = np.zeros(count, np.uint8), 8
    else:
        raise ValueError(f"unknown cookie {cookie}")
    heads = np.frombuffer(data, "<u2", 2 * count, at).reshape(count, 2).astype(np.int64)
    at += 4 * count
    if cookie == 12346 or count >= 4:
        at += 4 * count  # where each container starts; they follow one another anyway
    parts = [np.zeros(0, np.int64)]
    for (key, less_one), is_run in zip(heads.tolist(), has_runs[:count].tolist(), strict=True):
        values, at = _read_container(data, at, less_one + 1, bool(is_run))
        parts.append(values + (key << 16))
    return np.concatenate(parts)


def _read_container(data: bytes, at: int, cardinality: int, is_run: bool) -> tuple[npt.NDArray[np.int64], int]:
    if is_run:
        (count,) = struct.unpack_from("<H", data, at)
        runs = np.frombuffer(data, "<u2", 2 * count, at + 2).reshape(count, 2).astype(np.int64)
        values = [np.arange(start, start + more + 1) for start, more in runs.tolist()]
        return np.concatenate([np.zeros(0, np.int64), *values]), at + 2 + 4 * count
    if cardinality <= 4096:
        return np.frombuffer(data, "<u2", cardinality, at).astype(np.int64), at + 2 * cardinality
    bits = np.unpackbits(np.frombuffer(data, np.uint8, 8192, at), bitorder="little")
    return np.flatnonzero(bits).astype(np.int64), at + 8192
