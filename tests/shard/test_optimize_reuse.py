"""optimize() starts graphs from older ones where it may, and the shard finds as much as if it were built anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import OldGraph

DIM = 24
OPS = es.UpdateOperation


def config(**optimizers: Any) -> es.EdgeConfig:
    settings = es.EdgeOptimizersConfig(
        indexing_threshold=10, vacuum_min_vector_number=100, default_segment_number=1, **optimizers
    )
    return es.EdgeConfig(vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Cosine), optimizers=settings)


def vectors(count: int, seed: int = 1) -> np.ndarray:
    rng, centres = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(30, DIM))
    return (centres[rng.integers(0, 30, count)] + 0.5 * rng.normal(size=(count, DIM))).astype(np.float32)


def put(shard: es.EdgeShard, rows: np.ndarray, first: int = 0) -> None:
    shard.update(OPS.upsert_batch(np.arange(first, first + len(rows), dtype=np.uint64), rows))


@pytest.fixture
def started_from(monkeypatch: pytest.MonkeyPatch) -> list[OldGraph | None]:
    """What each graph that is built was started from."""
    seen: list[OldGraph | None] = []
    build = HnswGraph.build.__func__  # type: ignore[attr-defined]

    def watched(cls: type, *args: Any, **kwargs: Any) -> HnswGraph:
        seen.append(kwargs["old"])
        graph: HnswGraph = build(cls, *args, **kwargs)
        return graph

    monkeypatch.setattr(HnswGraph, "build", classmethod(watched))
    return seen


def recall_of(shard: es.EdgeShard) -> float:
    return shard.measure_recall(vectors(200, seed=9), ef=64).recall


def anew(path: Path, shard: es.EdgeShard) -> float:
    """Recall of the same points in a shard that was optimised once."""
    with es.EdgeShard.create(path, config()) as other:
        records = shard.scroll(es.ScrollRequest(limit=100_000, with_vector=True))[0]
        put(other, np.array([record.vector for record in records], np.float32))
        other.optimize(threads=1)
        return recall_of(other)


def test_new_points_are_inserted_into_the_old_graph(tmp_path: Path, started_from: list[OldGraph | None]) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, vectors(4000))
        shard.optimize()
        put(shard, vectors(300, seed=2), first=4000)
        assert shard.optimize()
        assert shard.info().indexed_vectors_count == 4300
        first, second = started_from[:2]
        assert first is None
        assert second is not None
        assert len(second.offsets) == 4000
        assert recall_of(shard) >= anew(tmp_path / "anew", shard) - 0.01


def test_a_vacuum_heals_the_old_graph(tmp_path: Path, started_from: list[OldGraph | None]) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config(deleted_threshold=0.1)) as shard:
        put(shard, vectors(4000))
        shard.optimize()
        gone = np.random.default_rng(3).choice(4000, 800, replace=False)
        shard.update(OPS.delete_points(gone.tolist()))
        assert shard.optimize()
        assert shard.count(es.CountRequest()) == shard.info().indexed_vectors_count == 3200
        assert started_from[1] is not None
        assert recall_of(shard) >= anew(tmp_path / "anew", shard) - 0.01


@pytest.mark.parametrize("share", [0.35, 0.8])
def test_too_many_gone(tmp_path: Path, started_from: list[OldGraph | None], share: float) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config(deleted_threshold=0.1)) as shard:
        put(shard, vectors(3000))
        shard.optimize()
        shard.update(OPS.delete_points(list(range(int(share * 3000)))))
        assert shard.optimize()
        assert started_from == [None, None]


def test_other_graph_settings(tmp_path: Path, started_from: list[OldGraph | None]) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, vectors(2000))
        shard.optimize()
    changed = es.EdgeConfig(
        vectors=es.EdgeVectorParams(
            size=DIM, distance=es.Distance.Cosine, hnsw_config=es.HnswIndexConfig(16, 80, 10_000)
        ),
        optimizers=config().optimizers,
    )
    with es.EdgeShard.load(tmp_path / "shard", changed) as shard:
        assert shard.optimize()
    assert started_from == [None, None]


def test_a_damaged_graph_is_not_taken_over(tmp_path: Path, started_from: list[OldGraph | None]) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, vectors(2000))
        shard.optimize()
    (links,) = (tmp_path / "shard" / "segments").glob("*/vector_index/links_compressed.bin")
    data = bytearray(links.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    links.write_bytes(data)
    with es.EdgeShard.load(tmp_path / "shard", verify=None) as shard:
        put(shard, vectors(200, seed=2), first=2000)
        assert shard.optimize()
        assert started_from == [None, None]
        assert recall_of(shard) > 0.98
        assert shard.verify() == []


def test_of_several_graphs_the_one_with_most_points_is_taken(
    tmp_path: Path, started_from: list[OldGraph | None]
) -> None:
    settings = es.EdgeOptimizersConfig(indexing_threshold=10, default_segment_number=8)
    several = es.EdgeConfig(vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Cosine), optimizers=settings)
    with es.EdgeShard.create(tmp_path / "shard", several) as shard:
        for number, count in enumerate((500, 1500, 800)):
            put(shard, vectors(count, seed=number), first=2000 * number)
            shard.optimize()
        indexed = shard.info().segments_count
    assert indexed > 2
    del started_from[:]
    one = es.EdgeConfig(vectors=several.vectors, optimizers=config().optimizers)
    with es.EdgeShard.load(tmp_path / "shard", one) as shard:
        assert shard.optimize()
        assert started_from[0] is not None
        assert len(started_from[0].offsets) == 1500
        assert recall_of(shard) > 0.98
