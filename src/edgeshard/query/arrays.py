"""Nearest points as NumPy arrays: many queries in one pass, no object per hit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError, VectorDimensionError, WrongVectorKindError
from edgeshard.models.base import as_array, f32, u64
from edgeshard.models.filters import Filter
from edgeshard.query.hits import Hits
from edgeshard.query.kinds import cut, shown
from edgeshard.query.scope import Scope
from edgeshard.query.single import nearest_to, peopled
from edgeshard.query.table import search_table
from edgeshard.query.vector_search import search_many
from edgeshard.segment.batch import Offsets
from edgeshard.segment.schema import Schema, VectorSchema
from edgeshard.segment.segment import Segment
from edgeshard.storage.convert import COSINE, DOT, ELEMENTS

USUAL_LIMIT = 1 << 32
Ids: TypeAlias = npt.NDArray[np.uint64] | npt.NDArray[np.object_]
Scores = npt.NDArray[np.float32]
NO_ID = np.uint64(2**64 - 1)
"""What stands for no id among integer ids: -1 as a signed number. Its score is NaN."""


def query_arrays(
    segments: Sequence[Segment],
    schema: Schema,
    vectors: Any,
    limit: int,
    using: str | None,
    condition: Filter | None,
    params: Any,
    score_threshold: float | None,
) -> tuple[Ids, Scores]:
    """See :meth:`EdgeShard.query_arrays`."""
    if type(vectors) is np.ndarray and (vectors.ndim == 1 or (vectors.ndim == 2 and len(vectors) == 1)):
        row = vectors if vectors.ndim == 1 else vectors[0]
        answer = _one(segments, schema, row, limit, using or "", condition, params, score_threshold)
        if answer is not None:
            return answer if row is vectors else (answer[0][None], answer[1][None])
    scope = Scope(segments, schema)
    spec = scope.spec(using or "")
    rows, single = _rows(vectors, spec, using or "")
    limit = u64(limit, "limit")
    if condition is None and score_threshold is None and not single and len(rows):
        table = search_table(segments, using or "", rows, limit, params)
        if table is not None:
            return _arranged(_ids_at(table.segment, table.offsets), table.scores, table.counts)
    filters = () if condition is None else (condition,)
    found = search_many(scope, using or "", rows, filters, limit, params) if len(rows) else []
    if score_threshold is not None:
        bar = f32(score_threshold, "score_threshold")
        found = [hits.take(slice(cut(hits.scores, bar, spec))) for hits in found]
    if single:
        return _ids_of(scope, found), found[0].scores
    scores = np.concatenate([np.zeros(0, np.float32), *(hits.scores for hits in found)])
    return _arranged(_ids_of(scope, found), scores, np.array([len(hits) for hits in found], np.int64))


def _one(
    segments: Sequence[Segment],
    schema: Schema,
    vector: npt.NDArray[Any],
    limit: int,
    name: str,
    condition: Filter | None,
    params: Any,
    score_threshold: float | None,
) -> tuple[Ids, Scores] | None:
    """The answer for one vector that all of it is well with, in one segment; None for others."""
    if limit.__class__ is not int or not 0 <= limit <= USUAL_LIMIT:  # saves a call
        limit = u64(limit, "limit")
    place = peopled(segments)
    if place is None:
        return None
    segment, found = place[1], None
    if condition is None:
        walk = segment.walks.get(name) or segment.whole_walk(name)
        if walk is not None:
            found = walk.find(vector, limit, params)
    spec = schema.get(name)
    if spec is None:
        return None
    if found is None:
        if spec.kind != "dense" or spec.turbo_bits is not None or vector.dtype.kind not in "fiu":
            return None
        row = _native.number_row(vector, spec.size, spec.distance == COSINE, ELEMENTS[spec.dtype])
        places = None if row is None else nearest_to(segments, schema, name, row, condition, limit, params)
        if places is None:
            return None
        found = places[0][1]
    offsets, scores = found
    if spec.distance not in (COSINE, DOT):
        scores = shown(scores, spec)
    if score_threshold is not None:
        count = cut(scores, f32(score_threshold, "score_threshold"), spec)
        offsets, scores = offsets[:count], scores[:count]
    numbers = segment.ids.numbers_of(offsets)
    return _as_array(segment.ids.ids_of(offsets)) if numbers is None else numbers, scores


def _rows(vectors: Any, spec: VectorSchema, name: str) -> tuple[npt.NDArray[np.float32], bool]:
    """The queries as ``(q, dim) float32``, and whether there was but one."""
    if spec.kind == "sparse":
        raise WrongVectorKindError("Wrong usage of sparse vectors: query_arrays takes dense vectors; use query_batch")
    rows = as_array(vectors, "vectors")
    if rows.dtype.kind not in "fiu" or rows.ndim not in (1, 2):
        raise TypeError(
            f"vectors: expected numbers of shape (dim,) or (q, dim), got {rows.dtype} of shape {rows.shape}"
        )
    if rows.shape[-1] != spec.size:
        raise VectorDimensionError(spec.size, rows.shape[-1], name)
    if rows.dtype == np.float32:
        converted = np.ascontiguousarray(rows.reshape(-1, rows.shape[-1]))
    else:
        with np.errstate(over="ignore"):
            converted = np.ascontiguousarray(np.atleast_2d(rows), np.float32)
    if not bool(np.isfinite(converted).all()):
        raise ValidationError("Validation failed: vectors: expected finite numbers, got NaN or infinity")
    return converted, rows.ndim == 1


def _arranged(ids: Ids, scores: Scores, counts: npt.NDArray[np.int64]) -> tuple[Ids, Scores]:
    """Ids and scores of all queries, which are one behind the other, side by side; short rows are filled up."""
    width = int(counts.max(initial=0))
    shape = len(counts), width
    if len(ids) == len(counts) * width:
        return ids.reshape(shape), scores.reshape(shape)
    filled = np.arange(width) < counts[:, None]
    all_ids: npt.NDArray[Any] = np.full(shape, None if ids.dtype == object else NO_ID, ids.dtype)
    all_scores = np.full(shape, np.nan, np.float32)
    all_ids[filled], all_scores[filled] = ids, scores
    return all_ids, all_scores


def _ids_of(scope: Scope, found: list[Hits]) -> Ids:
    """Ids of the points of all results, one after the other."""
    places = [hits.place for hits in found if hits.place is not None]
    if len(places) < len(found) or len({number for number, _ in places}) != 1:
        return _as_array(scope.ids(np.concatenate([hits.keys for hits in found])) if found else [])
    return _ids_at(scope.segments[places[0][0]], np.concatenate([offsets for _, offsets in places]))


def _ids_at(segment: Segment, offsets: Offsets) -> Ids:
    """Ids of points of one segment."""
    ids = segment.ids.numbers_of(offsets)
    return _as_array(segment.ids.ids_of(offsets)) if ids is None else ids


def _as_array(ids: list[Any]) -> Ids:
    """Ids as uint64, or as objects where one of them is a UUID."""
    if all(type(point_id) is int for point_id in ids):
        return np.array(ids, np.uint64)
    objects = np.empty(len(ids), object)
    objects[:] = ids
    return objects
