"""Hits become the points that the caller gets."""

from __future__ import annotations

from typing import Any

from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits, by_segment
from edgeshard.query.projection import Projection
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
