"""optimize(): merging, indexing, what goes on meanwhile, and stopping it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es

DIM = 16
OPS = es.UpdateOperation


def config(threshold_kb: int = 10, **optimizers: Any) -> es.EdgeConfig:
    return es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Euclid),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=threshold_kb, **optimizers),
    )


def vectors(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def fill(shard: es.EdgeShard, rows: np.ndarray, first: int = 0) -> None:
    ids = np.arange(first, first + len(rows), dtype=np.uint64)
    shard.update(OPS.upsert_batch(ids, rows, [{"n": int(point)} for point in ids]))


def nearest(shard: es.EdgeShard, row: np.ndarray, **params: Any) -> list[int]:
    request = es.QueryRequest(query=es.Query.Nearest(row), limit=10, params=es.SearchParams(**params))
    return [int(hit.id) for hit in shard.query(request)]


@pytest.fixture
def shard(tmp_path: Path) -> Any:
    with es.EdgeShard.create(tmp_path / "shard", config()) as opened:
        fill(opened, vectors(9000))
        yield opened


def test_graph_finds_what_a_scan_finds(shard: es.EdgeShard) -> None:
    assert shard.optimize() is True
    assert shard.info().indexed_vectors_count == 9000
    assert shard.optimize() is False
    found = exact = 0
    for row in vectors(50, seed=2):
        truth = nearest(shard, row, exact=True)
        found += len(set(truth) & set(nearest(shard, row, hnsw_ef=128)))
        exact += len(truth)
    assert found / exact > 0.97


def test_nothing_to_do_below_the_threshold(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "small", config(threshold_kb=10_000)) as small:
        fill(small, vectors(100))
        assert small.optimize() is False
        assert small.info().indexed_vectors_count == 0


def test_points_of_an_indexed_segment_change(shard: es.EdgeShard) -> None:
    shard.optimize()
    row = vectors(1, seed=5)[0]
    shard.update(OPS.upsert_points([es.Point(7, row, {"n": 7})]))
    shard.update(OPS.delete_points([8]))
    shard.update(OPS.set_payload([9], {"extra": True}))
    assert nearest(shard, row)[0] == 7
    assert shard.count(es.CountRequest()) == 8999
    assert shard.retrieve([8]) == []
    assert shard.retrieve([9])[0].payload == {"n": 9, "extra": True}


def test_deleted_points_are_dropped(shard: es.EdgeShard) -> None:
    shard.optimize()
    shard.update(OPS.delete_points(list(range(0, 9000, 2))))
    assert shard.optimize() is True
    assert shard.info().indexed_vectors_count == 4500
    assert shard.info().points_count == 4500


@pytest.mark.filterwarnings("ignore::edgeshard.UnindexedScanWarning")
def test_reads_and_updates_go_on_meanwhile(shard: es.EdgeShard) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []
    changed: dict[int, int] = {}

    def work() -> None:
        rng = np.random.default_rng(3)
        try:
            number = 0
            while not stop.is_set():
                number += 1
                point = int(rng.integers(0, 9000))
                shard.update(OPS.set_payload([point], {"seen": number}))
                changed[point] = number
                shard.update(OPS.upsert_points([es.Point(20_000 + number, vectors(1)[0], {})]))
                shard.update(OPS.delete_points([20_000 + number]))
                assert len(nearest(shard, vectors(1, seed=number)[0])) == 10
                assert shard.count(es.CountRequest()) == 9000
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert shard.optimize() is True
    finally:
        stop.set()
        worker.join()
    assert not failures
    assert changed
    for point, number in changed.items():
        assert shard.retrieve([point])[0].payload == {"n": point, "seen": number}
    assert shard.count(es.CountRequest()) == 9000
    path = shard.path
    shard.close()
    with es.EdgeShard.load(path) as again:
        assert again.count(es.CountRequest()) == 9000
        for point, number in changed.items():
            assert again.retrieve([point])[0].payload == {"n": point, "seen": number}


def test_cancelled_leaves_the_shard_as_it_was(shard: es.EdgeShard) -> None:
    before = sorted(os.listdir(shard.path / "segments"))
    calls: list[str] = []

    def cancel() -> bool:
        return len(calls) > 3

    with pytest.raises(es.CancelledError):
        shard.optimize(on_progress=lambda step, share: calls.append(step), cancel=cancel)
    assert set(before) <= set(os.listdir(shard.path / "segments"))
    assert os.listdir(shard.path / "temp_segments") == []
    assert shard.count(es.CountRequest()) == 9000
    fill(shard, vectors(10, seed=9), first=9000)
    assert shard.optimize() is True
    assert shard.count(es.CountRequest()) == 9010


def test_progress_names_steps_and_shares(shard: es.EdgeShard) -> None:
    seen: list[tuple[str, float]] = []
    shard.optimize(on_progress=lambda step, share: seen.append((step, share)))
    steps = {step for step, _ in seen}
    assert {"payloads", "vectors", "graph"} <= steps
    assert all(0 <= share <= 1 for _, share in seen)


def test_budget_of_nothing_starts_nothing(shard: es.EdgeShard) -> None:
    assert shard.optimize(budget_ms=-1) is False
    assert shard.info().indexed_vectors_count == 0


def test_damaged_graph_is_rebuilt(shard: es.EdgeShard) -> None:
    shard.optimize()
    path = shard.path
    shard.close()
    (links,) = path.glob("segments/*/vector_index/links*.bin")
    links.write_bytes(b"")
    with pytest.warns(RuntimeWarning), es.EdgeShard.load(path) as again:
        assert len(nearest(again, vectors(1)[0])) == 10
        assert again.optimize() is True
    with es.EdgeShard.load(path) as again:
        assert again.info().indexed_vectors_count == 9000
        assert len(nearest(again, vectors(1)[0])) == 10
