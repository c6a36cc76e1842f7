"""Sets of points that filters are expected to select, which a graph gets additional links for.

Rules of docs/format/hnsw.md, section "Payload sub-graphs": every indexed field whose schema does not set
``enable_hnsw`` to false contributes one block per frequent value, and for ranges overlapping runs of about half the
threshold. Tenant fields come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.filter.column_store import Column
from edgeshard.filter.columns import PayloadColumns, PayloadSource
from edgeshard.models.paths import JsonPath

Offsets = npt.NDArray[np.uint32]
TAG_FALSE, TAG_TRUE, TAG_INTEGER, TAG_STRING = 2, 3, 4, 6
MAX_BLOCKS = 1000
"""Blocks of one field at most: each costs a graph of its own to build."""


def payload_blocks(source: PayloadSource, schema: dict[str, Any], threshold: int) -> list[Offsets]:
    """Blocks of all indexed fields.

    Args:
        source: payloads of the segment being built.
        schema: payload indexes by field path.
        threshold: points a block needs at least.
    """
    columns = PayloadColumns(source)
    blocks: list[Offsets] = []
    for path, options in sorted(schema.items(), key=lambda item: not _option(item[1], "is_tenant")):
        if _option(options, "enable_hnsw") is False or _option(options, "nested"):
            continue
        kind = options if isinstance(options, str) else options["type"]
        if kind in _BLOCKS:
            column = columns.column(JsonPath.parse(path))
            found = _BLOCKS[kind](column, max(threshold, 1))
            blocks += [block for block, _ in zip(found, range(MAX_BLOCKS), strict=False)]
    return blocks


def _option(schema: Any, name: str) -> Any:
    return None if isinstance(schema, str) else schema.get(name)


def _owners(column: Column, entries: npt.NDArray[Any]) -> Offsets:
    points = entries if column.owners is None else column.owners[entries]
    return np.unique(points[points < column.points]).astype(np.uint32)


def _by_value(column: Column, entries: npt.NDArray[Any], values: npt.NDArray[Any], least: int) -> Iterator[Offsets]:
    """One block per value that occurs often enough, the most frequent first."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(counts)
    for value in np.argsort(-counts, kind="stable")[: MAX_BLOCKS + 1].tolist():
        if counts[value] < least:
            return
        block = _owners(column, entries[order[ends[value] - counts[value] : ends[value]]])
        if len(block) >= least:
            yield block


def _texts(column: Column, least: int) -> Iterator[Offsets]:
    entries = np.flatnonzero(column.tags == TAG_STRING)
    if column.codes is not None and len(entries):
        yield from _by_value(column, entries, column.codes[entries], least)


def _booleans(column: Column, least: int) -> Iterator[Offsets]:
    for tag in (TAG_TRUE, TAG_FALSE):
        block = _owners(column, np.flatnonzero(column.tags == tag))
        if len(block) > least:
            yield block


def _integers(column: Column, least: int) -> Iterator[Offsets]:
    entries = np.flatnonzero(column.tags == TAG_INTEGER)
    if len(entries) and column.numbers is not None:
        values = column.numbers[entries] if column.integers is None else column.integers[entries]
        yield from _by_value(column, entries, values, least)
        yield from _ranges(column, entries, values, least)


def _numbers(column: Column, least: int) -> Iterator[Offsets]:
    if column.numbers is not None:
        entries = np.flatnonzero(~np.isnan(column.numbers))
        yield from _ranges(column, entries, column.numbers[entries], least)


def _ranges(column: Column, entries: npt.NDArray[Any], values: npt.NDArray[Any], least: int) -> Iterator[Offsets]:
    """Runs of the sorted values, each overlapping the next by half."""
    if len(entries) < least:
        return
    ordered = entries[np.argsort(values, kind="stable")]
    half = max(least // 2, 1)
    for start in range(0, max(len(ordered) - half, 1), half):
        block = _owners(column, ordered[start : start + 2 * half])
        if len(block):
            yield block


_BLOCKS = {"keyword": _texts, "uuid": _texts, "bool": _booleans, "integer": _integers, "float": _numbers}
