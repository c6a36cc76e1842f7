"""How many points a filter is expected to leave, without looking at all of them.

As Qdrant's planner: conditions are taken for independent; a condition with an index, a column or ids to look up
counts as it is, any other one as half of the points.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgeshard.filter.evaluate import evaluate
from edgeshard.models.filters import FieldCondition, Filter, HasIdCondition, IsEmptyCondition, IsNullCondition
from edgeshard.models.paths import parse_path
from edgeshard.query.scope import Filters
from edgeshard.segment.segment import Segment, SegmentContext

UNKNOWN = 0.5
"""Share of the points that a condition is taken to leave when nothing is known of it."""


def estimate(filters: Filters, segment: Segment) -> int:
    """Expected number of the segment's points that all filters match."""
    share = _all(_share(one, segment) for one in filters)
    return round(share * segment.live)


def _share(condition: Any, segment: Segment) -> float:
    if not isinstance(condition, Filter):
        return _condition(condition, segment)
    share = _all(_share(one, segment) for one in condition.must or ())
    share *= _all(1.0 - _share(one, segment) for one in condition.must_not or ())
    if condition.should:
        share *= 1.0 - _all(1.0 - _share(one, segment) for one in condition.should)
    if condition.min_should is not None:
        share *= _at_least([_share(one, segment) for one in condition.min_should.conditions], condition.min_should)
    return share


def _condition(condition: Any, segment: Segment) -> float:
    if not segment.live or not _is_cheap(condition, segment):
        return UNKNOWN
    mask = evaluate(Filter(must=[condition]), SegmentContext(segment)) & segment.live_mask()
    return int(np.count_nonzero(mask)) / segment.live


def _is_cheap(condition: Any, segment: Segment) -> bool:
    if isinstance(condition, HasIdCondition):
        return True
    if not isinstance(condition, (FieldCondition, IsEmptyCondition, IsNullCondition)):
        return False
    return segment.indexes.get(parse_path(condition.key).text) is not None


def _at_least(shares: list[float], wanted: Any) -> float:
    """Chance that at least so many of some independent conditions hold."""
    chances = [1.0]
    for share in shares:
        chances = [
            (chances[n] * (1 - share) if n < len(chances) else 0.0) + (chances[n - 1] * share if n else 0.0)
            for n in range(len(chances) + 1)
        ]
    return sum(chances[wanted.min_count :])


def _all(shares: Iterable[float]) -> float:
    product = 1.0
    for share in shares:
        product *= share
    return product
