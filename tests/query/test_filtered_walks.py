"""Walks behind filters that leave out what is near the query."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edgeshard

N, DIM, LIMIT = 13_000, 16, 10


def test_filters_that_exclude_the_neighbourhood_of_the_query_return_as_many_points(tmp_path: Path) -> None:
    """More than half of the points are wanted, so they are not scanned, but none of the nearest 5,000."""
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(N, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[0]
    order = np.argsort(-(rows @ query))
    distance = np.empty(N, np.int64)
    distance[order] = np.arange(N)
    optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=1)
    params = edgeshard.EdgeVectorParams(DIM, edgeshard.Distance.Cosine)
    with edgeshard.EdgeShard.create(
        str(tmp_path / "shard"), edgeshard.EdgeConfig(vectors={"": params}, optimizers=optimizers)
    ) as shard:
        payloads = [{"nth": int(nth)} for nth in distance]
        points = [edgeshard.Point(i, row, payload) for i, (row, payload) in enumerate(zip(rows, payloads, strict=True))]
        shard.update(edgeshard.UpdateOperation.upsert_points(points))
        shard.optimize()
        for first in (1000, 5000):
            key = edgeshard.FieldCondition(key="nth", range=edgeshard.RangeFloat(gte=first))
            request = edgeshard.QueryRequest(
                query=edgeshard.Query.Nearest(query.tolist()), limit=LIMIT, filter=edgeshard.Filter(must=[key])
            )
            found = [point.id for point in shard.query(request)]
            assert len(set(found) & set(order[first : first + LIMIT].tolist())) >= LIMIT - 1
            answers = shard.query_batch(edgeshard.QueryBatchRequest([request, request]))
            assert [[point.id for point in answer] for answer in answers] == [found, found]
