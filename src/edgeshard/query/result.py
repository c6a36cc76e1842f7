"""Hits become the points that the caller gets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

import numpy as np
import numpy.typing as npt

from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits, Offsets, in_order
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
            0 if hits.versioned is False else hits.versions(segment.ids.versions[offsets]),
            hits.scores,
            hits.order_values,
            *projection.columns(segment, offsets),
        )

    def make(number: int, places: npt.NDArray[np.int64], offsets: Offsets) -> list[ScoredPoint]:
        segment = scope.segments[number]
        return ScoredPoint._make_many(
            len(offsets),
            hits.versions(segment.ids.versions[offsets], places),
            hits.scores[places].tolist(),
            None if hits.order_values is None else [hits.order_values[place] for place in places.tolist()],
            *projection.columns(segment, offsets),
        )

    return in_order(hits.keys, make)


def build_many(scope: Scope, answers: Sequence[Hits], projection: Projection) -> list[list[ScoredPoint]]:
    """:func:`build` of each answer to a vector query; those that are in one segment are made together."""
    built: list[list[ScoredPoint]] = []
    for number, run in groupby(answers, lambda hits: None if hits.place is None else hits.place[0]):
        if number is None:
            built += [build(scope, hits, projection) for hits in run]
            continue
        alike = list(run)
        places = [hits.place[1] for hits in alike if hits.place is not None]
        scores = np.concatenate([hits.scores for hits in alike])
        joined = Hits(None, scores, place=(number, np.concatenate(places)))
        built += build_joined(scope, joined, [len(hits) for hits in alike], projection)
    return built


def build_joined(scope: Scope, hits: Hits, counts: Sequence[int], projection: Projection) -> list[list[ScoredPoint]]:
    """:func:`build` of several answers that are one behind the other, as many of them at a time as possible.

    That is fewer than ``PAGE_POINTS`` points, and one answer where vectors are wanted: none then keeps more alive than
    it would have alone.

    Args:
        scope: the segments.
        hits: the points of all.
        counts: points of each.
        projection: what to return of them.
    """
    most = PAGE_POINTS if projection.names is None else 1
    bounds = list(accumulate(counts, initial=0))
    answers: list[list[ScoredPoint]] = []
    while len(answers) < len(counts):
        first = len(answers)
        low = bounds[first]
        last = max(bisect_left(bounds, low + most, first) - 1, first + 1)
        points = build(scope, hits.take(slice(low, bounds[last])), projection)
        answers += [points[start - low : stop - low] for start, stop in pairwise(bounds[first : last + 1])]
    return answers
