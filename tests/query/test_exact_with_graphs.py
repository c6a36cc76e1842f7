"""``exact=True`` compares every point, also where graphs would be walked: after deletions, behind filters, on codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quantization_methods import METHODS

import edgeshard as es
from edgeshard.segment import graph_field

DIM, COUNT, QUERIES, K = 24, 3000, 20, 10
ROWS = np.random.default_rng(7).normal(size=(COUNT + QUERIES, DIM)).astype(np.float32)


def shard_of(
    path: Path, method: str | None = None, m: int = 4, payload_m: int | None = None, threshold_kb: int = 1
) -> es.EdgeShard:
    """An optimised shard with a graph that finds little: few links, made with a narrow beam."""
    params = es.EdgeVectorParams(DIM, es.Distance.Dot, quantization_config=METHODS[method](es) if method else None)
    config = es.EdgeConfig(
        vectors=params,
        hnsw_config=es.HnswIndexConfig(m, 4, threshold_kb, payload_m=payload_m),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = es.EdgeShard.create(path, config)
    payloads = [{"n": n} for n in range(COUNT)]
    shard.update(es.UpdateOperation.upsert_batch(np.arange(COUNT, dtype=np.uint64), ROWS[:COUNT], payloads))
    shard.optimize()
    return shard


def wrong(shard: es.EdgeShard, wanted: np.ndarray, chosen: es.Filter | None, params: es.SearchParams) -> int:
    """How many of the queries get another answer than a comparison with all wanted points gives."""
    count = 0
    for query in ROWS[COUNT:]:
        request = es.QueryRequest(query=es.Query.Nearest(query), limit=K, filter=chosen, params=params)
        best = wanted[np.argsort(-(ROWS[wanted] @ query), kind="stable")[:K]]
        count += [hit.id for hit in shard.query(request)] != best.tolist()
    return count


@pytest.mark.parametrize("method", [None, "scalar", "binary"])
def test_exact_is_exact(method: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_field, "SCAN_ROWS", 0)
    exact, ef = es.SearchParams(exact=True), es.SearchParams(hnsw_ef=K)
    below = es.Filter(must=[es.FieldCondition("n", range=es.RangeFloat(lt=2000))])
    with shard_of(tmp_path / "shard", method) as shard:
        everyone = np.arange(COUNT)
        assert wrong(shard, everyone, None, ef) > 0, "a graph as good as this tells nothing"
        assert wrong(shard, everyone, None, exact) == 0
        assert wrong(shard, everyone[:2000], below, exact) == 0
        shard.update(es.UpdateOperation.delete_points(list(range(0, COUNT, 13))))
        left = everyone[everyone % 13 > 0]
        assert wrong(shard, left, None, exact) == 0
        assert wrong(shard, left[left < 2000], below, exact) == 0
        assert shard.measure_recall(ROWS[COUNT:], ef=K).recall < 1


def test_a_graph_without_common_links_is_not_walked_for_most_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_field, "SCAN_ROWS", 0)
    with shard_of(tmp_path / "shard", m=0, payload_m=8) as shard:
        assert wrong(shard, np.arange(COUNT), None, es.SearchParams(hnsw_ef=K)) == 0


def test_fewer_vectors_than_the_full_scan_threshold_are_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_field, "SCAN_ROWS", 0)
    below = es.Filter(must=[es.FieldCondition("n", range=es.RangeFloat(lt=2000))])
    row_bytes, narrow = 4 * DIM, es.SearchParams(hnsw_ef=K)
    with shard_of(tmp_path / "all", threshold_kb=COUNT * row_bytes // 1024 + 2) as shard:
        assert wrong(shard, np.arange(COUNT), None, narrow) == 0
    with shard_of(tmp_path / "some", threshold_kb=2100 * row_bytes // 1024) as shard:
        assert wrong(shard, np.arange(COUNT), None, narrow) > 0
        assert wrong(shard, np.arange(2000), below, narrow) == 0
