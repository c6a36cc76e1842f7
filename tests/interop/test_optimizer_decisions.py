"""Random histories carried out by both engines: the same optimisations are done, and leave the same segments.

Thresholds of size lie far from all sizes: edgeshard measures the points that exist, the other engine deleted ones too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard

ENGINES = (edgeshard, qdrant_edge)
NEVER_KB = 1_000_000
CHANGES: dict[str, tuple[Any, ...]] = {
    "m": (16, 16, 8),
    "full_scan_threshold": (10_000, 5_000),
    "payload_m": (None, 4),
    "on_disk": (None, True, False),
    "quantization": (None, "scalar", "binary"),
    "payload": (None, "Cold", "Cached"),
    "vectors": (None, "Cold", "Cached", "Pinned"),
    "links": (None, "Cold", "Cached", "Pinned"),
    "lists": (None, "Cold", "Cached", "Pinned"),
}
"""What a shard may be loaded with."""


class Shape:
    """What a history is about: kinds of vectors and settings of the optimisers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.dim = int(rng.choice([128, 256]))
        self.multi, self.second, self.sparse = (bool(rng.random() < share) for share in (0.2, 0.3, 0.3))
        self.datatype = rng.choice(["Float32", "Float32", "Float16", "Uint8"])
        self.optimizers = {
            "deleted_threshold": rng.choice([None, 0.1, 0.3]),
            "vacuum_min_vector_number": rng.choice([None, 50, 200]),
            "default_segment_number": rng.choice([None, 1, 2, 4]),
            "indexing_threshold": rng.choice([1, 1, 0, NEVER_KB]),
        }

    def config(self, mod: Any, change: dict[str, Any]) -> Any:
        """Settings with some of :data:`CHANGES` made."""
        extra: dict[str, Any] = {"on_disk": change.get("on_disk")}
        if self.multi:
            extra["multivector_config"] = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
        if change.get("quantization") == "scalar":
            extra["quantization_config"] = mod.ScalarQuantizationConfig(mod.ScalarType.Int8)
        if change.get("quantization") == "binary":
            extra["quantization_config"] = mod.BinaryQuantizationConfig()
        extra["datatype"] = getattr(mod.VectorStorageDatatype, self.datatype)
        names = ("", "second") if self.second else ("",)
        vectors = {name: mod.EdgeVectorParams(self.dim, mod.Distance.Dot, **extra) for name in names}
        payload, rows, links, lists = (
            None if change.get(what) is None else getattr(mod.Memory, change[what])
            for what in ("payload", "vectors", "links", "lists")
        )
        extra["memory"] = rows
        optimizers = {
            key: None if value is None else float(value) if key == "deleted_threshold" else int(value)
            for key, value in self.optimizers.items()
        }
        return mod.EdgeConfig(
            vectors=vectors,
            sparse_vectors={"words": mod.EdgeSparseVectorParams(memory=lists)} if self.sparse else None,
            hnsw_config=mod.HnswIndexConfig(
                change.get("m", 16),
                100,
                change.get("full_scan_threshold", 10_000),
                payload_m=change.get("payload_m"),
                memory=links,
            ),
            optimizers=mod.EdgeOptimizersConfig(**optimizers),
            payload_memory=payload,
        )

    def point(self, mod: Any, number: int, rng: np.random.Generator) -> Any:
        """A point with some of the vectors."""
        row = rng.integers(0, 9, self.dim).astype(float).tolist()
        vectors: dict[str, Any] = {"": [row] * int(rng.integers(1, 4)) if self.multi else row}
        if self.second and rng.random() < 0.5:
            vectors["second"] = vectors[""]
        if self.sparse and rng.random() < 0.5:
            vectors["words"] = mod.SparseVector([number % 7, 9], [1.0, 2.0])
        return mod.Point(number, vectors, {"n": number})


def steps(shape: Shape, rng: np.random.Generator, length: int) -> list[tuple[str, Any]]:
    """Random operations on points that exist."""
    found: list[tuple[str, Any]] = []
    alive, following = np.zeros(0, np.int64), 0
    for _ in range(length):
        kind = str(rng.choice(["insert", "insert", "delete", "replace", "forget", "load", "optimize", "optimize"]))
        some = rng.choice(alive, int(len(alive) * rng.choice([0.05, 0.15, 0.25, 0.5])), replace=False)
        if kind == "insert":
            new = np.arange(following, following + int(rng.choice([150, 400])))
            alive, following = np.concatenate([alive, new]), following + len(new)
            found.append(("insert", new))
        elif kind == "load":
            chosen = {key: values[rng.integers(len(values))] for key, values in CHANGES.items() if rng.random() < 0.5}
            found.append(("load", chosen))
        elif kind == "optimize":
            found.append((kind, None))
        elif len(some) and (kind != "forget" or shape.second):
            alive = np.setdiff1d(alive, some) if kind == "delete" else alive
            found.append(("insert" if kind == "replace" else kind, some))
    return [*found, ("optimize", None)]


def segments(path: Path) -> list[str]:
    """What each segment is made of."""
    result = []
    for file in path.glob("segments/*/segment.json"):
        config = json.loads(file.read_text())["config"]
        dense = [
            (name, one["index"]["type"], one["storage_type"], one.get("quantization_config") is not None)
            for name, one in sorted(config["vector_data"].items())
        ]
        sparse = [(name, one["index"]["index_type"]) for name, one in config.get("sparse_vector_data", {}).items()]
        result.append(f"{dense} {sparse} {config['payload_storage_type']}")
    return sorted(result)


def outcomes(mod: Any, path: Path, seed: int, length: int) -> list[Any]:
    """What every optimisation of a history says and leaves."""
    rng = np.random.default_rng(seed)
    shape = Shape(rng)
    found: list[Any] = []
    shard = mod.EdgeShard.create(str(path), shape.config(mod, {}))
    for kind, what in steps(shape, rng, length):
        if kind == "load":
            shard.close()
            shard = mod.EdgeShard.load(str(path), shape.config(mod, what))
        elif kind == "insert":
            points = [shape.point(mod, int(number), np.random.default_rng([seed, int(number)])) for number in what]
            shard.update(mod.UpdateOperation.upsert_points(points))
        elif kind == "delete":
            shard.update(mod.UpdateOperation.delete_points(what.tolist()))
        elif kind == "forget":
            shard.update(mod.UpdateOperation.delete_vectors(what.tolist(), ["second"]))
        else:
            done = shard.optimize()
            shard.flush()  # until then the other engine keeps the directories of segments that are gone
            info = shard.info()
            found.append((done, info.segments_count, info.points_count, segments(path)))
    shard.close()
    return found


def compare(path: Path, seeds: range, length: int) -> None:
    for seed in seeds:
        ours, theirs = (outcomes(mod, path / f"{mod.__name__}-{seed}", seed, length) for mod in ENGINES)
        assert ours == theirs, f"seed {seed}"


def test_random_histories(tmp_path: Path) -> None:
    compare(tmp_path, range(3), 8)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_many_random_histories(part: int, tmp_path: Path) -> None:
    compare(tmp_path, range(100 + part * 20, 120 + part * 20), 25)


@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
def test_an_empty_shard_is_made_anew_in_another_form(mod: Any, tmp_path: Path) -> None:
    shape = Shape(np.random.default_rng(0))
    mod.EdgeShard.create(str(tmp_path / "shard"), shape.config(mod, {})).close()
    shard = mod.EdgeShard.load(str(tmp_path / "shard"), shape.config(mod, {"on_disk": True, "payload": "Cached"}))
    assert shard.optimize() is False  # no point was touched
    shard.update(mod.UpdateOperation.upsert_points([shape.point(mod, 1, np.random.default_rng(1))]))
    shard.close()
    assert [("ChunkedMmap" in one, "in_ram_mmap" in one) for one in segments(tmp_path / "shard")] == [(True, True)]


@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
@pytest.mark.parametrize(
    ("kind", "least"), [("dense", 200), ("half", 400), ("multi", 50), ("compressed", 1423), ("sparse", 100)]
)
def test_how_much_gets_an_index(mod: Any, kind: str, least: int, tmp_path: Path) -> None:
    """The number of points from which the threshold of 50 KB is reached; of 64 floats, or 4 such rows, or 43 words."""
    params: dict[str, Any] = {}
    if kind == "half":
        params["datatype"] = mod.VectorStorageDatatype.Float16
    if kind == "compressed":
        params["datatype"] = mod.VectorStorageDatatype.Turbo4
    if kind == "multi":
        params["multivector_config"] = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
    size = 1 if kind == "sparse" else 64
    row = [1.0] * size
    words = mod.SparseVector(list(range(43)), [1.0] * 43)
    vector: Any = [row] * 4 if kind == "multi" else {"words": words} if kind == "sparse" else row
    config = mod.EdgeConfig(
        vectors=mod.EdgeVectorParams(size, mod.Distance.Dot, **params),
        sparse_vectors={"words": mod.EdgeSparseVectorParams()},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=50),
    )
    for count in (least - 1, least):
        path = tmp_path / str(count)
        shard = mod.EdgeShard.create(str(path), config)
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(n, vector, {}) for n in range(count)]))
        assert shard.optimize() is (count == least)
        shard.close()
