"""How many points a filter is expected to leave, without looking at all of them.

The rules are those of Qdrant's planner: conditions are taken for independent; one that an index of its field can answer
counts as the index has it, any other one as half of the points. Counts are whole numbers at every step. Where Qdrant
keeps a histogram or counts geohash cells, ours counts what there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from edgeshard.filter.evaluate import evaluate
from edgeshard.filter.values import date_bounds, number_bounds
from edgeshard.index.payload import schema
from edgeshard.index.payload.ordered import place_of
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.models.filters import (
    FieldCondition,
    Filter,
    HasIdCondition,
    HasVectorCondition,
    IsEmptyCondition,
    IsNullCondition,
    NestedCondition,
    SliceCondition,
)
from edgeshard.models.matches import (
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchPrefix,
    MatchText,
    MatchTextAny,
    MatchValue,
    RangeDateTime,
)
from edgeshard.models.paths import parse_path
from edgeshard.query.scope import Filters
from edgeshard.segment.segment import Segment, SegmentContext

_VALUE_TYPES: dict[str, type] = {schema.KEYWORD: str, schema.INT_MAP: int, schema.BOOL: bool}
"""What the values are that an index counts, by its kind."""
_PLAIN = (FieldCondition, IsEmptyCondition, IsNullCondition)
_TEXTS = (MatchText, MatchTextAny, MatchPhrase)
_Bounds: TypeAlias = "tuple[Any, Any, Any, Any]"
"""(gte, gt, lte, lt), None where there is no bound."""


def estimate(filters: Filters, segment: Segment) -> int:
    """Expected number of the segment's points that all filters match."""
    return _all_of([_remembered(one, segment) for one in filters], segment.live)


def _remembered(filter: Filter, segment: Segment) -> int:
    """What a filter leaves, worked out once for filters that say the same until the segment changes."""
    key = filter._key()
    known = segment.estimates.get(key)
    if known is None:
        if len(segment.estimates) >= _MAX_REMEMBERED:
            segment.estimates = {}
        known = segment.estimates[key] = _filter(filter, segment, "")
    return known


def _filter(filter: Filter, segment: Segment, prefix: str) -> int:
    """What a filter leaves; the paths in it continue `prefix`."""

    def each(conditions: Sequence[Any]) -> list[int]:
        return [_condition(condition, segment, prefix) for condition in conditions]

    total, parts = segment.live, []
    if filter._must:
        parts.append(_all_of(each(filter._must), total))
    if filter._should:
        parts.append(_any_of(each(filter._should), total))
    if filter.min_should is not None:
        parts.append(_at_least(each(filter.min_should._conditions), filter.min_should.min_count, total))
    if filter._must_not:
        parts.append(_all_of([total - left for left in each(filter._must_not)], total))
    return _all_of(parts, total)


def _condition(condition: Any, segment: Segment, prefix: str) -> int:
    if isinstance(condition, _PLAIN):
        known = _indexed(condition, segment, prefix)
        return segment.live // 2 if known is None else known
    if isinstance(condition, Filter):
        return _filter(condition, segment, prefix)
    if isinstance(condition, NestedCondition):
        return _filter(condition.filter, segment, f"{parse_path(prefix + condition.key).elements().text}.")
    if isinstance(condition, HasIdCondition):
        return len(SegmentContext(segment).offsets_of(list(condition._ids)))
    if isinstance(condition, HasVectorCondition):
        return segment.alive(condition.vector)[1] if condition.vector in segment.fields else 0
    assert isinstance(condition, SliceCondition)
    return segment.live // condition.total


def _indexed(condition: Any, segment: Segment, prefix: str) -> int | None:
    """What the index of a condition's field says of it; None if there is none that can tell."""
    path = parse_path(prefix + condition.key).text
    field = segment.indexes.field(path)
    if field is None or not segment.live:
        return None
    if not isinstance(condition, FieldCondition):
        return _counted(condition, segment, prefix)
    if condition.values_count is not None:
        return None
    if condition.is_empty is not None or condition.is_null is not None:
        return _counted(condition, segment, prefix)
    if condition.match is not None:
        found = _matching(condition, field, segment, prefix)
        if found is not None:
            return found
    if condition.range is not None:
        found = _within(condition.range, field, segment)
        if found is not None:
            return found
    shapes = (condition.geo_bounding_box, condition.geo_radius, condition.geo_polygon)
    if schema.GEO in field.kinds and any(shape is not None for shape in shapes):
        return _counted(condition, segment, prefix)
    return None


def _counted(condition: Any, segment: Segment, prefix: str) -> int | None:
    """The number of points a condition on an indexed field matches."""
    if prefix:  # what one object has says nothing about the others of its point
        return None
    mask = evaluate(Filter(must=[condition]), SegmentContext(segment))
    return int(np.count_nonzero(mask & segment.select(None).mask))


def _matching(condition: FieldCondition, field: FieldSchema, segment: Segment, prefix: str) -> int | None:
    match = condition.match
    if isinstance(match, MatchPrefix):
        by_prefix = schema.KEYWORD in field.kinds and bool(field.options.get("prefix"))
        return _counted(condition, segment, prefix) if by_prefix else None
    if isinstance(match, _TEXTS):
        return _counted(condition, segment, prefix) if schema.TEXT in field.kinds else None
    if not isinstance(match, (MatchValue, MatchAny, MatchExcept)):
        return None
    wanted = [match.value] if isinstance(match, MatchValue) else list(match.value)
    if schema.UUID_MAP in field.kinds:
        return _counted(condition, segment, prefix) if all(isinstance(value, str) for value in wanted) else None
    for kind, type_ in _VALUE_TYPES.items():
        if kind in field.kinds and all(type(value) is type_ for value in wanted):
            return _having(match, wanted, kind, field, segment)
    return None


def _having(match: Any, wanted: list[Any], kind: str, field: FieldSchema, segment: Segment) -> int:
    """Points with one of some values, or with another value than these (`MatchExcept`)."""
    groups = segment.indexes.groups(field.field, kind)
    tally = groups.tally(segment.select(None))
    numbers = [groups.number(value) for value in dict.fromkeys(wanted)]
    counts = [0 if number is None else int(tally.counts[number]) for number in numbers]
    if isinstance(match, MatchValue):
        return counts[0]
    if isinstance(match, MatchAny):
        return _any_of(counts, tally.points)
    others, kinds_left = tally.values - sum(counts), tally.distinct - len(counts)
    if kinds_left <= 0 or not others:
        return 0
    least = max(-(-others // kinds_left), tally.points - sum(counts))
    most = min(tally.points - max(counts, default=0), others)
    return min(max(_spread(others, tally.points), least), most)


def _within(bounds: Any, field: FieldSchema, segment: Segment) -> int | None:
    """Points with a value in a range."""
    dates = isinstance(bounds, RangeDateTime)
    kinds = (schema.DATETIME,) if dates else (schema.INT, schema.FLOAT)
    kind = next((kind for kind in kinds if kind in field.kinds), None)
    limits: _Bounds | None = date_bounds(bounds) if dates else number_bounds(bounds)
    if kind is None:
        return None
    if limits is None:
        return 0
    ordered = segment.indexes.ordered(field.field, kind)
    if ordered is None:
        mask = evaluate(Filter(must=[FieldCondition(field.field, range=bounds)]), SegmentContext(segment))
        return int(np.count_nonzero(mask & segment.select(None).mask))
    values = ordered[1]
    gte, gt, lte, lt = limits
    first = max(0 if gte is None else place_of(values, gte), 0 if gt is None else place_of(values, gt, after=True))
    last = len(values)
    last = min(last if lte is None else place_of(values, lte, after=True), last if lt is None else place_of(values, lt))
    found = max(last - first, 0)
    if segment.live < segment.count and not segment.appendable:  # deleted points are still among the values
        found = _rounded(found * segment.live / segment.count)
    if not len(values) or not segment.indexes.several(field.field, kind):
        return found
    per_point = max(len(values) / segment.live, 1.0)  # a point is left out if none of its values is inside
    return min(_rounded(segment.live * (1 - (1 - found / len(values)) ** per_point)), found)


def _spread(values: int, points: int) -> int:
    """How many of some points have one of as many values, if each value is anyone's."""
    return _rounded((1 - math.exp(-values / points)) * points) if points else 0


def _all_of(parts: Sequence[int], total: int) -> int:
    if len(parts) == 1:
        return parts[0]
    share = 1.0
    for part in parts:
        share *= part / total if total else 0.0
    return _rounded(share * total)


def _any_of(parts: Iterable[int], total: int) -> int:
    none = 1.0
    for part in parts:
        none *= 1.0 - part / total if total else 0.0
    return _rounded((1 - none) * total)


def _at_least(parts: list[int], wanted: int, total: int) -> int:
    """Any of the ways to choose so many conditions that all hold."""
    if wanted > len(parts):
        return 0
    if math.comb(len(parts), wanted) > _WAYS:
        return total // 2
    return _any_of([_all_of(some, total) for some in combinations(parts, wanted)], total)


_MAX_REMEMBERED = 64
"""Estimates kept for a segment."""
_WAYS = 10_000
"""More ways to choose conditions than this are not gone through."""


def _rounded(value: float) -> int:
    """Halves go up."""
    return math.floor(value + 0.5)
