"""Random optimised shards of either engine with graphs and codes of every kind, searched by both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import qdrant_edge
from quantization_methods import METHODS

import edgeshard

ENGINES = [edgeshard, qdrant_edge]
KINDS = ["graph", *METHODS]
QUERIES, K, EF = 10, 10, 40


def make(mod: Any, path: Path, kind: str, rng: np.random.Generator) -> tuple[Any, npt.NDArray[np.float32]]:
    """A shard of random size, dimension and distance, some points deleted before it is optimised; and queries."""
    count, dim = int(rng.integers(200, 500)), int(rng.integers(2, 12)) * 4
    distance = str(rng.choice(["Cosine", "Euclid", "Dot"]))
    centres = rng.normal(size=(12, dim))
    points = centres[rng.integers(0, 12, count + QUERIES)] + 0.7 * rng.normal(size=(count + QUERIES, dim))
    vectors = points.astype(np.float32)
    quantization = {} if kind == "graph" else {"quantization_config": METHODS[kind](mod)}
    config = mod.EdgeConfig(
        vectors={"": mod.EdgeVectorParams(dim, getattr(mod.Distance, distance), **quantization)},
        hnsw_config=mod.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=1),
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = mod.EdgeShard.create(str(path), config)
    rows = vectors[:count].tolist()
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(i, row, {}) for i, row in enumerate(rows)]))
    gone = rng.choice(count, int(rng.integers(0, count // 5)), replace=False).tolist()
    if gone:
        shard.update(mod.UpdateOperation.delete_points(gone))
    shard.optimize()
    return shard, vectors[count:]


def ask(mod: Any, shard: Any, queries: npt.NDArray[np.float32], **params: Any) -> list[dict[int, float]]:
    chosen = mod.SearchParams(**params)
    requests = [mod.QueryRequest(query=mod.Query.Nearest(q), limit=K, params=chosen) for q in queries.tolist()]
    return [{point.id: point.score for point in shard.query(one)} for one in requests]


def share(found: list[dict[int, float]], exact: list[dict[int, float]]) -> float:
    return float(np.mean([len(a.keys() & b.keys()) / len(b) for a, b in zip(found, exact, strict=True)]))


def behind(found: list[dict[int, float]], other: list[dict[int, float]]) -> float:
    """Share of ranks where the second has the worse score, less those where it has the better one.

    Few bits give many points the same score: which of them are returned is each engine's choice.
    """
    places = 0
    for one, two in zip(found, other, strict=True):
        left, right = np.array(list(one.values())), np.array(list(two.values()))
        sign = 1 if left[0] >= left[-1] else -1  # distances are listed ascending
        gap = sign * (left - right) / (abs(left).max() + 1e-6)
        places += int((gap > 1e-4).sum()) - int((gap < -1e-4).sum())
    return places / (K * len(found))


def compare(first: Any, kind: str, path: Path, rounds: int) -> float:
    """How much less of the exact answers the second engine finds than the first, in shards of the first.

    Codes alone rank where there are any: how many of the best are re-scored is each engine's choice.
    """
    second = edgeshard if first is qdrant_edge else qdrant_edge
    lost = []
    for seed in range(rounds):
        shard, queries = make(first, path, kind, np.random.default_rng([seed, KINDS.index(kind)]))
        answers = []
        for mod in (first, second):
            by_codes = mod.QuantizationSearchParams(rescore=False)
            approximate = ask(mod, shard, queries, hnsw_ef=EF, quantization=by_codes)
            answers.append((ask(mod, shard, queries, exact=True), approximate))
            shard.close()
            shard = second.EdgeShard.load(str(path))
        shard.close()
        (exact, found), (exact_again, found_again) = answers
        for one, other in zip(exact, exact_again, strict=True):
            assert one.keys() == other.keys(), (seed, kind)
            np.testing.assert_allclose([one[i] for i in one], [other[i] for i in one], rtol=1e-5, atol=1e-5)
        if kind.startswith("binary"):
            lost.append(behind(found, found_again))
        else:
            lost.append(share(found, exact) - share(found_again, exact))
        shutil.rmtree(path)
    return float(np.mean(lost))


@pytest.fixture
def walking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small segments are walked, too."""
    monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_ROWS", 0)
    monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_SHARE", 0.0)


@pytest.mark.usefixtures("walking")
@pytest.mark.parametrize("kind", ["graph", "scalar", "binary", "turbo4"])
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_some_shards(first: Any, kind: str, tmp_path: Path) -> None:
    assert compare(first, kind, tmp_path / "shard", 2) <= 0.03


@pytest.mark.long
@pytest.mark.usefixtures("walking")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_a_hundred_shards_of_each_kind(first: Any, kind: str, tmp_path: Path) -> None:
    assert compare(first, kind, tmp_path / "shard", 100) <= 0.005
