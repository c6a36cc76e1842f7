"""Quantized shards written by one engine and searched by both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge
from quantization_methods import METHODS

import edgeshard
from edgeshard.index.quantization import QuantizedVectors, VectorSpec
from edgeshard.index.quantization.spec import Rows
from edgeshard.storage.dense import MatrixDense

ENGINES = [edgeshard, qdrant_edge]
DIM, COUNT = 24, 400
DISTANCES = ("Cosine", "Euclid", "Dot", "Manhattan")
SCORE_TOLERANCE = {"product": 1e-5, "turbo1": 2e-3, "turbo1.5": 2e-3, "turbo2": 0.1, "turbo4": 0.1, "turbo8": 2e-3}
"""Against the spread of the scores; 0 for other methods. Both engines round queries to integers for TurboQuant."""


def rows(count: int = COUNT + 10) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, DIM)).astype(np.float32)


def fill(
    mod: Any, path: Path, method: str, distance: str, *, multi: bool = False, threshold: int = 1, datatype: str = ""
) -> Any:
    params: dict[str, Any] = {"quantization_config": METHODS[method](mod)}
    if multi:
        params["multivector_config"] = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
    if datatype:
        params["datatype"] = getattr(mod.VectorStorageDatatype, datatype)
    vectors = {"": mod.EdgeVectorParams(DIM, getattr(mod.Distance, distance), **params)}
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=threshold)
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=vectors, optimizers=optimizers))
    data = rows()
    chosen = [data[i : i + 1 + i % 3].tolist() if multi else data[i].tolist() for i in range(COUNT)]
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(i, v, {}) for i, v in enumerate(chosen)]))
    return shard


def scores(mod: Any, shard: Any, query: Any, **params: Any) -> dict[int, float]:
    chosen = mod.SearchParams(hnsw_ef=2 * COUNT, quantization=mod.QuantizationSearchParams(**params))
    request = mod.QueryRequest(query=mod.Query.Nearest(query), limit=COUNT, params=chosen)
    return {point.id: point.score for point in shard.query(request)}


def assert_close(found: dict[int, float], expected: dict[int, float], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    spread = float(np.std(list(expected.values())))
    assert max(abs(found[i] - expected[i]) for i in found) <= tolerance * spread + 1e-6


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_codes_give_both_engines_the_same_scores(first: Any, method: str, distance: str, tmp_path: Path) -> None:
    second = edgeshard if first is qdrant_edge else qdrant_edge
    shard = fill(first, tmp_path / "shard", method, distance)
    shard.optimize()
    query = rows()[COUNT].tolist()
    expected = scores(first, shard, query, rescore=False)
    shard.close()
    assert list(tmp_path.glob("shard/segments/*/vector_storage/quantized.data"))
    shard = second.EdgeShard.load(str(tmp_path / "shard"))
    assert_close(scores(second, shard, query, rescore=False), expected, SCORE_TOLERANCE.get(method, 0))
    shard.close()


@pytest.mark.parametrize("method", ["scalar", "binary2", "turbo1", "turbo4"])
@pytest.mark.parametrize("distance", ["Cosine", "Euclid"])
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_multi_vectors(first: Any, method: str, distance: str, tmp_path: Path) -> None:
    second = edgeshard if first is qdrant_edge else qdrant_edge
    shard = fill(first, tmp_path / "shard", method, distance, multi=True)
    shard.optimize()
    query = rows()[COUNT : COUNT + 2].tolist()
    expected = scores(first, shard, query, rescore=False)
    shard.close()
    shard = second.EdgeShard.load(str(tmp_path / "shard"))
    assert_close(scores(second, shard, query, rescore=False), expected, SCORE_TOLERANCE.get(method, 0))
    shard.close()


@pytest.mark.parametrize("multi", [False, True], ids=["dense", "multi"])
@pytest.mark.parametrize("method", ["binary", "binary2", "turbo1", "turbo4", "turbo8"])
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_codes_of_appendable_segments_follow_changes(first: Any, method: str, multi: bool, tmp_path: Path) -> None:
    second = edgeshard if first is qdrant_edge else qdrant_edge
    shard = fill(first, tmp_path / "shard", method, "Dot", multi=multi, threshold=100_000)
    shard.close()
    data = rows()
    query = data[COUNT : COUNT + 2].tolist() if multi else data[COUNT].tolist()
    for mod in (second, first):
        shard = mod.EdgeShard.load(str(tmp_path / "shard"))
        vectors = [data[i + 5 : i + 7].tolist() if multi else data[i + 5].tolist() for i in range(8)]
        points = [mod.Point(i * 50, v, {}) for i, v in enumerate(vectors)]
        shard.update(mod.UpdateOperation.upsert_points(points))
        expected = scores(mod, shard, query, rescore=False)
        shard.close()
    shard = second.EdgeShard.load(str(tmp_path / "shard"))
    assert_close(scores(second, shard, query, rescore=False), expected, SCORE_TOLERANCE.get(method, 0))
    shard.close()


@pytest.mark.parametrize("datatype", ["Float16", "Uint8"])
@pytest.mark.parametrize("method", ["scalar", "binary", "turbo4"])
def test_other_element_types(method: str, datatype: str, tmp_path: Path) -> None:
    shard = fill(qdrant_edge, tmp_path / "shard", method, "Cosine", datatype=datatype)
    shard.optimize()
    query = rows()[COUNT].tolist()
    expected = scores(qdrant_edge, shard, query, rescore=False)
    shard.close()
    shard = edgeshard.EdgeShard.load(str(tmp_path / "shard"))
    assert_close(scores(edgeshard, shard, query, rescore=False), expected, SCORE_TOLERANCE.get(method, 0))
    shard.close()


@pytest.mark.parametrize("method", METHODS)
def test_encoding_again_gives_the_stored_bytes(method: str, tmp_path: Path) -> None:
    shard = fill(qdrant_edge, tmp_path / "shard", method, "Cosine")
    shard.optimize()
    shard.close()
    directory = next(tmp_path.glob("shard/segments/*/vector_storage/quantized.data")).parent
    codes = QuantizedVectors.open(directory, VectorSpec(DIM, 0))
    assert codes is not None
    source = Rows(MatrixDense.open(directory, DIM, np.float32), codes.spec, codes.method)
    encoded = np.concatenate([codes.description.codec.encode(block) for block, _ in source.blocks()])
    np.testing.assert_array_equal(encoded, codes.chunks()[0])


@pytest.mark.parametrize("method", ["scalar", "binary", "binary2", "turbo8"])
def test_both_engines_write_the_same_files(method: str, tmp_path: Path) -> None:
    found = {}
    for mod in ENGINES:
        shard = fill(mod, tmp_path / mod.__name__, method, "Euclid")
        shard.optimize()
        shard.close()
        directory = next(tmp_path.glob(f"{mod.__name__}/segments/*/vector_storage/quantized.data")).parent
        config, meta = (json.loads((directory / f"quantized.{n}.json").read_text()) for n in ("config", "meta"))
        stats = meta.pop("vector_stats", None)  # means are summed in another order
        found[mod] = (config, meta, stats is None, (directory / "quantized.data").read_bytes())
    assert found[edgeshard] == found[qdrant_edge]


def test_rescoring_follows_the_parameters(tmp_path: Path) -> None:
    query = rows()[COUNT].tolist()
    for method in ("scalar", "binary", "turbo2", "turbo4"):
        answers = {}
        for mod in ENGINES:
            shard = fill(mod, tmp_path / f"{mod.__name__}{method}", method, "Dot")
            shard.optimize()
            exact = scores(mod, shard, query, ignore=True)
            answers[mod] = [
                np.allclose(list(scores(mod, shard, query, **params).values()), list(exact.values()))
                for params in ({}, {"rescore": True}, {"rescore": False}, {"oversampling": 2.0})
            ]
            shard.close()
        assert answers[edgeshard] == answers[qdrant_edge], method


def test_a_shard_without_the_files_searches_the_originals(tmp_path: Path) -> None:
    shard = fill(qdrant_edge, tmp_path / "shard", "scalar", "Dot")
    shard.optimize()
    query = rows()[COUNT].tolist()
    expected = scores(qdrant_edge, shard, query, ignore=True)
    shard.close()
    files = list(tmp_path.glob("shard/segments/*/vector_storage/quantized*"))
    for file in files[1:]:
        file.unlink()
    with pytest.raises(edgeshard.CorruptedError):
        edgeshard.EdgeShard.load(str(tmp_path / "shard"))
    files[0].unlink()
    shard = edgeshard.EdgeShard.load(str(tmp_path / "shard"))
    assert_close(scores(edgeshard, shard, query), expected, 1e-5)
    shard.close()


@pytest.mark.parametrize("method", ["scalar", "product", "binary2", "turbo2", "turbo4", "turbo8"])
def test_graphs_walk_on_codes(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = fill(edgeshard, tmp_path / "shard", method, "Euclid")
    shard.optimize()
    query = rows()[COUNT].tolist()
    by_codes, originals = scores(edgeshard, shard, query, rescore=False), scores(edgeshard, shard, query, ignore=True)
    rescored = scores(edgeshard, shard, query, rescore=True, oversampling=2.0)
    default = scores(edgeshard, shard, query)
    monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_ROWS", 0)
    monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_SHARE", 0.0)
    assert_close(scores(edgeshard, shard, query), default, 1e-5)
    assert_close(scores(edgeshard, shard, query, rescore=False), by_codes, 1e-5)
    assert_close(scores(edgeshard, shard, query, rescore=True, oversampling=2.0), rescored, 1e-5)
    assert_close(scores(edgeshard, shard, query, ignore=True), originals, 1e-5)
    shard.close()


@pytest.mark.parametrize("multi", [False, True], ids=["dense", "multi"])
@pytest.mark.parametrize("datatype", ["Turbo4", "Turbo8"])
@pytest.mark.parametrize("first", ENGINES, ids=lambda mod: mod.__name__)
def test_codes_of_compressed_vectors(
    first: Any, datatype: str, multi: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = edgeshard if first is qdrant_edge else qdrant_edge
    for method in ("scalar", "turbo1", "turbo4"):
        shard = fill(first, tmp_path / method, method, "Dot", datatype=datatype, multi=multi)
        shard.optimize()
        query = rows()[COUNT : COUNT + 2].tolist() if multi else rows()[COUNT].tolist()
        expected = scores(first, shard, query, rescore=False)
        by_records = scores(first, shard, query, ignore=True)
        shard.close()
        shard = second.EdgeShard.load(str(tmp_path / method))
        tolerance = max(SCORE_TOLERANCE.get(method, 0), 1e-5)
        assert_close(scores(second, shard, query, rescore=False), expected, tolerance)
        monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_ROWS", 0)
        assert_close(scores(second, shard, query, ignore=True), by_records, 0.1 if datatype == "Turbo4" else 2e-3)
        shard.close()
        monkeypatch.undo()
