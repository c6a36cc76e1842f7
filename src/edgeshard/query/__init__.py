"""A request becomes a plan and comes back as scored points.

In: :class:`QueryRequest` and its relatives, and the open segments. Out: lists of :class:`ScoredPoint`. No files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeshard.models.queries import Query
from edgeshard.models.ranking import OrderBy
from edgeshard.models.requests import QueryRequest
from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits
from edgeshard.query.projection import Projection, refuse_unknown
from edgeshard.query.result import build
from edgeshard.query.scope import Scope
from edgeshard.query.single import query_one
from edgeshard.query.stages import check_depth, run
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment

MAX_LIMIT = 2**63
"""More than there can be points; the sum of a limit and an offset need not fit 64 bits."""


def run_query(
    segments: Sequence[Segment], schema: Schema, request: QueryRequest, sort_by: OrderBy | None = None
) -> list[ScoredPoint]:
    """The answer to one request."""
    if sort_by is None and request.query.__class__ is Query.Nearest and not request._prefetches:
        points = query_one(segments, schema, request, depth_of(request))
        if points is not None:
            return points
    check_depth(request)
    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    hits = window(run(scope, request, (), depth_of(request), root=True), request)
    if sort_by is not None:
        from edgeshard.query.sorting import sort_hits

        hits = sort_hits(scope, hits, sort_by)
    return build(scope, hits, projection)


def run_search(segments: Sequence[Segment], schema: Schema, request: Any) -> list[ScoredPoint]:
    """The answer to a search request, which is a query without prefetches."""
    from edgeshard.query.vector_search import search

    if request._with_vector.__class__ is tuple:  # a search asks every segment for them, whatever it finds
        refuse_unknown(request._with_vector, schema)
    if type(request.query) is Query.Nearest:
        points = query_one(segments, schema, request, depth_of(request))
        if points is not None:
            return points
    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    filters = () if request.filter is None else (request.filter,)
    hits = search(scope, request.query, filters, depth_of(request), request.score_threshold, request.params)
    return build(scope, window(hits, request), projection)


def depth_of(request: Any) -> int:
    """How many points to find, those that are passed over included."""
    depth: int = request.limit + (request.offset or 0)
    return depth if depth < MAX_LIMIT else MAX_LIMIT


def window(hits: Hits, request: Any) -> Hits:
    """The points that a request wants of those found."""
    start = request.offset or 0
    if not start and len(hits) <= request.limit:
        return hits
    return hits.take(slice(start, start + request.limit))
