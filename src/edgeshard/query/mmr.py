"""Maximal marginal relevance: what it chooses from, and the choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import WrongVectorKindError
from edgeshard.models.queries import Query
from edgeshard.query.hits import Hits, Keys, by_segment
from edgeshard.query.scope import Filters, Scope
from edgeshard.query.vector_search import rescore, search
from edgeshard.storage.convert import to_stored

FLOAT32 = np.dtype(np.float32)


def candidates(
    scope: Scope, mmr: Any, keys: Keys | None, filters: Filters, limit: int, threshold: float | None, params: Any
) -> Hits:
    """What maximal marginal relevance chooses from: the points nearest to its vector (of given ones, or of all)."""
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
    """Candidates by maximal marginal relevance, in the order they are picked, with their nearest scores.

    Raises:
        WrongVectorKindError: the vectors are sparse.
    """
    if scope.spec(mmr.using).kind == "sparse":
        raise WrongVectorKindError("Wrong usage of sparse vectors: MMR needs dense vectors")
    if len(found) < 2:
        found.vectors = mmr.using
        return found.take(slice(limit))
    field, spec = scope.field(mmr.using), scope.spec(mmr.using)
    field.query(mmr._vector)  # checked once more: a prefetch does not search with it
    query = to_stored(np.atleast_2d(mmr._vector), spec.distance, FLOAT32)
    bounds, stored = floats_of(scope, mmr.using, found.keys)
    # As in Qdrant, vectors in the role of queries are normalised where the metric wants it, and stored ones keep the
    # length they have: that of bytes, or what rounding to half precision made of one.
    rounded = spec.dtype != np.float32 and spec.turbo_bits is None
    queries = to_stored(stored, spec.distance, FLOAT32) if rounded else stored
    places = _native.most_diverse(query, queries, stored, bounds, mmr.lambda_, min(limit, len(found)), spec.distance)
    found.vectors = mmr.using
    return found.take(places)


def floats_of(scope: Scope, name: str, keys: Keys) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.float32]]:
    """Rows of dense or multi-vectors, and where those of each point begin and end: ``(n + 1,)``, None for one each.

    Args:
        scope: the segments.
        name: of the vectors, which all the points have.
        keys: of the points.
    """
    parts = [
        (scope.segments[number].fields[name].read(offsets), places) for number, places, offsets in by_segment(keys)
    ]
    if len(parts) == 1:
        packed: Any = parts[0][0]
        return packed.packed()  # type: ignore[no-any-return]
    vectors: list[Any] = [None] * len(keys)
    for read, places in parts:
        for i, place in enumerate(places.tolist()):
            vectors[place] = read[i]
    if vectors[0].ndim == 1:
        return None, np.stack(vectors)
    return np.cumsum([0, *map(len, vectors)], dtype=np.int64), np.concatenate(vectors)
