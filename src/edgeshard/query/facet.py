"""Counting points by the values of an indexed field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from edgeshard import _native
from edgeshard.errors import IndexNotFoundError
from edgeshard.filter.evaluate import evaluate
from edgeshard.index.payload import schema
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Array, Mask, values_of
from edgeshard.models.paths import parse_path
from edgeshard.models.requests import FacetRequest
from edgeshard.models.results import FacetResponse
from edgeshard.segment.segment import Segment, SegmentContext

Counts: TypeAlias = "list[tuple[Any, int]]"
"""Values, in a form that sorts as the result does, and how many points have each."""

DEFAULT_LIMIT = 10
MATCH_KINDS = (schema.KEYWORD, schema.INT_MAP, schema.UUID_MAP, schema.BOOL)


def run_facet(segments: Sequence[Segment], facet: FacetRequest) -> FacetResponse:
    """The values most points have, each point counted once per value; equal counts by value.

    Always exact: counting all points costs less than sampling them would save.

    Raises:
        IndexNotFoundError: the field has no index that holds single values.
    """
    kind = facet_kind(segments, facet.key)
    limit = DEFAULT_LIMIT if facet.limit is None else facet.limit
    parts = [_count(segment, facet, kind, limit if len(segments) == 1 else None) for segment in segments]
    total: dict[Any, int] = {}
    for part in parts:
        for value, count in part:
            total[value] = total.get(value, 0) + count
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return FacetResponse._make((_shown(value, kind), count) for value, count in ranked)


def facet_kind(segments: Sequence[Segment], key: str) -> str:
    """The kind of index that counts values of a field.

    Raises:
        IndexNotFoundError: there is none.
    """
    path = parse_path(key).text
    for segment in segments:
        stored = segment.indexes.schema.get(path)
        if stored is not None:
            for kind in FieldSchema(path, stored).kinds:
                if kind in MATCH_KINDS:
                    return kind
    raise IndexNotFoundError(
        f"No appropriate index for faceting: `{key}`. Please create one to facet on this field: a keyword, integer "
        "(with lookup), uuid or bool index"
    )


def _count(segment: Segment, facet: FacetRequest, kind: str, limit: int | None) -> Counts:
    """Points per value in one segment; with a limit only the values that can be among the first."""
    mask = segment.live_mask()
    if facet.filter is not None:
        mask &= evaluate(facet.filter, SegmentContext(segment))
    column = segment.columns.column(parse_path(facet.key))
    if kind == schema.KEYWORD and column.owners is None and column.codes is not None:
        counts = np.bincount(column.codes[mask[: len(column.codes)]], minlength=1)
        counts[0] = 0
        return _ranked(np.arange(len(counts)), counts, column, kind, limit)
    places, values = values_of(column, kind)
    groups, numbers = _grouped(values, kind)
    owners = None if column.owners is None else column.owners[places]
    counts = _points_per_group(numbers, len(groups), places if owners is None else owners, mask, owners is None)
    return _ranked(groups, counts, column, kind, limit)


def _ranked(groups: Array, counts: Array, column: Any, kind: str, limit: int | None) -> Counts:
    """Values that occur and their counts; with a limit only those that can be among the first."""
    found = np.flatnonzero(counts)
    if limit is not None and len(found) > limit:
        if not limit:
            return []
        bar = np.partition(counts[found], len(found) - limit)[len(found) - limit]
        found = found[counts[found] >= bar]
    return list(zip(_sortable(groups[found], column, kind), counts[found].tolist(), strict=True))


def _grouped(values: Array, kind: str) -> tuple[Array, Array]:
    """Distinct values, and the number of each value among them."""
    if kind == schema.KEYWORD:  # codes are numbers already
        top = int(values.max()) + 1 if len(values) else 0
        return np.arange(top, dtype=np.uint32), values
    if kind == schema.UUID_MAP:
        values = np.ascontiguousarray(values).view([("low", "<u8"), ("high", "<u8")]).reshape(-1)
    groups, numbers = np.unique(values, return_inverse=True)
    return groups, numbers.reshape(-1)


def _points_per_group(numbers: Array, groups: int, owners: Array, mask: Mask, single: bool) -> Array:
    """How many of the points in the mask have each value; with ``single`` a point has one at most."""
    inside = owners < len(mask)
    chosen = np.flatnonzero(inside)[mask[owners[inside]]]
    numbers = numbers[chosen]
    if not single:
        pairs = owners[chosen].astype(np.uint64) * np.uint64(max(groups, 1)) + numbers.astype(np.uint64)
        numbers = (np.unique(pairs) % np.uint64(max(groups, 1))).astype(np.int64)
    return np.bincount(numbers, minlength=groups)


def _sortable(groups: Array, column: Any, kind: str) -> list[Any]:
    if kind == schema.KEYWORD:
        texts = _native.string_texts(column.strings, np.ascontiguousarray(groups, np.uint32))
        return [text.encode() for text in texts]
    if kind == schema.UUID_MAP:
        return [int(high) << 64 | int(low) for low, high in groups.tolist()]
    return list(groups.tolist())


def _shown(value: Any, kind: str) -> Any:
    if kind == schema.KEYWORD:
        return value.decode()
    return str(UUID(int=value)) if kind == schema.UUID_MAP else value
