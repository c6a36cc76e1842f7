"""Hits become the points that the caller gets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits, by_segment
from edgeshard.query.projection import PAGE_POINTS, Projection
from edgeshard.query.scope import Scope


def build(scope: Scope, hits: Hits, projection: Projection) -> list[ScoredPoint]:
    """Scored points with what the projection asks for, in rank order."""
    if hits.vectors is not None:
        projection = projection.with_names(list(dict.fromkeys([*(projection.names or ()), hits.vectors])))
    if hits.place is not None:
        number, offsets = hits.place
        segment = scope.segments[number]
        return ScoredPoint._make_many(
            len(offsets),
            segment.ids.versions[offsets].tolist() if hits.versioned else 0,
            hits.scores.tolist(),
            hits.order_values,
            *projection.columns(segment, offsets),
        )
    points: list[Any] = [None] * len(hits)
    for number, places, offsets in by_segment(hits.keys):
        segment = scope.segments[number]
        made = ScoredPoint._make_many(
            len(offsets),
            segment.ids.versions[offsets].tolist() if hits.versioned else 0,
            hits.scores[places].tolist(),
            None if hits.order_values is None else [hits.order_values[place] for place in places.tolist()],
            *projection.columns(segment, offsets),
        )
        for place, point in zip(places.tolist(), made, strict=True):
            points[place] = point
    return points


def build_many(scope: Scope, answers: Sequence[Hits], projection: Projection) -> list[list[ScoredPoint]]:
    """:func:`build` of each; those of plain searches of one segment are made together.

    Fewer than ``PAGE_POINTS`` points at a time: none then keeps more alive than it would have alone.
    """
    built: list[list[ScoredPoint]] = []
    together: list[Hits] = []
    count = 0
    for hits in answers:
        joins = hits.place is not None and hits.order_values is None and projection.names is None
        if together and (not joins or count + len(hits) >= PAGE_POINTS or not _alike(together[0], hits)):
            built += _build_joined(scope, together, projection)
            together, count = [], 0
        if joins:
            together.append(hits)
            count += len(hits)
        else:
            built.append(build(scope, hits, projection))
    return built + _build_joined(scope, together, projection)


def _alike(one: Hits, other: Hits) -> bool:
    assert one.place is not None
    assert other.place is not None
    return (one.place[0], one.versioned, one.vectors) == (other.place[0], other.versioned, other.vectors)


def _build_joined(scope: Scope, answers: Sequence[Hits], projection: Projection) -> list[list[ScoredPoint]]:
    if len(answers) < 2:
        return [build(scope, hits, projection) for hits in answers]
    first = answers[0]
    places = [hits.place for hits in answers if hits.place is not None]
    whole = Hits(
        None,
        np.concatenate([hits.scores for hits in answers]),
        versioned=first.versioned,
        vectors=first.vectors,
        place=(places[0][0], np.concatenate([offsets for _, offsets in places])),
    )
    points = build(scope, whole, projection)
    bounds = accumulate(map(len, answers), initial=0)
    return [points[start:stop] for start, stop in pairwise(bounds)]
