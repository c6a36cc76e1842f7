"""Vector queries: over all points a filter leaves, or over given points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import ValidationError, WrongVectorKindError
from edgeshard.query.hits import Hits, Keys, best, by_segment, empty, make_keys
from edgeshard.query.kinds import VectorQuery, cut, shown, take_apart
from edgeshard.query.mmr import choose
from edgeshard.query.scope import Filters, Scope, all_offsets
from edgeshard.segment.batch import Mask
from edgeshard.segment.fields import AbsentField
from edgeshard.segment.sparse_field import SparseField

Scores = npt.NDArray[np.float32]


def search(
    scope: Scope, query: Any, filters: Filters, limit: int, threshold: float | None, params: Any
) -> Hits:
    """The best points for a vector query.

    Args:
        scope: the segments.
        query: one of the members of :class:`Query`.
        filters: only points that match them all.
        limit: how many at most.
        threshold: scores that do not pass it end the list.
        params: search parameters, or None.
    """
    parts = take_apart(query)
    spec = scope.spec(parts.using)
    check_idf(scope, parts.using, params)
    prepared = scope.queries(parts.using, parts.examples, corpus_of(params), params)
    if parts.combine is None:
        keys, sims = _nearest(scope, parts.using, prepared[0], filters, limit, params)
        scores = shown(sims, spec)
    else:
        keys, scores = _scored_all(scope, parts, prepared, filters, limit)
    count = cut(scores, threshold, spec)
    return Hits(keys[:count], scores[:count])


def rescore(scope: Scope, query: Any, keys: Keys, limit: int, threshold: float | None, params: Any) -> Hits:
    """Given points ranked by a vector query; those without the vector are left out."""
    parts = take_apart(query)
    spec = scope.spec(parts.using)
    check_idf(scope, parts.using, params)
    prepared = scope.queries(parts.using, parts.examples, corpus_of(params), params)
    kept, scores = _score_keys(scope, parts, prepared, keys)
    kept, scores = best(kept, scores, limit)
    if parts.combine is None:
        scores = shown(scores, spec)
    count = cut(scores, threshold, spec)
    return Hits(kept[:count], scores[:count])


def candidates(
    scope: Scope, mmr: Any, keys: Keys | None, filters: Filters, limit: int, threshold: float | None, params: Any
) -> Hits:
    """What maximal marginal relevance chooses from: the points nearest to its vector (of given ones, or of all)."""
    from edgeshard.models.queries import Query

    if scope.spec(mmr.using).kind == "sparse":
        raise WrongVectorKindError("Wrong usage of sparse vectors: MMR needs dense vectors")
    nearest = Query.Nearest._make(mmr._vector, mmr.using)
    if keys is None:
        return search(scope, nearest, filters, limit, threshold, params)
    return rescore(scope, nearest, keys, limit, threshold, params)


def having(scope: Scope, name: str, hits: Hits) -> Hits:
    """Those of some points that have a dense vector of that name.

    Raises:
        WrongVectorKindError: the vectors of that name are sparse.
    """
    if scope.spec(name).kind == "sparse":
        raise WrongVectorKindError("Wrong usage of sparse vectors: MMR needs dense vectors")
    present = np.zeros(len(hits), np.bool_)
    for number, places, offsets in by_segment(hits.keys):
        segment = scope.segments[number]
        present[places] = segment.fields[name].presence(segment.count)[offsets]
    return hits.take(present)


def diversify(scope: Scope, mmr: Any, found: Hits, limit: int) -> Hits:
    """Candidates by maximal marginal relevance, in the order they are picked, with their nearest scores."""
    if len(found) < 2:
        found.vectors = mmr.using
        return found.take(slice(limit))
    vectors = _stored_vectors(scope, mmr.using, found.keys)
    field = scope.segments[0].fields[mmr.using]
    relevance = field.pairwise([field.query(mmr._vector)], vectors)[0]
    similarity = field.pairwise(vectors, vectors)
    places = np.array(choose(relevance, similarity, mmr.lambda_, limit), np.int64)
    found.vectors = mmr.using
    return found.take(places)


def _stored_vectors(scope: Scope, name: str, keys: Keys) -> list[Any]:
    vectors: list[Any] = [None] * len(keys)
    for number, places, offsets in by_segment(keys):
        rows = scope.segments[number].fields[name].as_queries(offsets)
        for place, row in zip(places.tolist(), rows, strict=True):
            vectors[place] = row
    return vectors


def _nearest(
    scope: Scope, name: str, query: Any, filters: Filters, limit: int, params: Any
) -> tuple[Keys, Scores]:
    found_keys, found_sims = [], []
    for number, segment in enumerate(scope.segments):
        field = segment.fields[name]
        if isinstance(field, AbsentField) or not segment.count:
            continue
        known, alive = segment.alive(name)
        mask: Mask | None = known
        if filters:
            mask = known & scope.mask(number, filters)
        elif alive == len(known) and field.takes_all:
            mask = None
        if isinstance(field, SparseField):
            offsets, sims = field.topk([query], mask, limit, params, filtered=bool(filters))[0]
        else:
            offsets, sims = field.topk([query], mask, limit, params)[0]
        found_keys.append(make_keys(number, offsets))
        found_sims.append(sims)
    if not found_keys:
        return np.zeros(0, np.uint64), np.zeros(0, np.float32)
    if len(found_keys) == 1:
        return found_keys[0], found_sims[0]
    return best(np.concatenate(found_keys), np.concatenate(found_sims), limit)


def _scored_all(
    scope: Scope, parts: VectorQuery, prepared: list[Any], filters: Filters, limit: int
) -> tuple[Keys, Scores]:
    candidates = []
    for number, segment in enumerate(scope.segments):
        mask = scope.mask(number, filters) & segment.fields[parts.using].presence(segment.count)
        candidates.append(make_keys(number, all_offsets(mask)))
    keys = np.concatenate(candidates) if candidates else np.zeros(0, np.uint64)
    return best(*_score_keys(scope, parts, prepared, keys), limit)


def _score_keys(scope: Scope, parts: VectorQuery, prepared: list[Any], keys: Keys) -> tuple[Keys, Scores]:
    """Raw scores of those points that have the vector."""
    kept_keys, kept_scores = [], []
    for number, _, offsets in by_segment(keys):
        segment = scope.segments[number]
        field = segment.fields[parts.using]
        offsets = offsets[field.presence(segment.count)[offsets]]
        if not len(offsets):
            continue
        if parts.combine is None and isinstance(field, SparseField):
            scores, shared = field.nearest_sims(prepared[0], offsets)
            offsets, scores = offsets[shared], scores[shared]
        else:
            sims = field.sims(prepared, offsets) if prepared else np.zeros((0, len(offsets)), np.float32)
            scores = sims[0] if parts.combine is None else parts.combine(sims)
        kept_keys.append(make_keys(number, offsets))
        kept_scores.append(scores)
    if not kept_keys:
        none = empty()
        return none.keys, none.scores
    return np.concatenate(kept_keys), np.concatenate(kept_scores)


def check_idf(scope: Scope, name: str, params: Any) -> None:
    """Refuse an IDF corpus where there is no IDF.

    Raises:
        ValidationError: the vector has no IDF modifier.
    """
    if params is not None and params.idf is not None and not scope.spec(name).idf:
        raise ValidationError(
            f"Validation failed: idf is set, but vector {name!r} is not a sparse vector with Modifier.Idf"
        )


def corpus_of(params: Any) -> Any:
    """The filter of the IDF corpus a search asks for, None for all points."""
    return None if params is None or params.idf is None else params.idf.corpus
