"""Points in the order of a payload field, which needs an index that supports ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

_KINDS = {"integer": INT, "float": FLOAT, "datetime": DATETIME}
"""Index types that keep an order."""


def order_all(scope: Scope, order: OrderBy, filters: Filters, limit: int) -> Hits:
    """The first points of all that the filters match."""
    keys = [make_keys(n, np.flatnonzero(scope.mask(n, filters))) for n in range(len(scope.segments))]
    return order_keys(scope, order, np.concatenate(keys), limit)


def order_keys(scope: Scope, order: OrderBy, keys: Keys, limit: int) -> Hits:
    """Given points in order; each value of a point is an entry of its own, points without one are left out."""
    kind = order_kind(scope.segments, order.key)
    found_keys, found_values = [], []
    for number, _, offsets in by_segment(keys):
        owners, values = _values(scope.segments[number], order.key, kind)
        chosen = np.zeros(scope.segments[number].count, np.bool_)
        chosen[offsets] = True
        kept = chosen[owners]
        found_keys.append(make_keys(number, owners[kept]))
        found_values.append(values[kept])
    all_keys = np.concatenate(found_keys) if found_keys else np.zeros(0, np.uint64)
    values = np.concatenate(found_values) if found_values else np.zeros(0)
    descending = order.direction == Direction.Desc
    if order._start is not None:
        kept = values <= order._start if descending else values >= order._start
        all_keys, values = all_keys[kept], values[kept]
    ranks: npt.NDArray[Any] = values
    if descending:  # the complement of an integer has no overflow
        ranks = np.invert(ranks) if values.dtype.kind == "i" else np.negative(ranks)
    places = _first(ranks, all_keys, limit)
    ones = np.ones(len(places), np.float32)
    return Hits(all_keys[places], ones, values[places].tolist(), versioned=False)


def _first(ranks: npt.NDArray[Any], keys: Keys, limit: int) -> npt.NDArray[np.int64]:
    """Places of the lowest ranks, equal ones by key."""
    if limit < len(ranks):
        near = np.flatnonzero(ranks <= np.partition(ranks, limit)[limit])
        return near[np.lexsort((keys[near], ranks[near]))[:limit]]
    return np.lexsort((keys, ranks))


def scroll_ordered(
    scope: Scope, order: OrderBy, filters: Filters, limit: int, projection: Projection
) -> list[Record]:
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


def _values(segment: Segment, key: str, kind: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[Any]]:
    """Owners and values of all entries of a path that the index would hold."""
    column = segment.columns.column(JsonPath.parse(key))
    places, values = values_of(column, _KINDS[kind])
    if column.owners is None:
        return places.astype(np.uint32), values
    owners = column.owners[places]
    order = np.lexsort((values, owners))  # of a point's equal values one counts
    owners, values = owners[order], values[order]
    kept = owners < segment.count
    kept[1:] &= (owners[1:] != owners[:-1]) | (values[1:] != values[:-1])
    return owners[kept], values[kept]
