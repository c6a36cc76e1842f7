"""The points nearest to one vector: what most searches ask, without what only the others need.

The same answers as :mod:`edgeshard.query.vector_search`, which says how; here is nothing but the way through it that
such a search takes, because on a graph in memory a walk of 50 us is worth little after 30 us of preparation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.models.filters import Filter
from edgeshard.models.results import ScoredPoint
from edgeshard.models.vectors import SparseVector
from edgeshard.query.kinds import cut, shown
from edgeshard.query.projection import Projection
from edgeshard.query.result import build
from edgeshard.query.scope import Scope
from edgeshard.query.vector_search import Found, merged, search_segment
from edgeshard.segment.fields import DenseField
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField
from edgeshard.storage.convert import COSINE, DOT

NOTHING = (False, None)
"""What requests say that want ids and scores alone, as most do."""


def peopled(segments: Sequence[Segment]) -> tuple[int, Segment] | None:
    """The only segment that has points, with its number; None if there is none, or several."""
    found = None
    for number, segment in enumerate(segments):
        if segment.ids.total:
            if found is not None:
                return None
            found = number, segment
    return found


def _walk(
    segments: Sequence[Segment], name: str, vector: Any, limit: int, params: Any
) -> list[tuple[int, Found]] | None:
    """:func:`nearest_to` of all points in one graph for a packed vector; None for others."""
    place = peopled(segments)
    if place is None or vector.__class__ is SparseVector:
        return None
    number, segment = place
    walk = segment.walks.get(name) or segment.whole_walk(name)
    found = None if walk is None else walk.find(vector, limit, params)
    return None if found is None else [(number, found)]


def nearest_to(
    segments: Sequence[Segment],
    schema: Schema,
    name: str,
    vector: npt.NDArray[Any] | SparseVector,
    condition: Filter | None,
    limit: int,
    params: Any,
) -> list[tuple[int, Found]] | None:
    """What every segment with points finds; None if this is not such a search: ask the general way.

    Args:
        segments: all segments of the shard.
        schema: its vectors.
        name: of the vectors.
        vector: a packed vector, a dense one in stored form (``(1, size)``), or a sparse one.
        condition: only points that match it.
        limit: how many at most.
        params: search parameters, or None.
    """
    spec = schema.get(name)
    dense = isinstance(vector, np.ndarray)
    if spec is None or spec.kind != ("dense" if dense else "sparse"):
        return None
    if params is not None and (params.idf is not None or params.indexed_only):
        return None
    query: list[Any] | None = [vector] if isinstance(vector, np.ndarray) and vector.ndim == 2 else None
    found = []
    for number, segment in enumerate(segments):
        if not segment.ids.total:
            continue
        field = segment.fields[name]
        if not isinstance(field, DenseField if dense else SparseField):
            return None
        if query is None:
            query = Scope(segments, schema).queries(name, [vector], None) if spec.idf else [field.query(vector)]
        chosen = None if condition is None else segment.select(condition)
        found.append((number, search_segment(segment, name, query, chosen, limit, params)[0]))
    return found or None


def query_one(segments: Sequence[Segment], schema: Schema, request: Any, depth: int) -> list[ScoredPoint] | None:
    """The answer to a query or search request for the points nearest to a vector; None as :func:`nearest_to`."""
    query = request.query
    projection = None
    if request._with_payload not in NOTHING or request._with_vector not in NOTHING:
        projection = Projection(request.with_payload, request.with_vector, schema, default_payload=False)
    name = query.using or ""
    vector = query._vector
    if vector.__class__ is not SparseVector and (vector.__class__ is not np.ndarray or vector.ndim != 1):
        return None
    found = None
    if request.filter is None:
        found = _walk(segments, name, vector, depth, request.params)
    if found is None:
        found = nearest_to(segments, schema, name, vector, request.filter, depth, request.params)
    if found is None:
        return None
    spec = schema[name]
    if len(found) > 1:
        hits = merged(found, depth)
        hits.scores = shown(hits.scores, spec)
        hits = hits.take(slice(request.offset, cut(hits.scores, request.score_threshold, spec)))
        return build(Scope(segments, schema), hits, projection or Projection(None, None, schema, default_payload=False))
    number, (offsets, scores) = found[0]
    if spec.distance not in (COSINE, DOT):
        scores = shown(scores, spec)
    if request.score_threshold is not None or request.offset:
        window = slice(request.offset, cut(scores, request.score_threshold, spec))
        offsets, scores = offsets[window], scores[window]
    segment = segments[number]
    ids = segment.ids
    columns = (ids.ids_of(offsets),) if projection is None else projection.columns(segment, offsets)
    return ScoredPoint._make_many(len(offsets), (ids.versions, offsets), scores, None, *columns)
