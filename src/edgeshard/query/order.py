"""Points in the order of a payload field, which needs an index that supports ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.errors import IndexNotFoundError
from edgeshard.filter.column_store import Column
from edgeshard.filter.selections import Selection
from edgeshard.index.payload.ordered import place_of, ranks
from edgeshard.index.payload.schema import DATETIME, FLOAT, INT
from edgeshard.index.payload.values import values_of
from edgeshard.models.enums import Direction
from edgeshard.models.paths import parse_path
from edgeshard.models.ranking import OrderBy
from edgeshard.models.results import Record
from edgeshard.query.hits import Hits, Keys, Offsets, by_segment, in_order, make_keys
from edgeshard.query.projection import Projection
from edgeshard.query.scope import Filters, Scope, id_ranks, index_kind
from edgeshard.segment.segment import Segment

Values: TypeAlias = "npt.NDArray[Any]"
"""``int64`` or ``float64`` values of an ordering."""

SAMPLE = 512
"""Values looked at before all others, when the first of them are to be found."""
MOST = 2**63
"""A limit beyond all values."""
_KINDS = (INT, FLOAT, DATETIME)
"""Kinds of index that keep an order."""


def order_all(scope: Scope, order: OrderBy, filters: Filters, limit: int) -> Hits:
    """The first points of all that the filters match."""
    kind = order_kind(scope.segments, order.key)
    found = []
    for number, segment in enumerate(scope.segments):
        if segment.live:
            owners, values = _listed(scope, number, order, kind, filters, limit)
            found.append((make_keys(number, owners), values))
    return _merged(scope, found, order, limit)


def order_keys(scope: Scope, order: OrderBy, keys: Keys, limit: int) -> Hits:
    """Given points in order; each value of a point is an entry of its own, points without one are left out."""
    kind = order_kind(scope.segments, order.key)
    found = []
    for number, _, offsets in by_segment(keys):
        segment = scope.segments[number]
        chosen = np.zeros(segment.count, np.bool_)
        chosen[offsets] = True
        owners, values = _first_chosen(segment, order, kind, Selection(chosen), limit)
        found.append((make_keys(number, owners), values))
    return _merged(scope, found, order, limit)


def _merged(scope: Scope, found: list[tuple[Keys, Values]], order: OrderBy, limit: int) -> Hits:
    """The first of what the segments found.

    As Qdrant merges: of the values that are next in the lists of the segments the first is taken, of equal ones that of
    the lowest id (the highest where the order descends).
    """
    if len(found) == 1:  # in order already
        keys, values = found[0]
        return Hits(keys, np.ones(len(keys), np.float32), values.tolist(), versioned=False)
    keys = np.concatenate([keys for keys, _ in found]) if found else np.zeros(0, np.uint64)
    values = np.concatenate([values for _, values in found]) if found else np.zeros(0)
    descending = order.direction == Direction.Desc
    groups = np.unique(ranks(values, descending), return_inverse=True)[1]
    turns = groups * (2 * len(keys)) + ranks(id_ranks(*scope.id_parts(keys)), descending)
    start = 0
    for own, _ in found:  # an entry's turn comes after that of the one ahead of it in its list
        stop = start + len(own)
        turns[start:stop] = np.maximum.accumulate(turns[start:stop])
        start = stop
    places = np.argsort(turns, kind="stable")[:limit]
    return Hits(keys[places], np.ones(len(places), np.float32), values[places].tolist(), versioned=False)


def _listed(
    scope: Scope, number: int, order: OrderBy, kind: str, filters: Filters, limit: int
) -> tuple[npt.NDArray[np.uint32], Values]:
    """Owners and values of the first entries of one segment that the filters leave, in order."""
    first = _first_chosen if filters else _first_of
    return first(scope.segments[number], order, kind, scope.select(number, filters), limit)


def _first_chosen(
    segment: Segment, order: OrderBy, kind: str, chosen: Selection, limit: int
) -> tuple[npt.NDArray[np.uint32], Values]:
    """:func:`_first_of` those that filters have left: where they are few, equal values are in the order of ids.

    Qdrant gathers and sorts few points, and reads on in the index where a page is found sooner that way. Where points
    are stored in the order of ids there is no difference.
    """
    few = len(chosen) * (len(chosen) + 1) < limit * (segment.live + 1)
    if not few or not segment.appendable:
        return _first_of(segment, order, kind, chosen, limit)
    owners, values = _first_of(segment, order, kind, chosen, MOST)
    descending = order.direction == Direction.Desc
    first = np.lexsort((ranks(id_ranks(*segment.ids.parts_of(owners)), descending), ranks(values, descending)))[:limit]
    return owners[first], values[first]


def _first_of(
    segment: Segment, order: OrderBy, kind: str, chosen: Selection, limit: int
) -> tuple[npt.NDArray[np.uint32], Values]:
    """Owners and values of the first chosen entries of one segment, in order, equal values by owner."""
    path = parse_path(order.key)
    known = segment.indexes.ordered(path.text, kind, descending=order.direction == Direction.Desc)
    if known is None:
        return _picked(segment.columns.column(path), kind, order, chosen, limit)
    owners, values = known
    start = 0 if order._start is None else _start_of(order, values)
    if len(chosen) == len(chosen.mask):
        return np.ascontiguousarray(owners[start:][:limit]), np.ascontiguousarray(values[start:][:limit])
    found: list[npt.NDArray[np.int64]] = []
    missing, size = limit, 512
    while missing > 0 and start < len(owners):
        places = start + chosen.mask[owners[start : start + size]].nonzero()[0][:missing]
        found.append(places)
        missing -= len(places)
        start, size = start + size, size * 4
    places = np.concatenate(found) if found else np.zeros(0, np.int64)
    return owners[places], values[places]


def _start_of(order: OrderBy, values: Values) -> int:
    """Place of the first entry that is not ahead of where the order starts."""
    if order.direction == Direction.Desc:
        return len(values) - place_of(values[::-1], order._start, after=True)
    return place_of(values, order._start)


def _picked(
    column: Column, kind: str, order: OrderBy, chosen: Selection, limit: int
) -> tuple[npt.NDArray[np.uint32], Values]:
    """:func:`_first_of` in one pass over a column of single values, without putting them all in order."""
    places, values = values_of(column, kind)
    descending = order.direction == Direction.Desc
    wanted = chosen.mask[places]
    if order._start is not None:
        wanted &= (values <= order._start) if descending else (values >= order._start)
    places, values = places[wanted], values[wanted]
    ranked = ranks(values, descending)
    if 0 < limit < len(ranked):
        near = _near(ranked, limit)
        places, values, ranked = places[near], values[near], ranked[near]
    first = np.lexsort((ranks(places, descending), ranked))[:limit]
    return places[first].astype(np.uint32), values[first]


def _near(ranked: Values, limit: int) -> npt.NDArray[np.int64]:
    """Places of the first so many of some values, and of those equal to the last of them.

    A sample tells below which value to look: putting all of them on either side of the one in question takes ten times
    as long as comparing them.
    """
    sample = ranked[:: max(1, len(ranked) // SAMPLE)]
    guess = min(len(sample) - 1, 2 * limit * len(sample) // len(ranked) + 4)
    near = np.flatnonzero(ranked <= np.partition(sample, guess)[guess])
    if len(near) < limit:
        near = np.arange(len(ranked))
    among = ranked[near]
    kept: npt.NDArray[np.int64] = near[among <= np.partition(among, limit - 1)[limit - 1]]
    return kept


def scroll_ordered(scope: Scope, order: OrderBy, filters: Filters, limit: int, projection: Projection) -> list[Record]:
    """A page of points in the order of a payload field."""
    live = [number for number, segment in enumerate(scope.segments) if segment.live]
    if len(live) == 1:
        segment = scope.segments[live[0]]
        kind = order_kind(scope.segments, order.key)
        owners, ordered = _listed(scope, live[0], order, kind, filters, limit)
        return _records(segment, owners, projection, ordered.tolist())
    hits = order_all(scope, order, filters, limit)
    values = hits.order_values or []

    def make(number: int, places: npt.NDArray[np.int64], offsets: Offsets) -> list[Record]:
        own = [values[place] for place in places.tolist()]
        return _records(scope.segments[number], offsets, projection, own)

    return in_order(hits.keys, make)


def _records(
    segment: Segment, offsets: npt.NDArray[np.uint32], projection: Projection, values: list[Any]
) -> list[Record]:
    return Record._make_many(len(offsets), *projection.columns(segment, offsets), values)


def order_kind(segments: Sequence[Segment], key: str) -> str:
    """The kind of the index a path is ordered by.

    Raises:
        IndexNotFoundError: there is none that keeps an order.
    """
    kind = index_kind(segments, key, _KINDS)
    if kind is not None:
        return kind
    raise IndexNotFoundError(
        f"No range index for `order_by` key: `{key}`. Please create one to use `order_by`: an integer (with range), "
        f"float or datetime index on {key!r}"
    )
