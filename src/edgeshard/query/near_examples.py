"""Recommendation, discovery and feedback answered from the points nearest to an example.

A point that is not among those is no more similar to the example than the last of them, which bounds its score. If the
points found all score higher, they are the answer: the exact one if the nearest points are, else as good as a walk over
the graph finds those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.models.params import SearchParams
from edgeshard.query.hits import Keys, best, union
from edgeshard.query.kinds import VectorQuery
from edgeshard.query.scope import Filters, Scope
from edgeshard.query.vector_search import Scores, nearest, score_keys

_EXTRA = 64
"""How many more than twice the wanted points are looked for near each example."""
_HALVINGS = 4
"""Pairs of a discovery up to which twice as many points are looked at for each: about half satisfy one."""
_WIDER = 8
"""How many times as many points are looked at if those do not do."""
_SHARE = 8
"""Scoring all points is faster than looking for more than one in so many."""
_ROUNDING = 1e-5
"""Scores of one pair from two kernels differ by less than this, relative to their size or to 1."""

Answer = tuple[Keys, Scores]


def best_score(
    scope: Scope,
    parts: VectorQuery,
    prepared: list[Any],
    positives: int,
    filters: Filters,
    limit: int,
    params: SearchParams | None,
) -> Answer | None:
    """The best points of a best-score recommendation; None if only scoring all points can tell.

    Args:
        scope: the segments.
        parts: the query, positive examples first.
        prepared: its packed examples.
        positives: how many of them are positive.
        filters: only points that match them all.
        limit: how many.
        params: how the nearest points are searched for.
    """
    width = 2 * limit + _EXTRA
    if not positives or width * positives * _SHARE > _points(scope):
        return None
    near = nearest(scope, parts.using, prepared[:positives], filters, width, params)
    outside = [float(hits.scores[-1]) for hits in near if len(hits) == width]
    keys, scores = best(*score_keys(scope, parts, prepared, union(near)), limit)
    if not outside:  # every point is near some example
        return keys, scores
    assert parts.combine is not None
    with np.errstate(invalid="ignore"):
        sims = np.array([[_above(max(outside))]] + [[-np.inf]] * (len(prepared) - 1), np.float32)
        bound = parts.combine(sims)[0]
    return (keys, scores) if len(scores) == limit and scores[-1] > bound else None


def discover(
    scope: Scope, parts: VectorQuery, prepared: list[Any], filters: Filters, limit: int, params: SearchParams | None
) -> Answer | None:
    """The best points of a discovery; None if only scoring all points can tell: if few of those near the target are on
    the positive side of every pair. Arguments as for :func:`best_score`, the target first."""
    pairs = (len(prepared) - 1) // 2
    first = (limit << 1 + min(pairs, _HALVINGS)) + _EXTRA
    assert parts.combine is not None
    for width in (first, _WIDER * first):
        if width * _SHARE > _points(scope):
            return None
        near = nearest(scope, parts.using, prepared[:1], filters, width, params)
        keys, scores = best(*score_keys(scope, parts, prepared, union(near)), limit)
        if len(near[0]) < width:  # there are no more
            return keys, scores
        sims = np.array([_above(float(near[0].scores[-1])), *[1, 0] * pairs], np.float32)
        if len(scores) == limit and scores[-1] > parts.combine(sims[:, None])[0]:
            return keys, scores
    return None


def weighted_sum(
    scope: Scope,
    parts: VectorQuery,
    prepared: list[Any],
    weights: Scores,
    filters: Filters,
    limit: int,
    params: SearchParams | None,
) -> Answer | None:
    """The best points by a weighted sum of similarities that are linear: those nearest to the sum of the examples; None
    where that is not finite. Arguments as for :func:`best_score`, and a weight for each example."""
    with np.errstate(over="ignore", invalid="ignore"):
        summed: Scores = np.einsum("e,ed->d", weights, np.concatenate(prepared))
    if not bool(np.isfinite(summed).all()):
        return None
    near = nearest(scope, parts.using, [summed[None]], filters, limit, params)
    return best(*score_keys(scope, parts, prepared, union(near)), limit)


def _points(scope: Scope) -> int:
    return sum(segment.live for segment in scope.segments)


def _above(similarity: float) -> float:
    """What no point outside is more similar than, whichever kernel compares it."""
    return similarity + _ROUNDING * max(1.0, abs(similarity))
