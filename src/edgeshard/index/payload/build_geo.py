"""Immutable geo indexes: points by geohash, and how many points lie in each cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgeshard.index.payload.build_parts import absent_mask, block_index, save, write_point_to_values
from edgeshard.index.payload.values import Array, Offsets

LENGTH = 12
"""Characters of a full geohash."""

CODE_BITS = 30
"""Bits of a place on one axis in a full geohash."""
_RECORD = [("hash", "<u8"), ("first", "<u4"), ("second", "<u4")]


def write_geo(directory: Path, found: Any, counts: Offsets, places: Array) -> None:
    """All files of the index.

    Args:
        directory: an empty one.
        found: not used.
        counts: ``(points,)`` values of each.
        places: ``(values, 2)`` longitude and latitude.
    """
    owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    hashes = geohashes(places)
    pairs = _pairs(hashes, owners)
    cells, starts = np.unique(pairs["hash"], return_index=True)
    table = np.zeros(len(cells), _RECORD)
    table["hash"], table["first"] = cells, starts
    table["second"] = np.append(starts[1:], len(pairs))
    counted = cell_counts(hashes, owners)
    save(directory / "points_map.bin", table)
    save(directory / "points_map_ids.bin", np.ascontiguousarray(pairs["point"]))
    save(directory / "counts_per_hash.bin", counted)
    save(directory / "points_map_block_index.bin", *block_index(table))
    save(directory / "counts_per_hash_block_index.bin", *block_index(counted))
    flat = np.ascontiguousarray(places).reshape(-1).view(np.uint8)
    write_point_to_values(directory, counts, flat, np.full(len(places), 16, np.int64))
    save(directory / "deleted.bin", absent_mask(counts))
    stats = {"points_values_count": len(places), "max_values_per_point": int(counts.max(initial=0))}
    save(directory / "mmap_field_index_stats.json", msgspec.json.encode(stats))


def geohashes(places: Array) -> Array:
    """Packed geohashes ``(n,) uint64`` of ``(n, 2)`` longitudes and latitudes.

    An axis is scaled to [1, 2) as a double; the upper 30 bits of its mantissa are the code. The bits of both codes take
    turns, longitude first: 12 characters of 5 bits from the top, the length in the low 4 bits. The upper ends, 180 and
    90, wrap to the cell of the lower ones.
    """
    codes = axis_codes(places)
    bits: Array = interleaved(codes[:, 0]) << np.uint64(1) | interleaved(codes[:, 1])
    hashes: Array = np.bitwise_or(bits << np.uint64(4), np.uint64(LENGTH))
    return hashes


def axis_codes(places: Array) -> Array:
    """Codes ``(n, 2) uint64`` of longitudes and latitudes, see :func:`geohashes`: ascending but for the upper ends."""
    scaled: Array = np.ascontiguousarray(places, np.float64) / (360.0, 180.0) + 1.5
    codes: Array = scaled.view(np.uint64) >> np.uint64(52 - CODE_BITS) & np.uint64((1 << CODE_BITS) - 1)
    return codes


def interleaved(codes: Array) -> Array:
    """Numbers of 32 bits with a zero before each bit (Morton coding)."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        codes = (codes | codes << np.uint64(shift)) & np.uint64(mask)
    return codes


def cell_counts(hashes: Array, owners: Offsets) -> Array:
    """Points and values in every cell that has any, for prefixes of 0 to 12 characters, by hash."""
    tables = []
    for length in range(LENGTH + 1):
        kept = 64 - 5 * length
        cells = np.zeros_like(hashes) if not length else hashes >> np.uint64(kept) << np.uint64(kept)
        cells |= np.uint64(length)
        distinct, values = np.unique(cells, return_counts=True)
        table = np.zeros(len(distinct), _RECORD)
        table["hash"], table["second"] = distinct, values
        table["first"] = np.unique(_pairs(cells, owners)["hash"], return_counts=True)[1]
        tables.append(table)
    whole = np.concatenate(tables)
    return whole[np.argsort(whole["hash"], kind="stable")]


def _pairs(hashes: Array, owners: Offsets) -> Array:
    """Distinct pairs of a cell and a point, by cell and then by point."""
    order = np.lexsort((owners, hashes))
    pairs = np.zeros(len(order), [("hash", "<u8"), ("point", "<u4")])
    pairs["hash"], pairs["point"] = hashes[order], owners[order]
    kept = np.ones(len(pairs), np.bool_)
    kept[1:] = (pairs["hash"][1:] != pairs["hash"][:-1]) | (pairs["point"][1:] != pairs["point"][:-1])
    return pairs[kept]
