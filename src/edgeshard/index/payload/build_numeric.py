"""Immutable indexes of numbers and dates: pairs in order of value, with a histogram for estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgeshard.index.payload.build_parts import absent_mask, block_index, save, write_point_to_values
from edgeshard.index.payload.values import Array, Offsets

MIN_BUCKET, MAX_BUCKET, PRECISION = 10, 10_000, 0.01
"""Pairs between two borders of the histogram: a share of all, within bounds."""


def write_numeric(directory: Path, found: Any, counts: Offsets, values: Array) -> None:
    """All files of the index.

    Args:
        directory: an empty one.
        found: not used.
        counts: ``(points,)`` values of each.
        values: ``int64`` or ``float64`` values of all points.
    """
    owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    order = np.lexsort((owners, values))
    ordered, points = values[order], owners[order]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (points[1:] != points[:-1])
    pairs = np.zeros(int(fresh.sum()), [("value", values.dtype), ("point", "<u4"), ("pad", "<u4")])
    pairs["value"], pairs["point"] = ordered[fresh], points[fresh]
    save(directory / "data.bin", pairs)
    save(directory / "data_block_index.bin", *block_index(pairs))
    save(directory / "histogram_borders.bin", *histogram(pairs))
    _save_json(
        directory / "histogram_config.json",
        {"max_bucket_size": MAX_BUCKET, "precision": PRECISION, "total_count": len(pairs)},
    )
    write_point_to_values(directory, counts, values.view(np.uint8), np.full(len(values), 8, np.int64))
    save(directory / "deleted.bin", absent_mask(counts))
    _save_json(directory / "mmap_field_index_config.json", {"max_values_per_point": int(counts.max(initial=0))})


def histogram(pairs: Array) -> tuple[Array, Array]:
    """Number of borders, and the borders: pairs at equal distances, the first and the last among them."""
    step = min(max(int(len(pairs) * PRECISION), MIN_BUCKET), MAX_BUCKET)
    places = np.arange(0, len(pairs), step)
    if len(pairs) and places[-1] != len(pairs) - 1:
        places = np.append(places, len(pairs) - 1)
    between = np.diff(places) - 1
    borders = np.zeros(
        len(places), [("value", pairs["value"].dtype), ("point", "<u4"), ("left", "<u8"), ("right", "<u8")]
    )
    borders["value"], borders["point"] = pairs["value"][places], pairs["point"][places]
    borders["left"][1:] = between
    borders["right"][:-1] = between
    return np.array([len(places)], "<u8"), borders


def _save_json(path: Path, content: dict[str, Any]) -> None:
    save(path, msgspec.json.encode(content))
