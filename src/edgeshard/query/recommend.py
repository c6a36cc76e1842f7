"""Recommendation by the best score, found among the nearest points of the positive examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.models.params import SearchParams
from edgeshard.query.hits import Keys, best, union
from edgeshard.query.kinds import VectorQuery
from edgeshard.query.scope import Filters, Scope
from edgeshard.query.vector_search import Scores, nearest, score_keys

_EXTRA = 64
"""How many more than twice the wanted points are looked for near each positive example."""
_ROUNDING = 1e-5
"""Scores of one pair from two kernels differ by less than this, relative to their size or to 1."""


def best_score(
    scope: Scope, parts: VectorQuery, prepared: list[Any], positives: int, filters: Filters, limit: int
) -> tuple[Keys, Scores] | None:
    """The best points of a best-score recommendation; None if only scoring all points can tell.

    A point outside of the nearest ones of every positive example is no more similar to any of them than the last of
    these are, which bounds its score. If the points found all score higher, they are the answer.

    Args:
        scope: the segments.
        parts: the query, positive examples first.
        prepared: its packed examples.
        positives: how many of them are positive.
        filters: only points that match them all.
        limit: how many.
    """
    width = 2 * limit + _EXTRA
    if not positives or width * positives * 8 > sum(segment.live for segment in scope.segments):
        return None
    near = nearest(scope, parts.using, prepared[:positives], filters, width, SearchParams(exact=True))
    outside = [float(hits.scores[-1]) for hits in near if len(hits) == width]
    keys, scores = best(*score_keys(scope, parts, prepared, union(near)), limit)
    if not outside:  # every point is near some example
        return keys, scores
    assert parts.combine is not None
    bar = max(outside) + _ROUNDING * max(1.0, abs(max(outside)))
    with np.errstate(invalid="ignore"):
        bound = parts.combine(np.array([[bar]] + [[-np.inf]] * (len(prepared) - 1), np.float32))[0]
    return (keys, scores) if len(scores) == limit and scores[-1] > bound else None
