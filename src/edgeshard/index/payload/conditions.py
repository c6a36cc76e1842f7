"""Field conditions as payload indexes see them: one clause at a time, with bounds in the values of the index."""

from __future__ import annotations

import math
from typing import Any

from edgeshard.filter.values import date_bounds, number_bounds

CLAUSES = (
    "match", "range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count", "is_empty", "is_null",
)  # fmt: skip
LEAST, MOST = -(2**63), 2**63 - 1


def only_clause(condition: Any) -> tuple[str, Any]:
    """Name and content of the one clause a condition consists of; ``("", None)`` for any other condition."""
    if type(condition).__name__ != "FieldCondition":
        return "", None
    found = [(name, clause) for name in CLAUSES if (clause := getattr(condition, name)) is not None]
    return found[0] if len(found) == 1 else ("", None)


def only_match(condition: Any) -> Any:
    """The match of a field condition that asks nothing else; None for other conditions."""
    name, clause = only_clause(condition)
    return clause if name == "match" else None


def wanted_values(match: Any, kind: type) -> list[Any] | None:
    """What a ``MatchValue`` or ``MatchAny`` asks for if these are all of a kind; None for other matches."""
    name = type(match).__name__
    if name not in ("MatchValue", "MatchAny"):
        return None
    wanted = [match.value] if name == "MatchValue" else list(match.value)
    return wanted if all(type(value) is kind for value in wanted) else None


def integers_within(bounds: Any) -> tuple[int, int] | None:
    """The least and the greatest integer of 64 bits inside of a range of numbers; None for a range of dates.

    The second is below the first if there is none.
    """
    if type(bounds).__name__ != "RangeFloat":
        return None
    limits = number_bounds(bounds)
    if limits is None:
        return 1, 0
    gte, gt, lte, lt = limits
    low = max(_whole(gte, math.ceil, LEAST), _whole(gt, math.floor, LEAST - 1) + 1)
    high = min(_whole(lte, math.floor, MOST), _whole(lt, math.ceil, MOST + 1) - 1)
    return low, high


def _whole(bound: float | None, rounded: Any, default: int) -> int:
    if bound is None:
        return default
    if math.isinf(bound):
        return MOST + 2 if bound > 0 else LEAST - 2
    return int(rounded(bound))


def dates_within(bounds: Any) -> tuple[int, int] | None:
    """The first and the last microsecond since 1970 inside of a range of dates; None for a range of numbers."""
    if type(bounds).__name__ != "RangeDateTime":
        return None
    gte, gt, lte, lt = date_bounds(bounds)
    low = max(LEAST if gte is None else gte, LEAST if gt is None else gt + 1)
    return low, min(MOST if lte is None else lte, MOST if lt is None else lt - 1)
