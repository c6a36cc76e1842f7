"""A request becomes a plan and comes back as scored points.

In: :class:`QueryRequest` and its relatives, and the open segments. Out: lists of :class:`ScoredPoint`. No files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeshard.models.results import ScoredPoint
from edgeshard.query.hits import Hits
from edgeshard.query.projection import Projection
from edgeshard.query.result import build
from edgeshard.query.scope import Scope
from edgeshard.query.stages import check_depth, run
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment

MAX_LIMIT = 2**63


def run_query(segments: Sequence[Segment], schema: Schema, request: Any) -> list[ScoredPoint]:
    """The answer to one request."""
    check_depth(request)
    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    return build(scope, _window(run(scope, request, (), _depth(request), root=True), request), projection)


def run_batch(
    segments: Sequence[Segment], schema: Schema, requests: Sequence[Any]
) -> list[list[ScoredPoint]]:
    """The answers to several requests, in their order."""
    return [run_query(segments, schema, request) for request in requests]


def run_search(segments: Sequence[Segment], schema: Schema, request: Any) -> list[ScoredPoint]:
    """The answer to a search request, which is a query without prefetches."""
    from edgeshard.query.vector_search import search

    scope = Scope(segments, schema)
    projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    filters = () if request.filter is None else (request.filter,)
    hits = search(scope, request.query, filters, _depth(request), request.score_threshold, request.params)
    return build(scope, _window(hits, request), projection)


def _depth(request: Any) -> int:
    depth: int = min(request.limit + (request.offset or 0), MAX_LIMIT)
    return depth


def _window(hits: Hits, request: Any) -> Hits:
    start = request.offset or 0
    return hits.take(slice(start, start + request.limit))
