"""BM25 over a text index: which documents have the words of a query, and how well they fit."""

from __future__ import annotations

import math
from time import perf_counter

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
    indexes = [(number, index) for number, index in enumerate(text_indexes(scope, query.field)) if index is not None]
    tokens = indexes[0][1].query_tokens(query.query)
    statistics = [index.statistics(tokens) for _, index in indexes]
    documents = sum(each.documents for each in statistics)
    if not documents:
        return empty()
    average = sum(each.tokens for each in statistics) / documents
    holders = [sum(counts) for counts in zip(*(each.holders for each in statistics), strict=True)]
    rarity = [math.log(1 + (documents - n + 0.5) / (n + 0.5)) for n in holders]
    found = []
    for (number, index), counted in zip(indexes, statistics, strict=True):
        if counted.documents:
            started = perf_counter()
            mask = scope.mask(number, filters)
            offsets, scores = index.search(tokens, rarity, (k, b, average), mask, limit)
            found.append((make_keys(number, offsets), scores))
            if scope.trace is not None:
                spent = (perf_counter() - started) * 1e3
                scope.trace.segment(scope, number, filters, "index", mask, None, spent)
    keys, scores = found[0]
    if len(found) > 1:
        parts = list(zip(*found, strict=True))
        keys, scores = best(np.concatenate(parts[0]), np.concatenate(parts[1]), limit)
    if threshold is not None:
        above = scores > np.float32(threshold)
        keys, scores = keys[above], scores[above]
    return Hits(keys, scores)


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
            f"Validation failed: BM25 requires a text index on field {path}, which has none: {hint}"
        )
    if not any(index.scored for index in indexes if index):
        raise IndexNotFoundError(
            f"Validation failed: The text index on `{path}` does not score: set `scoring` on it to query it: {hint}"
        )
    return indexes
