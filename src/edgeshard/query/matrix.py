"""How similar the points of a random sample are to one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.models.groups import SearchMatrixOffsets, SearchMatrixPair, SearchMatrixRequest
from edgeshard.models.ids import ParsedId
from edgeshard.query.hits import Keys, by_segment, make_keys
from edgeshard.query.kinds import shown
from edgeshard.query.scope import Scope
from edgeshard.query.vector_search import stored_vectors
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField

Places = npt.NDArray[np.int64]


def matrix_pairs(segments: Sequence[Segment], schema: Schema, request: SearchMatrixRequest) -> list[SearchMatrixPair]:
    """Each point of the sample with those nearest to it."""
    ids, rows, columns, scores = _matrix(Scope(segments, schema), request)
    entries = zip(rows.tolist(), columns.tolist(), scores.tolist(), strict=True)
    return [SearchMatrixPair(ids[row], ids[column], score) for row, column, score in entries]


def matrix_offsets(segments: Sequence[Segment], schema: Schema, request: SearchMatrixRequest) -> SearchMatrixOffsets:
    """The sample and its nearest pairs as a sparse matrix."""
    ids, rows, columns, scores = _matrix(Scope(segments, schema), request)
    return SearchMatrixOffsets(ids, rows.tolist(), columns.tolist(), scores.tolist())


def _matrix(
    scope: Scope, request: SearchMatrixRequest
) -> tuple[list[ParsedId], Places, Places, npt.NDArray[np.float32]]:
    name = request.using or ""
    spec = scope.spec(name)
    keys = _sample(scope, name, request)
    ids = scope.ids(keys)
    none = np.zeros(0, np.int64)
    wanted = min(request.limit_per_sample, len(keys) - 1)
    if wanted <= 0:
        return ids, none, none, np.zeros(0, np.float32)
    sims = _similarities(scope, name, keys)
    np.fill_diagonal(sims, np.nan)  # a point is not its own neighbour
    columns = np.argsort(-sims, axis=1, kind="stable")[:, :wanted]
    rows = np.repeat(np.arange(len(keys)), wanted)
    chosen = sims[rows, columns.ravel()]
    valid = ~np.isnan(chosen)
    return ids, rows[valid], columns.ravel()[valid], shown(chosen[valid], spec)


def _sample(scope: Scope, name: str, request: SearchMatrixRequest) -> Keys:
    filters = () if request.filter is None else (request.filter,)
    found = []
    for number, segment in enumerate(scope.segments):
        mask = scope.mask(number, filters) & segment.fields[name].presence(segment.count)
        found.append(make_keys(number, np.flatnonzero(mask)))
    keys = np.concatenate(found)
    size = min(request.sample_size, len(keys))
    chosen: Keys = np.random.default_rng().choice(keys, size, replace=False)
    return chosen


def _similarities(scope: Scope, name: str, keys: Keys) -> npt.NDArray[np.float32]:
    """``(n, n)`` similarities of points with one another; NaN for sparse vectors without a common index."""
    vectors = stored_vectors(scope, name, keys)
    field = scope.field(name)
    if not isinstance(field, SparseField):
        return field.pairwise(vectors, vectors)
    sims = np.full((len(keys), len(keys)), np.nan, np.float32)
    for number, places, offsets in by_segment(keys):
        part: Any = scope.segments[number].fields[name]
        for row, query in enumerate(vectors):
            found, shared = part.nearest_sims(query, offsets)
            sims[row, places[shared]] = found[shared]
    return sims
