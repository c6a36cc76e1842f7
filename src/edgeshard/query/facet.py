"""Counting points by the values of an indexed field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from edgeshard import _native
from edgeshard.errors import IndexNotFoundError
from edgeshard.index.payload import schema
from edgeshard.index.payload.value_groups import value_groups
from edgeshard.index.payload.values import Array
from edgeshard.models.paths import parse_path
from edgeshard.models.requests import FacetRequest
from edgeshard.models.results import FacetResponse
from edgeshard.segment.segment import Segment

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
    several = sum(segment.live > 0 for segment in segments) > 1
    parts = [_count(segment, facet, kind, None if several else limit) for segment in segments]
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
        field = segment.indexes.field(path)
        for kind in () if field is None else field.kinds:
            if kind in MATCH_KINDS:
                return kind
    raise IndexNotFoundError(
        f"No appropriate index for faceting: `{key}`. Please create one to facet on this field: a keyword, integer "
        "(with lookup), uuid or bool index"
    )


def _count(segment: Segment, facet: FacetRequest, kind: str, limit: int | None) -> Counts:
    """Points per value in one segment; with a limit only the values that come first."""
    chosen = segment.select(facet.filter)
    if not len(chosen):
        return []
    groups = value_groups(segment.columns.column(parse_path(facet.key)), kind)
    counts = groups.tally(chosen).counts if facet.filter is None else groups.count(chosen)
    if limit is None:
        numbers: Array = np.flatnonzero(counts)
    else:
        above, tied = _native.most_frequent(counts, limit)
        numbers = np.concatenate([above, groups.first(tied, limit - len(above))])
    return list(zip(groups.keys(numbers), counts[numbers].tolist(), strict=True))


def _shown(value: Any, kind: str) -> Any:
    if kind == schema.KEYWORD:
        return value.decode()
    return str(UUID(int=value)) if kind == schema.UUID_MAP else value
