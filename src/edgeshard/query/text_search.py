"""BM25 over a text index: which documents have the words of a query, and how well they fit."""

from __future__ import annotations

import math

import numpy as np

from edgeshard.errors import IndexNotFoundError, ValidationError
from edgeshard.index.payload.text import TextIndex
from edgeshard.models.paths import parse_path
from edgeshard.models.ranking import TextQuery
from edgeshard.query.hits import Hits, best, empty, make_keys
from edgeshard.query.scope import Filters, Scope


def text_search(scope: Scope, query: TextQuery, filters: Filters, limit: int, threshold: float | None) -> Hits:
    """The best documents for a text, by BM25.

    The score of a document is the sum over the query's distinct tokens of ``idf * tf * (k + 1) / (tf + k * (1 - b +
    b * length / average))`` with ``idf = ln(1 + (N - n + 0.5) / (n + 0.5))``; N, n and the average length are those of
    all points of the shard, whatever the filters.

    Raises:
        IndexNotFoundError: the field has no text index with scoring.
        ValidationError: ``k`` is negative or ``b`` outside of [0, 1].
    """
    k, b = parameters(query)
    scorers = {
        number: index.prepare(query.query) for number, index in enumerate(text_indexes(scope, query.field)) if index
    }
    if not scorers:
        return empty()
    statistics = [scorer.statistics for scorer in scorers.values()]
    documents = sum(each.documents for each in statistics)
    if not documents:
        return empty()
    average = sum(each.tokens for each in statistics) / documents
    holders = np.sum([each.holders for each in statistics], axis=0).tolist()
    weights = [math.log(1 + (documents - n + 0.5) / (n + 0.5)) for n in holders]
    keys, scores = [], []
    for number, scorer in scorers.items():
        offsets, found = scorer.scores(weights, k, b, average)
        kept = scope.mask(number, filters)[offsets]
        if threshold is not None:
            kept = kept & (found > np.float32(threshold))
        keys.append(make_keys(number, offsets[kept]))
        scores.append(found[kept])
    return Hits(*best(np.concatenate(keys), np.concatenate(scores), limit))


def parameters(query: TextQuery) -> tuple[float, float]:
    """k and b of a query.

    Raises:
        ValidationError: they are out of range.
    """
    k, b = query.scoring.k, query.scoring.b
    if not k >= 0:
        raise ValidationError(f"Validation error: BM25 k must be 0 or more, got {k}")
    if not 0 <= b <= 1:
        raise ValidationError(f"Validation error: BM25 b must be between 0 and 1, got {b}")
    return k, b


def text_indexes(scope: Scope, key: str) -> list[TextIndex | None]:
    """The index of a field in each segment, None where a segment does not have it yet.

    Raises:
        IndexNotFoundError: no segment has one, or it cannot score.
    """
    path = parse_path(key).text
    found = [segment.indexes.get(path) for segment in scope.segments]
    indexes = [index if isinstance(index, TextIndex) else None for index in found]
    hint = f"create a text index on {path!r} with TextIndexParams(scoring=True)"
    if not any(indexes):
        raise IndexNotFoundError(
            f"Index required but not found for {path!r} of one of the following types: [text]: {hint}"
        )
    if not any(index.scored for index in indexes if index):
        raise IndexNotFoundError(f"The text index on {path!r} has no scoring: {hint}")
    return indexes
