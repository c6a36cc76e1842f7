"""Counting points by the values of an indexed field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from edgeshard import _native
from edgeshard.errors import IndexNotFoundError
from edgeshard.index.payload import schema
from edgeshard.index.payload.value_groups import ValueGroups
from edgeshard.index.payload.values import Array
from edgeshard.models.paths import parse_path
from edgeshard.models.requests import FacetRequest
from edgeshard.models.results import FacetResponse
from edgeshard.query.scope import index_kind
from edgeshard.segment.segment import Segment

Counts: TypeAlias = "list[tuple[int, Any]]"
"""How many points have a value, below zero, and the value as :meth:`ValueGroups.keys` has it: sorted as results are."""

_Part: TypeAlias = "tuple[ValueGroups, Array]"
"""The values of a segment and how many points have each."""

DEFAULT_LIMIT = 10
MOST_REMEMBERED = 1000
"""Values that are remembered from one facet to the next."""
MANY_TIMES = 8
"""Values are looked up one by one in a segment that has so many times as many of them."""
MATCH_KINDS = (schema.KEYWORD, schema.INT_MAP, schema.UUID_MAP, schema.BOOL)


def run_facet(segments: Sequence[Segment], facet: FacetRequest) -> FacetResponse:
    """The values most points have, each point counted once per value; equal counts by value.

    Always exact: counting all points costs less than sampling them would save.

    Raises:
        IndexNotFoundError: the field has no index that holds single values.
    """
    if not facet.exact and not any(segment.live for segment in segments):
        return FacetResponse._make([], [])  # as in Qdrant, whether there is an index or not
    kind = facet_kind(segments, facet.key)
    limit = DEFAULT_LIMIT if facet.limit is None else facet.limit
    parts = [part for segment in segments if (part := _count(segment, facet, kind)) is not None]
    if len(parts) == 1:
        found = _leading(*parts[0], limit, everyone=facet.filter is None)
    else:
        found = sorted(_merged(parts, limit))[:limit]
    return FacetResponse._make(_shown([value for _, value in found], kind), [-count for count, _ in found])


def facet_kind(segments: Sequence[Segment], key: str) -> str:
    """The kind of index that counts values of a field.

    Raises:
        IndexNotFoundError: there is none.
    """
    kind = index_kind(segments, key, MATCH_KINDS)
    if kind is not None:
        return kind
    raise IndexNotFoundError(
        f"No appropriate index for faceting: `{key}`. Please create one to facet on this field: a keyword, integer "
        "(with lookup), uuid or bool index"
    )


def _count(segment: Segment, facet: FacetRequest, kind: str) -> _Part | None:
    """The values of one segment and how many points have each; None if no point counts."""
    chosen = segment.select(facet.filter)
    if not len(chosen):
        return None
    groups = segment.indexes.groups(parse_path(facet.key).text, kind)
    return groups, groups.tally(chosen).counts if facet.filter is None else groups.count(chosen)


def _leading(groups: ValueGroups, counts: Array, limit: int, *, everyone: bool) -> Counts:
    """The values of one segment that come first, in order; remembered for all points, as their counts are."""
    known = groups.leading
    if known is not None and known[0] is counts and known[1] == limit:
        return known[2]  # type: ignore[no-any-return]
    found = sorted(_first(groups, counts, limit))[:limit]
    if everyone and len(found) <= MOST_REMEMBERED:
        groups.leading = counts, limit, found
    return found


def _first(groups: ValueGroups, counts: Array, limit: int) -> Counts:
    """The values of one segment that come first, in no order."""
    above, tied = _native.most_frequent(counts, limit)
    numbers = np.concatenate([above, groups.first(tied, limit - len(above))])
    return list(zip((-counts[numbers]).tolist(), groups.keys(numbers), strict=True))


def _merged(parts: list[_Part], limit: int) -> Counts:
    """Values that can come first over several segments, and their counts over all of them.

    If a segment has `limit` values of so many points or more, a value that comes first has no fewer over all segments,
    and thus at least its share of them in one.
    """
    bar = 0
    for _, counts in parts:
        _, tied = _native.most_frequent(counts, limit)
        if len(tied):
            bar = max(bar, int(counts[tied[0]]))
    least = max(-(-bar // len(parts)), 1) if parts else 1
    total: dict[Any, int] = {}
    for groups, counts in parts:
        numbers = np.flatnonzero(counts >= least)
        for value, count in zip(groups.keys(numbers), counts[numbers].tolist(), strict=True):
            total[value] = total.get(value, 0) + count
    if least == 1:
        return [(-count, value) for value, count in total.items()]
    values = list(total)
    every = [_counts_of(values, *part) for part in parts]
    return [(-sum(counts), value) for value, counts in zip(values, zip(*every, strict=True), strict=True)]


def _counts_of(values: list[Any], groups: ValueGroups, counts: Array) -> list[int]:
    """How many points of a segment have each of some values."""
    numbers = np.flatnonzero(counts)
    if len(numbers) > MANY_TIMES * len(values):
        return [groups.count_of(value, counts) for value in values]
    known = dict(zip(groups.keys(numbers), counts[numbers].tolist(), strict=True))
    return [known.get(value, 0) for value in values]


def _shown(values: list[Any], kind: str) -> list[Any]:
    if kind == schema.KEYWORD:
        return [value.decode() for value in values]
    return [str(UUID(int=value)) for value in values] if kind == schema.UUID_MAP else values
