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
STORED = {"rows of turbo4": "Turbo4", "rows of turbo8": "Turbo8", "rows of turbo16": "Turbo16"}
"""Element types that are codes themselves."""
KINDS = ["graph", *METHODS, *STORED]
QUERIES, K, EF = 10, 10, 40
TOLERANCE = {"rows of turbo4": 0.1, "rows of turbo8": 2e-3, "rows of turbo16": 1e-3}
"""Of the spread of all scores, for exact search: both engines round queries of compressed rows, each in its own way."""


def make(mod: Any, path: Path, kind: str, rng: np.random.Generator) -> tuple[Any, npt.NDArray[np.float32]]:
    """A shard of random size, dimension and distance, some points deleted before it is optimised; and queries.

    Binary codes come with every encoding of queries in turn.
    """
    count, dim = int(rng.integers(200, 500)), int(rng.integers(2, 12)) * 4
    distance = str(rng.choice(["Cosine", "Euclid", "Dot"]))
    centres = rng.normal(size=(12, dim))
    points = centres[rng.integers(0, 12, count + QUERIES)] + 0.7 * rng.normal(size=(count + QUERIES, dim))
    vectors = points.astype(np.float32)
    options: dict[str, Any] = {"quantization_config": METHODS[kind](mod)} if kind in METHODS else {}
    if kind.startswith("binary"):
        encodings = mod.BinaryQuantizationQueryEncoding
        names = ("Default", "Binary", "Scalar4Bits", "Scalar8Bits")
        encoding = getattr(encodings, str(rng.choice(names)))
        rows_encoding = options["quantization_config"].encoding
        options["quantization_config"] = mod.BinaryQuantizationConfig(encoding=rows_encoding, query_encoding=encoding)
    if kind in STORED:
        options["datatype"] = getattr(mod.VectorStorageDatatype, STORED[kind])
    config = mod.EdgeConfig(
        vectors={"": mod.EdgeVectorParams(dim, getattr(mod.Distance, distance), **options)},
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


def ask(
    mod: Any, shard: Any, queries: npt.NDArray[np.float32], limit: int = K, **params: Any
) -> list[dict[int, float]]:
    chosen = mod.SearchParams(**params)
    requests = [mod.QueryRequest(query=mod.Query.Nearest(q), limit=limit, params=chosen) for q in queries.tolist()]
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


def assert_same(one: dict[int, float], other: dict[int, float], off: float, where: str) -> None:
    """The same points with the same scores; where those may be ``off``, points may change places with ones as near."""
    if off:
        np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=0, atol=off, err_msg=where)
        return
    assert one.keys() == other.keys(), where
    np.testing.assert_allclose([one[i] for i in one], [other[i] for i in one], rtol=1e-5, atol=1e-5, err_msg=where)


def compare(first: Any, kind: str, path: Path, rounds: int) -> float:
    """How much less of the exact answers the second engine finds than the first, in shards of the first.

    Codes alone rank where there are any: how many of the best are re-scored is each engine's choice.
    """
    second = edgeshard if first is qdrant_edge else qdrant_edge
    lost = []
    for seed in range(rounds):
        shard, queries = make(first, path, kind, np.random.default_rng([seed, KINDS.index(kind)]))
        everything = ask(first, shard, queries, 1000, exact=True) if kind in TOLERANCE else []
        off = [TOLERANCE[kind] * float(np.std(list(scores.values()))) for scores in everything] or [0.0] * QUERIES
        answers = []
        for mod in (first, second):
            by_codes = mod.QuantizationSearchParams(rescore=False)
            approximate = ask(mod, shard, queries, hnsw_ef=EF, quantization=by_codes)
            answers.append((ask(mod, shard, queries, exact=True), approximate))
            shard.close()
            shard = second.EdgeShard.load(str(path))
        shard.close()
        (exact, found), (exact_again, found_again) = answers
        for one, other, tolerance in zip(exact, exact_again, off, strict=True):
            assert_same(one, other, tolerance, f"{kind}, seed {seed}")
        if kind.startswith("binary"):  # equal scores abound
            lost.append(behind(found, found_again))
        else:
            truth = exact_again if kind in STORED else exact  # which rows are the nearest depends on the rounding
            lost.append(share(found, exact) - share(found_again, truth))
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
    lost = compare(first, kind, tmp_path / "shard", 100)
    print(f"{kind}, 100 shards of {first.__name__}: {lost:+.4f} of the answers lost by the other engine")
    assert lost <= 0.005
