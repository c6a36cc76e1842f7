"""Hits become the points that the caller gets."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits, by_segment
from edgeshard.query.projection import Projection
from edgeshard.query.scope import Scope


def build(scope: Scope, hits: Hits, projection: Projection) -> list[ScoredPoint]:
    """Scored points with what the projection asks for, in rank order."""
    points: list[Any] = [None] * len(hits)
    if hits.vectors is not None:
        projection = projection.with_names(list(dict.fromkeys([*(projection.names or ()), hits.vectors])))
    scores = hits.scores.tolist()
    values = hits.order_values or [None] * len(hits)
    make = ScoredPoint._make
    for number, places, offsets in by_segment(hits.keys):
        segment = scope.segments[number]
        ids = segment.ids.ids_of(offsets)
        versions = segment.ids.versions[offsets].tolist() if hits.versioned else np.zeros(len(ids), int).tolist()
        payloads = projection.payloads(segment, offsets)
        vectors = projection.vectors(segment, offsets)
        for entry in zip(places.tolist(), ids, versions, payloads, vectors, strict=True):
            place, point_id, version, payload, vector = entry
            points[place] = make(point_id, version, scores[place], payload, vector, values[place])
    return points
