"""Graphs with ``m`` 0, as shards of many tenants have them: only points of one tenant are linked, others not at all."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard
from edgeshard import EdgeShard

DIM, POINTS = 8, 400
ENGINES = pytest.mark.parametrize("mod", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)


def make(mod: Any, path: Path, payload_m: int | None, *, inline: bool = False) -> Path:
    """A shard with such a graph, in which every tenth point is of no tenant; the directory of the graph."""
    codes = mod.ScalarQuantizationConfig(mod.ScalarType.Int8) if inline else None
    config = mod.EdgeConfig(
        vectors=mod.EdgeVectorParams(DIM, mod.Distance.Cosine, quantization_config=codes),
        hnsw_config=mod.HnswIndexConfig(0, 32, 1, payload_m=payload_m, inline_storage=inline),
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1),
    )
    shard = mod.EdgeShard.create(str(path), config)
    ops = mod.UpdateOperation
    shard.update(ops.create_field_index("tenant", mod.KeywordIndexParams(is_tenant=True)))
    rows = np.random.default_rng(3).normal(size=(POINTS, DIM)).astype(np.float32)
    points = [mod.Point(i, row, {"tenant": f"t{i % 3}"} if i % 10 else {}) for i, row in enumerate(rows)]
    shard.update(ops.upsert_points(points))
    shard.optimize()
    shard.update(ops.delete_points([5, 6, 7]))
    shard.close()
    (graph,) = path.glob("segments/*/vector_index")
    return graph


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("payload_m", [None, 8])
@ENGINES
def test_they_are_sound(
    mod: Any, payload_m: int | None, inline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were said to leave points out, a repair set them aside, and the new ones were said to do so again; with
    vectors inside, and without blocks, those of 0.9.0 were not opened at all."""
    make(mod, tmp_path / "shard", payload_m, inline=inline)
    assert EdgeShard.check(tmp_path / "shard") == []
    assert EdgeShard.repair(tmp_path / "shard") == []
    for name in ("SCAN_ROWS", "SCAN_SHARE"):
        monkeypatch.setattr(f"edgeshard.segment.graph_field.{name}", 0)
    tenant = edgeshard.FieldCondition("tenant", match=edgeshard.MatchValue("t1"))
    row = [1.0, *[0.5] * (DIM - 1)]
    with EdgeShard.load(tmp_path / "shard", verify="full") as shard, warnings.catch_warnings():
        warnings.simplefilter("error")
        for filter in (None, edgeshard.Filter(must=[tenant])):
            found = [
                [hit.id for hit in shard.query(edgeshard.QueryRequest(10, query=query, filter=filter, params=params))]
                for query in [edgeshard.Query.Nearest(row)]
                for params in (edgeshard.SearchParams(exact=True), edgeshard.SearchParams(hnsw_ef=POINTS))
            ]
            assert found[0] == found[1]
        assert not shard.optimize()  # nothing is to be mended


@ENGINES
def test_noise_is_still_told(mod: Any, tmp_path: Path) -> None:
    graph = make(mod, tmp_path / "shard", 8)
    (file,) = graph.glob("links*.bin")
    data, rng = bytearray(file.read_bytes()), np.random.default_rng(1)
    middle = len(data) // 3
    data[middle : middle + 400] = rng.bytes(400)
    file.write_bytes(data)
    (tmp_path / "shard" / "edgeshard.checksums").unlink(missing_ok=True)
    assert any("vector_index" in line for line in EdgeShard.check(tmp_path / "shard"))
