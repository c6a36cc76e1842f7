"""Several requests at once: those that are alike share one pass over the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edgeshard.models.queries import Query
from edgeshard.models.requests import QueryRequest
from edgeshard.models.results import ScoredPoint
from edgeshard.query import depth_of, run_query, window
from edgeshard.query.hits import Hits
from edgeshard.query.kinds import cut
from edgeshard.query.projection import Projection
from edgeshard.query.result import build_joined, build_many
from edgeshard.query.scope import Scope
from edgeshard.query.table import search_table
from edgeshard.query.vector_search import search_many
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment


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
        some = [requests[place] for place in places]
        found = _run_plain(segments, schema, some) or _run_alike(segments, schema, some)
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
    return request.query.using or "", request.filter, request.params, depth_of(request)


def _run_plain(
    segments: Sequence[Segment], schema: Schema, requests: Sequence[QueryRequest]
) -> list[list[ScoredPoint]] | None:
    """The answers to requests that are alike and want all that is found of one graph; None for others."""
    first = requests[0]
    query: Any = first.query
    name = query.using or ""
    spec = schema.get(name)
    if spec is None or spec.kind != "dense" or first.filter is not None:
        return None
    selections = _selections(first)
    vectors = []
    for request in requests:
        query = request.query
        vector = query._vector
        if vector.__class__ is not np.ndarray or vector.shape != (spec.size,):
            return None
        if request.offset or request.score_threshold is not None or _selections(request) != selections:
            return None
        vectors.append(vector)
    rows = np.concatenate(vectors).reshape(len(vectors), spec.size)
    found = search_table(segments, name, rows, first.limit, first.params)
    if found is None:
        return None
    projection = Projection(first.with_payload, first.with_vector, schema, default_payload=False)
    hits = Hits(None, found.scores, place=(found.number, found.offsets))
    return build_joined(Scope(segments, schema), hits, found.counts.tolist(), projection)


def _run_alike(
    segments: Sequence[Segment], schema: Schema, requests: Sequence[QueryRequest]
) -> list[list[ScoredPoint]]:
    scope, first = Scope(segments, schema), requests[0]
    queries: list[Any] = [request.query for request in requests]
    using = queries[0].using or ""
    filters = () if first.filter is None else (first.filter,)
    examples = [query._vector for query in queries]
    found = search_many(scope, using, examples, filters, depth_of(first), first.params)
    shown: list[Hits] = []
    for request, hits in zip(requests, found, strict=True):
        if request.score_threshold is not None:
            hits = hits.take(slice(cut(hits.scores, request.score_threshold, scope.spec(using))))
        shown.append(window(hits, request))
    answers: list[list[ScoredPoint]] = []
    for _, places in groupby(range(len(requests)), lambda place: _selections(requests[place])):
        run = list(places)
        request = requests[run[0]]
        projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
        answers += build_many(scope, shown[run[0] : run[-1] + 1], projection)
    return answers


def _selections(request: QueryRequest) -> Any:
    return request._with_payload, request._with_vector
