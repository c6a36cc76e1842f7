"""Results put in the order of a payload value after they were ranked, which needs no index."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.errors import ValidationError
from edgeshard.models.datetimes import parse_datetime
from edgeshard.models.enums import Direction
from edgeshard.models.paths import JsonPath
from edgeshard.models.ranking import OrderBy
from edgeshard.query.hits import Hits
from edgeshard.query.scope import Scope


def sort_hits(scope: Scope, hits: Hits, order: OrderBy) -> Hits:
    """The same points ordered by a payload value, scores kept.

    Numbers count as they are, texts that are dates as microseconds since 1970. Of several values the first in the
    direction counts. Points of equal value keep their rank; points without a value come last.

    Raises:
        ValidationError: `order` says where to start: all results are returned, so there is nothing to leave out.
    """
    if order.start_from is not None:
        raise ValidationError(
            "Validation failed: sort_by returns every result; expected an OrderBy without start_from, got "
            f"start_from={order.start_from!r}; use a filter with a range"
        )
    path, descending = JsonPath.parse(order.key), order.direction == Direction.Desc
    pick = max if descending else min
    values: list[int | float | None] = []
    for payload in scope.decoded(hits.keys):
        found = [number for value in path.lookup(payload) for number in _numbers(value)]
        values.append(pick(found) if found else None)
    places = [place for place, value in enumerate(values) if value is not None]
    places.sort(key=lambda place: values[place], reverse=descending)  # type: ignore[arg-type, return-value]
    places += [place for place, value in enumerate(values) if value is None]
    ordered = hits.take(np.array(places, np.int64))
    ordered.order_values = [values[place] for place in places]
    return ordered


def _numbers(value: Any) -> list[int | float]:
    if isinstance(value, list):
        return [number for item in value if not isinstance(item, list) for number in _numbers(item)]
    if isinstance(value, str):
        try:
            return [parse_datetime(value)]
        except ValidationError:
            return []
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []
