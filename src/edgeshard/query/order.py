"""Points in the order of a payload field, which needs an index that supports ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.errors import IndexNotFoundError
from edgeshard.index.payload.schema import DATETIME, FLOAT, INT
from edgeshard.index.payload.values import values_of
from edgeshard.models.enums import Direction
from edgeshard.models.paths import JsonPath
from edgeshard.models.ranking import OrderBy
from edgeshard.models.results import Record
from edgeshard.query.hits import Hits, Keys, by_segment, make_keys
from edgeshard.query.projection import Projection
from edgeshard.query.scope import Filters, Scope
from edgeshard.segment.segment import Segment

Values: TypeAlias = "npt.NDArray[Any]"
"""``int64`` or ``float64`` values of an ordering."""

_KINDS = {"integer": INT, "float": FLOAT, "datetime": DATETIME}
"""Index types that keep an order."""


def order_all(scope: Scope, order: OrderBy, filters: Filters, limit: int) -> Hits:
    """The first points of all that the filters match."""
    kind = order_kind(scope.segments, order.key)
    found = [
        _first_of(segment, order, kind, scope.mask(number, filters), limit)
        for number, segment in enumerate(scope.segments)
    ]
    return _merged([(make_keys(number, owners), values) for number, (owners, values) in enumerate(found)], order, limit)


def order_keys(scope: Scope, order: OrderBy, keys: Keys, limit: int) -> Hits:
    """Given points in order; each value of a point is an entry of its own, points without one are left out."""
    kind = order_kind(scope.segments, order.key)
    found = []
    for number, _, offsets in by_segment(keys):
        segment = scope.segments[number]
        chosen = np.zeros(segment.count, np.bool_)
        chosen[offsets] = True
        owners, values = _first_of(segment, order, kind, chosen, limit)
        found.append((make_keys(number, owners), values))
    return _merged(found, order, limit)


def _merged(found: list[tuple[Keys, Values]], order: OrderBy, limit: int) -> Hits:
    """The first of what the segments found, equal values by key."""
    keys = np.concatenate([keys for keys, _ in found]) if found else np.zeros(0, np.uint64)
    values = np.concatenate([values for _, values in found]) if found else np.zeros(0)
    places = np.lexsort((keys, _ranks(values, order)))[:limit]
    ones = np.ones(len(places), np.float32)
    return Hits(keys[places], ones, values[places].tolist(), versioned=False)


def _ranks(values: Values, order: OrderBy) -> Values:
    """Numbers that ascend in the wanted direction."""
    if order.direction != Direction.Desc:
        return values
    # The complement of an integer has no overflow.
    return np.invert(values) if values.dtype.kind == "i" else np.negative(values)


def _first_of(
    segment: Segment, order: OrderBy, kind: str, mask: npt.NDArray[np.bool_], limit: int
) -> tuple[npt.NDArray[np.uint32], Values]:
    """Owners and values of the first entries of one segment whose point is in the mask."""
    owners, values = _ordered(segment, order, kind)
    start = 0
    if order._start is not None:
        if order.direction == Direction.Desc:
            start = len(values) - int(np.searchsorted(values[::-1], order._start, side="right"))
        else:
            start = int(np.searchsorted(values, order._start, side="left"))
    found: list[npt.NDArray[np.int64]] = []
    missing, size = limit, 4096
    while missing > 0 and start < len(owners):
        places = start + np.flatnonzero(mask[owners[start : start + size]])[:missing]
        found.append(places)
        missing -= len(places)
        start, size = start + size, size * 4
    places = np.concatenate(found) if found else np.zeros(0, np.int64)
    return owners[places], values[places]


def scroll_ordered(scope: Scope, order: OrderBy, filters: Filters, limit: int, projection: Projection) -> list[Record]:
    """A page of points in the order of a payload field."""
    hits = order_all(scope, order, filters, limit)
    records: list[Any] = [None] * len(hits)
    values = hits.order_values or []
    for number, places, offsets in by_segment(hits.keys):
        segment = scope.segments[number]
        made = Record._make_many(
            segment.ids.ids_of(offsets),
            projection.payloads(segment, offsets),
            projection.vectors(segment, offsets),
            [values[place] for place in places.tolist()],
        )
        for place, record in zip(places.tolist(), made, strict=True):
            records[place] = record
    return records


def order_kind(segments: Sequence[Segment], key: str) -> str:
    """The type of the index a path is ordered by.

    Raises:
        IndexNotFoundError: there is none that keeps an order.
    """
    path = str(JsonPath.parse(key))
    for segment in segments:
        schema = segment.indexes.schema.get(path)
        kind = schema if isinstance(schema, str) else (schema or {}).get("type")
        ranged = isinstance(schema, str) or schema is None or schema.get("range") is not False
        if kind in _KINDS and ranged:
            return str(kind)
    raise IndexNotFoundError(
        f"No range index for order_by key: {key}. Please create one to use order_by: an integer (with range), float "
        f"or datetime index on {key!r}"
    )


def _ordered(segment: Segment, order: OrderBy, kind: str) -> tuple[npt.NDArray[np.uint32], Values]:
    """Owners and values of all entries the index would hold, in order, equal values by owner; kept until a change."""
    column = segment.columns.column(JsonPath.parse(order.key))
    known = ("order", kind, order.direction == Direction.Desc)
    found: tuple[npt.NDArray[np.uint32], Values] | None = column.memo.get(known)
    if found is None:
        places, values = values_of(column, _KINDS[kind])
        owners = places.astype(np.uint32) if column.owners is None else column.owners[places]
        inside = owners < column.points
        owners, values = owners[inside], values[inside]
        ranked = np.lexsort((owners, _ranks(values, order)))
        owners, values = owners[ranked], values[ranked]
        fresh = np.ones(len(owners), np.bool_)  # of a point's equal values one counts
        fresh[1:] = (owners[1:] != owners[:-1]) | (values[1:] != values[:-1])
        found = column.memo[known] = owners[fresh], values[fresh]
    return found
