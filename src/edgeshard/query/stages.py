"""A request as a tree of stages: leaves search the segments, inner stages re-score or fuse what they returned.

A filter applies to every leaf below it and is not applied again to what the leaves return.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError, quoted
from edgeshard.models.enums import Sample
from edgeshard.models.formula import Formula
from edgeshard.models.ids import id_sort_key
from edgeshard.models.queries import Query
from edgeshard.models.ranking import Fusion, Mmr, OrderBy, TextQuery
from edgeshard.query import fusion
from edgeshard.query.hits import Hits, make_keys, union
from edgeshard.query.mmr import candidates, diversify, having
from edgeshard.query.scope import Filters, Scope, joined
from edgeshard.query.vector_search import rescore, search
from edgeshard.segment.id_order import first_by_id

MAX_DEPTH = 64
"""Deepest nesting of prefetches, as in Qdrant."""
_STABLY_SORTED = 20
"""Longest list that Rust's ``sort_unstable`` puts in order by insertion."""


def run(
    scope: Scope,
    stage: Any,
    filters: Filters,
    limit: int,
    *,
    root: bool = False,
) -> Hits:
    """The result of one stage.

    Args:
        scope: the segments.
        stage: a QueryRequest or a Prefetch.
        filters: those of the stages around it.
        limit: how many points at most.
        root: whether it is the outermost one. In the others MMR is as in Qdrant: without prefetches the nearest
            points, over prefetches all of their points in diverse order with the scores they come with.

    Raises:
        ValidationError: the stage contradicts itself.
    """
    if scope.trace is None:
        return _run(scope, stage, filters, limit, root)
    hits: Hits = scope.trace.stage(stage.query, limit, lambda: _run(scope, stage, filters, limit, root))
    return hits


def _run(scope: Scope, stage: Any, filters: Filters, limit: int, root: bool) -> Hits:
    if stage.filter is not None:
        filters = joined(filters, stage.filter)
    query, threshold, params = stage.query, stage.score_threshold, stage.params
    if not stage._prefetches:
        if isinstance(query, Mmr) and not root:
            return candidates(scope, query, None, filters, query.candidates_limit, threshold, params)
        return _leaf(scope, query, filters, limit, threshold, params, root)
    if query is None:
        raise ValidationError("Validation failed: cannot have prefetches without a query")
    parts = [run(scope, prefetch, filters, prefetch.limit) for prefetch in stage._prefetches]
    if isinstance(query, Fusion):
        return at_least(_fuse(query, parts, limit), threshold)
    if isinstance(query, Formula):
        from edgeshard.query.formula import rank

        return at_least(rank(scope, query, parts, limit), threshold)
    if isinstance(query, TextQuery):
        raise ValidationError("Validation failed: a text query cannot re-score prefetches: make it a prefetch itself")
    keys = union(parts)
    if isinstance(query, Mmr):
        if root:
            found = candidates(scope, query, keys, filters, query.candidates_limit, threshold, params)
        else:
            found = having(scope, query.using, fusion.first_of_each(parts))
        return diversify(scope, query, found, limit)
    if isinstance(query, OrderBy):
        from edgeshard.query.order import order_keys

        return order_keys(scope, query, keys, limit)
    if isinstance(query, Sample):
        return sample(keys, limit)
    return rescore(scope, query, keys, limit, threshold, params)


def check_depth(stage: Any) -> None:
    """Refuse prefetches nested too deep.

    Raises:
        ValidationError: they are nested deeper than :data:`MAX_DEPTH`.
    """
    depth, level = 0, list(stage._prefetches)
    while level:
        depth += 1
        level = [inner for prefetch in level for inner in prefetch._prefetches]
    if depth > MAX_DEPTH:
        raise ValidationError(f"Validation failed: prefetches depth {depth} exceeds max depth {MAX_DEPTH}")


def _leaf(
    scope: Scope, query: Any, filters: Filters, limit: int, threshold: float | None, params: Any, root: bool
) -> Hits:
    if isinstance(query, Query):
        hits = search(scope, query, filters, limit, threshold, params)
        return hits if root else as_queued(hits)
    if query is None:
        return first(scope, filters, limit)
    if isinstance(query, Fusion):
        raise ValidationError("Validation failed: cannot apply Fusion without prefetches")
    if isinstance(query, Formula):
        raise ValidationError("Validation failed: cannot apply Formula without prefetches")
    if isinstance(query, Mmr):
        found = candidates(scope, query, None, filters, query.candidates_limit, threshold, params)
        return diversify(scope, query, found, limit)
    if isinstance(query, OrderBy):
        from edgeshard.query.order import order_all

        return order_all(scope, query, filters, limit)
    if isinstance(query, Sample):
        return sample_all(scope, filters, limit)
    if isinstance(query, TextQuery):
        from edgeshard.query.text_search import text_search

        return text_search(scope, query, filters, limit, threshold)
    raise TypeError(f"not a query: {quoted(query)}")


def as_queued(hits: Hits) -> Hits:
    """The same hits with equal scores in the order Qdrant's queue leaves them, as the stage above may count places.

    Only up to the length at which Rust's unstable sort, which runs before that queue, keeps equal items in order.
    """
    scores = hits.scores
    if len(scores) > _STABLY_SORTED or not bool((scores[1:] == scores[:-1]).any()):
        return hits
    descending = scores if scores[0] >= scores[-1] else -scores  # distances rise
    return hits.take(_native.queue_order(descending).astype(np.int64))


def _fuse(query: Any, parts: list[Hits], limit: int) -> Hits:
    if isinstance(query, Fusion.Rrf):
        return fusion.reciprocal_rank(parts, query.k, query.weights, limit)
    return fusion.distribution_based(parts, limit)


def at_least(hits: Hits, threshold: float | None) -> Hits:
    """Hits ahead of the first one whose score is below a threshold (fusion and formula keep equal scores)."""
    if threshold is None:
        return hits
    below = np.flatnonzero(~(hits.scores >= np.float32(threshold)))  # all of them for NaN, as for a nearest query
    return hits.take(slice(int(below[0]))) if len(below) else hits


def sample_all(scope: Scope, filters: Filters, limit: int) -> Hits:
    """Random points in random order, of all the filters match."""
    chosen = [
        scope.select(number, filters) if filters or segment.live < segment.count else None
        for number, segment in enumerate(scope.segments)
    ]
    sizes = [segment.live if some is None else len(some) for segment, some in zip(scope.segments, chosen, strict=True)]
    places = _drawn(sum(sizes), limit)
    peopled = [number for number, size in enumerate(sizes) if size]
    if len(peopled) == 1:
        everyone = chosen[peopled[0]]
        drawn = places.astype(np.uint32) if everyone is None else everyone.offsets[places]
        return Hits(None, np.ones(len(drawn), np.float32), versioned=False, place=(peopled[0], drawn))
    keys, start = np.zeros(len(places), np.uint64), 0
    for number, (some, size) in enumerate(zip(chosen, sizes, strict=True)):
        here = (start <= places) & (places < start + size)
        offsets = places[here] - start
        keys[here] = make_keys(number, offsets if some is None else some.offsets[offsets])
        start += size
    return Hits(keys, np.ones(len(keys), np.float32), versioned=False)


def sample(keys: Any, limit: int) -> Hits:
    """Random ones of some points in random order."""
    chosen = keys[_drawn(len(keys), limit)]
    return Hits(chosen, np.ones(len(chosen), np.float32), versioned=False)


def _drawn(total: int, limit: int) -> npt.NDArray[np.int64]:
    """At most ``limit`` different places of ``total``, in random order."""
    return _generator(os.getpid()).choice(total, min(limit, total), replace=False) if total else np.zeros(0, np.int64)


@lru_cache(maxsize=1)
def _generator(process: int) -> np.random.Generator:
    """Random numbers of a process: a forked one must not draw what its parent draws. Making one costs 20 µs."""
    return np.random.default_rng()


def first(scope: Scope, filters: Filters, limit: int) -> Hits:
    """The first points in id order."""
    pages = [
        first_by_id(segment, scope.select(number, filters) if filters else None, limit)
        for number, segment in enumerate(scope.segments)
    ]
    if len(pages) == 1:
        keys = make_keys(0, pages[0])
    else:
        ranked = [
            (id_sort_key(point_id), key)
            for number, page in enumerate(pages)
            for point_id, key in zip(
                scope.segments[number].ids.ids_of(page), make_keys(number, page).tolist(), strict=True
            )
        ]
        ranked.sort()
        keys = np.array([key for _, key in ranked[:limit]], np.uint64)
    return Hits(keys, np.ones(len(keys), np.float32), versioned=False)
