"""The vector query kinds: which examples they compare with, and how similarities become a score.

``sims`` is always ``(examples, points)``; larger is more similar. Formulas: docs/reference/queries.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard.models.queries import Query
from edgeshard.segment.schema import VectorSchema
from edgeshard.storage.convert import EUCLID, MANHATTAN

Scores = npt.NDArray[np.float32]
MARGIN = np.float32(2.0**-23)
"""What a positive must be ahead of its negative by, in a context query."""


class VectorQuery(NamedTuple):
    """A vector query taken apart."""

    using: str
    """Name of the vectors it compares with."""
    examples: list[Any]
    """Packed vectors."""
    combine: Callable[[Scores], Scores] | None
    """Score of each point from its similarities; None for nearest, where they are the score."""
    highest: float | None = None
    """A score that no point exceeds and many may have."""


def take_apart(query: Any) -> VectorQuery:
    """The examples of a query and the function that scores with them."""
    using = query.using or ""
    if isinstance(query, Query.Nearest):
        return VectorQuery(using, [query._vector], None)
    return _TAKERS[type(query)](using, query.query)


def _best_score(using: str, query: Any) -> VectorQuery:
    positives = len(query._positives)

    def combine(sims: Scores) -> Scores:
        positive = _maximum(sims[:positives])
        negative = _maximum(sims[positives:])
        return np.where(positive > negative, _sigmoid(positive), -_sigmoid(negative))

    return VectorQuery(using, [*query._positives, *query._negatives], combine)


def _sum_scores(using: str, query: Any) -> VectorQuery:
    positives = len(query._positives)

    def combine(sims: Scores) -> Scores:
        total: Scores = sims[:positives].sum(axis=0) - sims[positives:].sum(axis=0)
        return total

    return VectorQuery(using, [*query._positives, *query._negatives], combine)


def _discover(using: str, query: Any) -> VectorQuery:
    def combine(sims: Scores) -> Scores:
        positives, negatives = sims[1::2], sims[2::2]  # compared, not subtracted: infinities are equal to each other
        ranks = (positives > negatives).sum(axis=0) - (positives < negatives).sum(axis=0)
        return np.asarray(ranks + _sigmoid(sims[0]), np.float32)

    return VectorQuery(using, [query._target, *_flatten(query._pairs)], combine)


def _context(using: str, query: Any) -> VectorQuery:
    def combine(sims: Scores) -> Scores:
        gaps = np.fmin(sims[0::2] - sims[1::2] - MARGIN, np.float32(0))  # of two infinities 0, as in Qdrant
        return np.asarray(_squash(gaps).sum(axis=0), np.float32)

    return VectorQuery(using, _flatten(query._pairs), combine, 0.0)


def _feedback(using: str, query: Any) -> VectorQuery:
    pairs = _confidences(query)

    def combine(sims: Scores) -> Scores:
        total = np.float32(query.coefficients.a) * sims[0]
        for p, m, confidence in pairs:
            total = total + confidence * (sims[1 + p] - sims[1 + m])
        return np.asarray(total, np.float32)

    return VectorQuery(using, [query._target, *(item._vector for item in query.feedback)], combine)


def _confidences(query: Any) -> list[tuple[int, int, np.float32]]:
    """The pairs of a feedback of which the first has the higher score, and how much that counts."""
    b, c = query.coefficients.b, query.coefficients.c
    scores = [item.score for item in query.feedback]
    pairs = [(p, m) for p in range(len(scores)) for m in range(len(scores)) if scores[p] > scores[m]]
    return [(p, m, np.float32((scores[p] - scores[m]) ** b * c)) for p, m in pairs]


def feedback_weights(query: Any) -> Scores:
    """How much the similarity to the target, and to each example of a feedback, counts."""
    weights = np.zeros(1 + len(query.feedback), np.float32)
    weights[0] = query.coefficients.a
    with np.errstate(over="ignore", invalid="ignore"):
        for p, m, confidence in _confidences(query):
            weights[1 + p] += confidence
            weights[1 + m] -= confidence
    return weights


def _flatten(pairs: list[Any]) -> list[Any]:
    return [vector for pair in pairs for vector in (pair._positive, pair._negative)]


def _maximum(sims: Scores) -> Scores:
    if not len(sims):
        return np.full(sims.shape[1], -np.inf, np.float32)
    return np.asarray(sims.max(axis=0), np.float32)


def _squash(x: Scores) -> Scores:
    """x / (1 + |x|); NaN at the infinities, so that points without any example are left out, as in Qdrant."""
    return np.asarray(x / (1 + np.abs(x)), np.float32)


def _sigmoid(x: Scores) -> Scores:
    return np.asarray(np.float32(0.5) * (_squash(x) + 1), np.float32)


_TAKERS: dict[type, Callable[[str, Any], VectorQuery]] = {
    Query.RecommendBestScore: _best_score,
    Query.RecommendSumScores: _sum_scores,
    Query.Discover: _discover,
    Query.Context: _context,
    Query.FeedbackNaive: _feedback,
}


def shown(sims: Scores, spec: VectorSchema) -> Scores:
    """Similarities of a nearest query as the caller sees them: distances where the metric is one."""
    if spec.distance == EUCLID:
        return np.sqrt(np.abs(sims))
    return np.abs(sims) if spec.distance == MANHATTAN else sims


def cut(scores: Scores, threshold: float | None, spec: VectorSchema) -> int:
    """How many of a ranked list are ahead of the first score that fails the threshold.

    The direction follows the metric (smaller distances pass), for every kind of query, as Qdrant has it.
    """
    if threshold is None:
        return len(scores)
    bar = np.float32(threshold)
    passes = scores < bar if spec.distance in (EUCLID, MANHATTAN) else scores > bar
    return len(scores) if bool(passes.all()) else int(np.argmin(passes))
