"""Conditions as payload indexes see them: which index of a field answers, by which clause, with which bounds.

As in Qdrant the first index of a field that knows a clause of a condition answers the whole condition by it; other
clauses of the condition then say nothing. Bounds are in the values of the index: an index of dates compares a range of
numbers with microseconds since 1970, one of numbers takes a range of dates for such numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from edgeshard import _native
from edgeshard.filter.values import date_bounds
from edgeshard.index.payload import schema
from edgeshard.models.filters import FieldCondition, IsEmptyCondition, IsNullCondition
from edgeshard.models.matches import (
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchPrefix,
    MatchSubstring,
    MatchText,
    MatchTextAny,
    MatchValue,
    RangeDateTime,
    RangeFloat,
)

LEAST, MOST = -(2**63), 2**63 - 1
SHAPES = ("geo_bounding_box", "geo_radius", "geo_polygon")


class Question(NamedTuple):
    """What one index is asked."""

    kind: str
    """Of the index."""
    name: str
    """``match``, ``range``, a geo clause, ``is_empty`` or ``is_null``."""
    clause: Any
    """The match, range or shape; for ``is_empty`` and ``is_null`` whether it is to be so."""
    alone: bool
    """Whether the condition has no other clause."""


def question(condition: Any, kinds: Sequence[str]) -> Question | None:
    """What a condition asks of the indexes of its field, in their order; None if none of them can answer."""
    if isinstance(condition, IsEmptyCondition):
        return Question(schema.NULL, "is_empty", True, True)
    if isinstance(condition, IsNullCondition):
        return Question(schema.NULL, "is_null", True, True)
    if not isinstance(condition, FieldCondition):
        return None
    for kind in kinds:
        for name in _CLAUSES[kind]:
            clause = getattr(condition, name)
            if clause is not None and (name != "match" or _MATCHES[kind](clause)):
                return Question(kind, name, clause, _alone(condition))
    return None


_clauses = attrgetter("match", "range", *SHAPES, "values_count", "is_empty", "is_null")


def _alone(condition: FieldCondition) -> bool:
    return len([clause for clause in _clauses(condition) if clause is not None]) == 1


def wanted_values(match: Any) -> list[Any]:
    """The values of a ``MatchValue``, ``MatchAny`` or ``MatchExcept``."""
    return [match.value] if isinstance(match, MatchValue) else list(match.value)


def _texts(match: Any) -> bool:
    if isinstance(match, (MatchPrefix, MatchSubstring)):
        return True
    return isinstance(match, (MatchValue, MatchAny, MatchExcept)) and all(
        isinstance(value, str) for value in wanted_values(match)
    )


def _all_are(kind: type) -> Callable[[Any], bool]:
    def are(match: Any) -> bool:
        if not isinstance(match, (MatchValue, MatchAny, MatchExcept)):
            return False
        wanted = wanted_values(match)  # an empty list is one of texts
        return bool(wanted) and all(type(value) is kind for value in wanted)

    return are


def _uuids(match: Any) -> bool:
    if not isinstance(match, (MatchValue, MatchAny, MatchExcept)):
        return False
    wanted = wanted_values(match)
    if not all(isinstance(value, str) for value in wanted):
        return False
    return not wanted or bool(_native.parse_uuids(wanted)[2].all())


def _words(match: Any) -> bool:
    return isinstance(match, (MatchText, MatchTextAny, MatchPhrase))


_MATCHES: dict[str, Callable[[Any], bool]] = {
    schema.KEYWORD: _texts,
    schema.INT_MAP: _all_are(int),
    schema.UUID_MAP: _uuids,
    schema.BOOL: _all_are(bool),
    schema.TEXT: _words,
}
_CLAUSES: dict[str, tuple[str, ...]] = {
    schema.KEYWORD: ("match",),
    schema.INT_MAP: ("match",),
    schema.UUID_MAP: ("match",),
    schema.BOOL: ("match",),
    schema.TEXT: ("match",),
    schema.INT: ("range",),
    schema.FLOAT: ("range",),
    schema.DATETIME: ("range",),
    schema.GEO: SHAPES,
    schema.NULL: ("is_empty", "is_null"),
}
"""The clauses an index of a kind knows, first come first."""


def integers_within(bounds: RangeFloat | RangeDateTime) -> tuple[int, int]:
    """The least and the greatest integer of 64 bits inside of a range, dates in microseconds since 1970.

    The second is below the first if there is none. Bounds beyond 64 bits are the nearest integer of 64 bits, as in
    Qdrant, and NaN is 0.
    """
    if isinstance(bounds, RangeDateTime):
        gte, gt, lte, lt = date_bounds(bounds)
    else:
        gte, lt = _whole(bounds.gte, math.ceil), _whole(bounds.lt, math.ceil)
        gt, lte = _whole(bounds.gt, math.floor), _whole(bounds.lte, math.floor)
    low = max(LEAST if gte is None else gte, LEAST if gt is None else gt + 1)
    high = min(MOST if lte is None else lte, MOST if lt is None else lt - 1)
    return low, high


def _whole(bound: float | None, rounded: Callable[[float], int]) -> int | None:
    if bound is None:
        return None
    if math.isnan(bound):
        return 0
    return min(max(rounded(bound), LEAST), MOST) if math.isfinite(bound) else MOST if bound > 0 else LEAST


def numbers_within(bounds: RangeFloat | RangeDateTime) -> RangeFloat:
    """The range an index of floating-point numbers takes a range for.

    Dates become microseconds since 1970; before 1970 these are, as in Qdrant, numbers of 128 bits without a sign, so
    that such a bound lies above all numbers.
    """
    if isinstance(bounds, RangeFloat):
        return bounds
    gte, gt, lte, lt = (None if bound is None else float(bound % 2**128) for bound in date_bounds(bounds))
    return RangeFloat(gte=gte, gt=gt, lte=lte, lt=lt)
