"""A request becomes a plan and comes back as scored points.

In: :class:`QueryRequest` and its relatives, and the open segments. Out: lists of :class:`ScoredPoint`. No files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from edgeshard.models.queries import Query
from edgeshard.models.ranking import OrderBy
from edgeshard.models.requests import QueryRequest
from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits
from edgeshard.query.projection import Projection
from edgeshard.query.result import build, build_many
from edgeshard.query.scope import Scope
from edgeshard.query.single import query_one
from edgeshard.query.stages import check_depth, run
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment

MAX_LIMIT = 2**63


def run_query(
    segments: Sequence[Segment], schema: Schema, request: QueryRequest, sort_by: OrderBy | None = None
) -> list[ScoredPoint]:
    """The answer to one request."""
    if sort_by is None and request.query.__class__ is Query.Nearest and not request._prefetches:
        points = query_one(segments, schema, request, _depth(request))
        if points is not None:
            return points
    check_depth(request)
    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    hits = _window(run(scope, request, (), _depth(request), root=True), request)
    if sort_by is not None:
        from edgeshard.query.sorting import sort_hits

        hits = sort_hits(scope, hits, sort_by)
    return build(scope, hits, projection)


def run_batch(segments: Sequence[Segment], schema: Schema, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
    """The answers to several requests, in their order.

    Nearest queries that differ only in their vectors share one pass over the data.
    """
    if len(requests) < 2:
        return [run_query(segments, schema, request) for request in requests]
    alike: dict[Any, list[int]] = {}
    for places in _of_one_making(requests):
        alike.setdefault(_kind(requests[places[0]], places[0]), []).extend(places)
    answers: list[list[ScoredPoint]] = [[]] * len(requests)
    for places in alike.values():
        if len(places) == 1:
            answers[places[0]] = run_query(segments, schema, requests[places[0]])
            continue
        found = _run_alike(segments, schema, [requests[place] for place in places])
        for place, points in zip(places, found, strict=True):
            answers[place] = points
    return answers


def _of_one_making(requests: Sequence[QueryRequest]) -> Iterable[list[int]]:
    """Places of requests that share the very same filter and parameters, which is soon seen."""
    found: dict[Any, list[int]] = {}
    for place, request in enumerate(requests):
        query = request.query
        if type(query) is not Query.Nearest or request._prefetches:
            found[place] = [place]
            continue
        making = query.using or "", id(request.filter), id(request.params), request.limit, request.offset
        found.setdefault(making, []).append(place)
    return found.values()


def _kind(request: QueryRequest, place: int) -> Any:
    """What requests that can share a pass have in common; its place for one that cannot share."""
    if not isinstance(request.query, Query.Nearest) or request._prefetches:
        return place
    return request.query.using or "", request.filter, request.params, _depth(request)


def _run_alike(
    segments: Sequence[Segment], schema: Schema, requests: Sequence[QueryRequest]
) -> list[list[ScoredPoint]]:
    from edgeshard.query.kinds import cut
    from edgeshard.query.vector_search import search_many

    scope, first = Scope(segments, schema), requests[0]
    queries: list[Any] = [request.query for request in requests]
    using = queries[0].using or ""
    filters = () if first.filter is None else (first.filter,)
    examples = [query._vector for query in queries]
    found = search_many(scope, using, examples, filters, _depth(first), first.params)
    shown: list[Hits] = []
    for request, hits in zip(requests, found, strict=True):
        if request.score_threshold is not None:
            hits = hits.take(slice(cut(hits.scores, request.score_threshold, scope.spec(using))))
        shown.append(_window(hits, request))
    answers: list[list[ScoredPoint]] = []
    for _, places in groupby(range(len(requests)), lambda place: _selections(requests[place])):
        run = list(places)
        request = requests[run[0]]
        projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
        answers += build_many(scope, shown[run[0] : run[-1] + 1], projection)
    return answers


def _selections(request: QueryRequest) -> Any:
    return request._with_payload, request._with_vector


def run_search(segments: Sequence[Segment], schema: Schema, request: Any) -> list[ScoredPoint]:
    """The answer to a search request, which is a query without prefetches."""
    from edgeshard.query.vector_search import search

    if type(request.query) is Query.Nearest:
        points = query_one(segments, schema, request, _depth(request))
        if points is not None:
            return points
    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    filters = () if request.filter is None else (request.filter,)
    hits = search(scope, request.query, filters, _depth(request), request.score_threshold, request.params)
    return build(scope, _window(hits, request), projection)


def _depth(request: Any) -> int:
    depth: int = request.limit + (request.offset or 0)
    return depth if depth < MAX_LIMIT else MAX_LIMIT


def _window(hits: Hits, request: Any) -> Hits:
    start = request.offset or 0
    if not start and len(hits) <= request.limit:
        return hits
    return hits.take(slice(start, start + request.limit))
