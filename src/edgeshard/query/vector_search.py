"""Vector queries: over all points a filter leaves, or over given points."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import ValidationError
from edgeshard.filter.selections import Selection
from edgeshard.models.params import SearchParams
from edgeshard.models.queries import Query
from edgeshard.query.hits import Hits, Keys, best, by_segment, empty, in_order, make_keys
from edgeshard.query.kinds import VectorQuery, cut, feedback_weights, shown, take_apart
from edgeshard.query.scope import Filters, Scope
from edgeshard.segment.absent_field import AbsentField
from edgeshard.segment.batch import Mask, Offsets
from edgeshard.segment.fields import DenseField
from edgeshard.segment.graph_field import Graph, GraphField
from edgeshard.segment.scan_watch import ScanWatch
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField
from edgeshard.storage.convert import COSINE, DOT

Scores = npt.NDArray[np.float32]
ONE = np.zeros(1, np.uint32)
BLOCK = 2048
"""Points scored before it is asked whether that was enough."""
UNINDEXED_LIMIT_BYTES = 10_000 * 1024
"""Size of the vectors that no index finds from which searches with ``indexed_only`` leave them out, as in Qdrant."""
Found = tuple[Offsets, Scores]
"""What one segment finds for one query, best first."""


def search(scope: Scope, query: Any, filters: Filters, limit: int, threshold: float | None, params: Any) -> Hits:
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
    prepared = scope.queries(parts.using, parts.examples, corpus_of(params))
    summable = isinstance(query, Query.RecommendSumScores) and is_linear(spec) and not _is_coded(scope, parts.using)
    if summable and prepared:
        signs = np.repeat([1, -1], [len(query.query._positives), len(query.query._negatives)])
        summed = np.sum([sign * row for sign, row in zip(signs, prepared, strict=True)], axis=0, dtype=np.float32)
        hits = nearest(scope, parts.using, [summed], filters, limit, params)[0]
    elif parts.combine is None:
        hits = nearest(scope, parts.using, prepared, filters, limit, params)[0]
        hits.scores = shown(hits.scores, spec)
    else:
        found = _near_examples(scope, query, parts, prepared, filters, limit, params)
        hits = Hits(*found) if found else _scored_all(scope, parts, prepared, filters, limit, params)
    return hits if threshold is None else hits.take(slice(cut(hits.scores, threshold, spec)))


def _near_examples(
    scope: Scope, query: Any, parts: VectorQuery, prepared: list[Any], filters: Filters, limit: int, params: Any
) -> tuple[Keys, Scores] | None:
    """The answer of a query as far as the points nearest to its examples tell; None if all points are to be scored."""
    spec = scope.spec(parts.using)
    if spec.kind == "sparse" or not prepared or (params is not None and params.indexed_only):
        return None
    from edgeshard.query import near_examples

    coded = _is_coded(scope, parts.using)
    how = SearchParams(exact=True) if coded else params  # codes are not what such queries score
    if isinstance(query, Query.RecommendBestScore):
        positives = len(query.query._positives)
        return near_examples.best_score(scope, parts, prepared, positives, filters, limit, how)
    if isinstance(query, Query.Discover):
        return near_examples.discover(scope, parts, prepared, filters, limit, how)
    if isinstance(query, Query.FeedbackNaive) and is_linear(spec) and not coded:
        weights = feedback_weights(query.query)
        return near_examples.weighted_sum(scope, parts, prepared, weights, filters, limit, how)
    return None


def is_linear(spec: VectorSchema) -> bool:
    """Whether the sum of similarities to some vectors is the similarity to their sum."""
    return spec.kind == "dense" and spec.dtype == np.float32 and spec.distance in (COSINE, DOT)


def _is_coded(scope: Scope, name: str) -> bool:
    """Whether searches may score quantized codes: those of a sum of queries are not the sum of their codes' scores."""
    return any(hasattr(segment.fields[name], "codes") for segment in scope.segments)


def rescore(scope: Scope, query: Any, keys: Keys, limit: int, threshold: float | None, params: Any) -> Hits:
    """Given points ranked by a vector query; those without the vector are left out."""
    parts = take_apart(query)
    spec = scope.spec(parts.using)
    check_idf(scope, parts.using, params)
    prepared = scope.queries(parts.using, parts.examples, corpus_of(params))
    kept, scores = score_keys(scope, parts, prepared, keys)
    kept, scores = best(kept, scores, limit)
    if parts.combine is None:
        scores = shown(scores, spec)
    count = cut(scores, threshold, spec)
    return Hits(kept[:count], scores[:count])


def stored_vectors(scope: Scope, name: str, keys: Keys) -> list[Any]:
    """Vectors of points in query form."""
    return in_order(keys, lambda number, _, offsets: scope.segments[number].fields[name].as_queries(offsets))


def search_many(
    scope: Scope, name: str, examples: list[Any] | npt.NDArray[np.float32], filters: Filters, limit: int, params: Any
) -> list[Hits]:
    """The points nearest to each of several vectors, in one pass over the data.

    Args:
        scope: the segments.
        name: of the vectors.
        examples: packed vectors, or finite rows ``(q, size)`` for dense ones.
        filters: only points that match them all.
        limit: how many at most for each.
        params: search parameters, or None.
    """
    spec = scope.spec(name)
    check_idf(scope, name, params)
    field = scope.field(name)
    if isinstance(examples, np.ndarray) and isinstance(field, DenseField):
        prepared = field.queries(examples)
    else:
        prepared = scope.queries(name, list(examples), corpus_of(params))
    found = nearest(scope, name, prepared, filters, limit, params)
    for hits in found:
        hits.scores = shown(hits.scores, spec)
    return found


def nearest(scope: Scope, name: str, queries: list[Any], filters: Filters, limit: int, params: Any) -> list[Hits]:
    """The best points for each of some prepared queries, with similarities for scores."""
    found: list[tuple[int, list[Found]]] = []
    for number, segment in enumerate(scope.segments):
        field = segment.fields[name]
        if isinstance(field, AbsentField) or not segment.count:
            continue
        started = perf_counter()
        chosen = scope.select(number, filters) if filters else None
        left_out = params is not None and params.indexed_only and is_left_out(segment, name, chosen)
        graph: Graph | None = None if scope.trace is None else getattr(field, "graph", None)
        short_walks = 0 if graph is None else graph.short_walks
        if not left_out:
            found.append((number, search_segment(segment, name, queries, chosen, limit, params)))
        if scope.trace is not None:
            known, alive = segment.alive(name)
            mask = known if chosen is None else known & chosen.mask
            whole = chosen is None and alive == len(known)
            walked = graph is not None and graph.short_walks == short_walks
            way = "left out" if left_out else _way(field, mask, params, walked)
            _note(scope, number, filters, None if whole else mask, started, way)
    if len(found) == 1:
        number, answers = found[0]
        return [Hits(None, sims, place=(number, offsets)) for offsets, sims in answers]
    return [merged([(number, answers[i]) for number, answers in found], limit) for i in range(len(queries))]


def is_left_out(segment: Segment, name: str, chosen: Selection | None) -> bool:
    """Whether a search with ``indexed_only`` passes over a segment: it would scan too much.

    Args:
        segment: with points, and with vectors of that name.
        name: of the vectors.
        chosen: the points that may be returned, None for all.
    """
    field = segment.fields[name]
    if field.indexed_count:
        return False
    scanned = segment.alive(name)[1] if chosen is None else len(chosen)
    return scanned * field.size_bytes(ONE) > UNINDEXED_LIMIT_BYTES


def search_segment(
    segment: Segment, name: str, queries: list[Any], chosen: Selection | None, limit: int, params: Any
) -> list[Found]:
    """The best points of one segment for each of some prepared queries.

    Args:
        segment: with points, and with vectors of that name.
        name: of the vectors.
        queries: as :meth:`Field.query` makes them.
        chosen: the points that may be returned, None for all.
        limit: how many for each.
        params: search parameters, or None.
    """
    field: Any = segment.fields[name]
    known, alive = segment.alive(name)
    if chosen is not None and alive != segment.live:
        chosen = chosen.within(name, known)
    kind = type(field)
    if chosen is None:
        mask = None if alive == len(known) and field.takes_all else known
        if kind is SparseField:
            answers = field.topk(queries, mask, limit, params, filtered=False)
        else:
            answers = field.topk(queries, mask, limit, params)
    elif kind is GraphField or kind is DenseField:
        answers = field.topk_of(queries, chosen, limit, params)
    elif kind is SparseField:
        answers = field.topk(queries, chosen.mask, limit, params, filtered=True)
    else:
        answers = field.topk(queries, chosen.mask, limit, params)
    if segment.watch is not None and not field.indexed_count and not (params is not None and params.exact):
        _watch_scan(segment.watch, segment, name, alive, alive if chosen is None else len(chosen))
    return answers  # type: ignore[no-any-return]


def _watch_scan(watch: ScanWatch, segment: Segment, name: str, points: int, scanned: int) -> None:
    """Report a scan of vectors that no index finds, unless one is being built."""
    field = segment.fields[name]
    row_bytes = field.size_bytes(ONE)
    if watch.accepts(segment.name, points * row_bytes, scanned * row_bytes):
        return
    dense = segment.config.vector_data.get(name)
    being_indexed = segment.appendable != segment.config.appendable
    if dense is None or not dense.is_plain or being_indexed or not field.indexable:
        return
    watch.warn(segment.name, name, scanned, scanned * row_bytes)


def _way(field: Any, mask: Mask, params: Any, walked: bool) -> str | None:
    """By which index a segment was searched, None if it was scanned: at once, or where a walk saw too few points."""
    if isinstance(field, SparseField):
        return "index"
    if not walked or field.graph.prefers_scan(int(np.count_nonzero(mask)), field.graph.storage.count, params):
        return None
    return "graph"


def _note(
    scope: Scope, number: int, filters: Filters, mask: Mask | None, started: float, way: str | None = None
) -> None:
    """Report how a segment was searched: by an index, or by a scan of the points the filters leave."""
    spent = (perf_counter() - started) * 1e3
    left = scope.segments[number].live if mask is None else int(np.count_nonzero(mask))
    strategy = way or ("filtered scan" if filters else "scan")
    scored = left if way is None else 0 if way == "left out" else None
    scope.trace.segment(scope, number, filters, strategy, mask, scored, spent)


def merged(found: list[tuple[int, Found]], limit: int) -> Hits:
    """The best of what several segments hold."""
    found = [(number, answer) for number, answer in found if len(answer[1])]
    if not found:
        return empty()
    if len(found) == 1:
        number, (offsets, sims) = found[0]
        return Hits(None, sims, place=(number, offsets))
    keys = np.concatenate([make_keys(number, offsets) for number, (offsets, _) in found])
    return Hits(*best(keys, np.concatenate([sims for _, (_, sims) in found]), limit))


def _scored_all(
    scope: Scope, parts: VectorQuery, prepared: list[Any], filters: Filters, limit: int, params: Any
) -> Hits:
    """The best points by a score that every point with such a vector has to get."""
    indexed_only = params is not None and params.indexed_only
    found: list[tuple[int, Found]] = []
    for number, segment in enumerate(scope.segments):
        started = perf_counter()
        if indexed_only and segment.count and is_left_out(segment, parts.using, scope.select(number, filters)):
            if scope.trace is not None:
                _note(scope, number, filters, scope.mask(number, filters), started, "left out")
            continue
        known, alive = segment.alive(parts.using)
        chosen = scope.select(number, filters)
        if alive != segment.live:
            chosen = chosen.within(parts.using, known)
        if len(chosen):
            found.append((number, _best_of(segment.fields[parts.using], parts, prepared, chosen.offsets, limit)))
        if scope.trace is not None:
            _note(scope, number, filters, chosen.mask, started)
    return merged(found, limit)


def _best_of(field: Any, parts: VectorQuery, prepared: list[Any], offsets: Offsets, limit: int) -> Found:
    """The best of some points that have the vector, ascending. Of equal scores the first come first: once enough of the
    highest score there can be are found, what follows need not be scored."""
    if parts.highest is None or len(offsets) <= BLOCK:
        return best(offsets, _raw_scores(field, parts, prepared, offsets), limit)
    scores, done = np.zeros(0, np.float32), 0
    while done < len(offsets) and np.count_nonzero(scores >= parts.highest) < limit:
        block = offsets[done : done + max(BLOCK, 3 * done)]
        scores = np.concatenate([scores, _raw_scores(field, parts, prepared, block)])
        done += len(block)
    return best(offsets[:done], scores, limit)


def _raw_scores(field: Any, parts: VectorQuery, prepared: list[Any], offsets: Offsets) -> Scores:
    """``(len(offsets),)`` raw scores of points that have the vector."""
    sims = field.sims(prepared, offsets) if prepared else np.zeros((0, len(offsets)), np.float32)
    with np.errstate(invalid="ignore"):  # the difference of two infinities is NaN, and the point is left out
        scores: Scores = sims[0] if parts.combine is None else parts.combine(sims)
    return scores


def score_keys(scope: Scope, parts: VectorQuery, prepared: list[Any], keys: Keys) -> tuple[Keys, Scores]:
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
            scores = _raw_scores(field, parts, prepared, offsets)
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
            "Validation failed: search param `idf` requires a sparse vector with the `idf` modifier, "
            f'which vector "{name}" is not'
        )


def corpus_of(params: Any) -> Any:
    """The filter of the IDF corpus a search asks for, None for all points."""
    return None if params is None or params.idf is None else params.idf.corpus
