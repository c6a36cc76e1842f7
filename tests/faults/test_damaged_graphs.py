"""``verify`` tells graphs whose links were overwritten with others that can be read, and leaves sound ones in peace."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard
from edgeshard import EdgeShard
from edgeshard.segment.files import open_segment

DIM, POINTS = 24, 400


def rows_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    rows = rng.standard_normal((POINTS, DIM)).astype(np.float32)
    if kind == "clusters":
        rows = rows[rng.integers(0, 8, POINTS)] * 3 + rows * 0.3
    elif kind == "norms":  # hubs: most points are named by none
        rows *= rng.lognormal(0, 1, (POINTS, 1)).astype(np.float32)
    elif kind == "same":
        rows[:] = 1
    return rows


def make(
    mod: Any, path: Path, kind: str, distance: str, seed: int = 0, multi: bool = False, datatype: str = "Float32"
) -> Path:
    """A shard with one graph; its directory."""
    comparator = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim) if multi else None
    vectors = mod.EdgeVectorParams(
        size=DIM,
        distance=getattr(mod.Distance, distance),
        multivector_config=comparator,
        datatype=getattr(mod.VectorStorageDatatype, datatype),
    )
    config = mod.EdgeConfig(vectors=vectors, optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1))
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), config)
    shard.update(mod.UpdateOperation.create_field_index("k", mod.PayloadSchemaType.Keyword))
    rows = rows_of(kind, np.random.default_rng(seed)).tolist()
    points = [mod.Point(i, [row, row[::-1]] if multi else row, {"k": str(i % 5)}) for i, row in enumerate(rows)]
    shard.update(mod.UpdateOperation.upsert_points(points))
    shard.update(mod.UpdateOperation.delete_points(list(range(0, POINTS, 7))))
    shard.optimize()
    shard.close()
    (path / "edgeshard.checksums").unlink(missing_ok=True)
    (graph,) = path.glob("segments/*/vector_index")
    return graph


@pytest.mark.parametrize("mod", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
@pytest.mark.parametrize(
    ("kind", "distance"), [("any", "Cosine"), ("norms", "Dot"), ("clusters", "Dot"), ("same", "Euclid")]
)
def test_a_sound_graph(mod: Any, kind: str, distance: str, tmp_path: Path) -> None:
    make(mod, tmp_path / "shard", kind, distance)
    assert EdgeShard.check(tmp_path / "shard") == []


def test_a_sound_graph_of_multi_vectors(tmp_path: Path) -> None:
    make(edgeshard, tmp_path / "shard", "any", "Dot", multi=True)
    assert EdgeShard.check(tmp_path / "shard") == []


@pytest.mark.parametrize("length", [60, 500])
@pytest.mark.parametrize("mod", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def test_noise_in_the_links(mod: Any, length: int, tmp_path: Path) -> None:
    graph = make(mod, tmp_path / "shard", "any", "Dot")
    (file,) = graph.glob("links*.bin")
    good, rng = file.read_bytes(), np.random.default_rng(length)
    for at in rng.integers(100, len(good) // 2, 3).tolist():
        file.write_bytes(good[:at] + rng.bytes(length) + good[at + length :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = EdgeShard.check(tmp_path / "shard")
        assert found
        assert str(graph.name) in found[0]


def test_links_of_other_points(tmp_path: Path) -> None:
    """Whole lists that are sound in themselves, but of a graph of other vectors."""
    graph = make(edgeshard, tmp_path / "shard", "any", "Cosine")
    other = make(edgeshard, tmp_path / "other", "any", "Cosine", seed=1)
    (links,), (wrong,) = graph.glob("links*.bin"), other.glob("links*.bin")
    links.write_bytes(wrong.read_bytes())
    found = EdgeShard.check(tmp_path / "shard")
    assert found


@pytest.mark.parametrize("change", ["level", "point", "count"])
def test_entry_points_and_counts(change: str, tmp_path: Path) -> None:
    graph = make(edgeshard, tmp_path / "shard", "any", "Cosine")
    header = bytearray((graph / "graph.bin").read_bytes())
    if change == "level":
        header[36] ^= 1
    elif change == "point":
        header[32:36] = (0 if int.from_bytes(header[32:36], "little") else 1).to_bytes(4, "little")
    else:
        text = (graph / "hnsw_config.json").read_text()
        assert '"indexed_vector_count":342' in text
        (graph / "hnsw_config.json").write_text(text.replace("342", "341"))
    (graph / "graph.bin").write_bytes(header)
    found = EdgeShard.check(tmp_path / "shard")
    assert len(found) == 1
    assert ("made of 341" if change == "count" else "entry point") in found[0]


def test_a_repair_builds_a_damaged_graph_anew(tmp_path: Path) -> None:
    graph = make(qdrant_edge, tmp_path / "shard", "any", "Dot")
    (file,) = graph.glob("links*.bin")
    good = file.read_bytes()
    file.write_bytes(good[:200] + np.random.default_rng(1).bytes(600) + good[800:])
    assert EdgeShard.check(tmp_path / "shard")
    done = EdgeShard.repair(tmp_path / "shard")
    assert any("vector_index" in line and "set aside" in line for line in done)
    assert not [line for line in done if line.startswith("still wrong")]
    assert EdgeShard.check(tmp_path / "shard") == []
    with EdgeShard.load(tmp_path / "shard") as shard:
        assert shard.count(edgeshard.CountRequest()) == POINTS - len(range(0, POINTS, 7))
        query = edgeshard.Query.Nearest([1.0] * DIM)
        hits = [shard.query(edgeshard.QueryRequest(query=query, limit=10, params=params))
                for params in (edgeshard.SearchParams(exact=True), None)]  # fmt: skip
        assert {hit.id for hit in hits[0]} == {hit.id for hit in hits[1]}


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("datatype", ["Float32", "Turbo8"])
def test_a_graph_that_does_not_open_is_told_and_built_anew(datatype: str, multi: bool, tmp_path: Path) -> None:
    graph = make(edgeshard, tmp_path / "shard", "any", "Dot", multi=multi, datatype=datatype)
    (file,) = graph.glob("links*.bin")
    good = file.read_bytes()
    file.write_bytes(bytes([255] * 8) + good[8:])
    found = EdgeShard.check(tmp_path / "shard")
    assert len(found) == 1
    assert file.name in found[0]
    with EdgeShard.load(tmp_path / "shard") as shard:
        with pytest.warns(RuntimeWarning, match="until the next optimize"):
            assert shard.optimize()
        assert shard.verify() == []
        assert not shard.optimize()


@pytest.mark.parametrize("damage", ["header", "gone"])
def test_a_repair_builds_a_graph_that_does_not_open(damage: str, tmp_path: Path) -> None:
    graph = make(edgeshard, tmp_path / "shard", "any", "Dot")
    if damage == "header":
        (graph / "graph.bin").write_bytes(b"nothing")
    else:
        shutil.rmtree(graph)
    assert EdgeShard.check(tmp_path / "shard")
    assert EdgeShard.repair(tmp_path / "shard")
    assert EdgeShard.check(tmp_path / "shard") == []
    with EdgeShard.load(tmp_path / "shard") as shard:
        assert shard.info().indexed_vectors_count > 0


@pytest.mark.parametrize("distance", ["Euclid", "Manhattan", "Cosine", "Dot"])
def test_sound_graphs_of_points_with_few_rows_and_many(distance: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(
            DIM,
            getattr(edgeshard.Distance, distance),
            multivector_config=edgeshard.MultiVectorConfig(edgeshard.MultiVectorComparator.MaxSim),
        ),
        optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1),
        hnsw_config=edgeshard.HnswIndexConfig(16, 100, 1),
    )
    for count in (36, 300):
        path = tmp_path / str(count)
        sizes = rng.choice([1, 2, 4, 7], count).tolist()
        vectors = [(rng.normal(size=(size, DIM)) + rng.choice([0, 9])).tolist() for size in sizes]
        with EdgeShard.create(path, config) as shard:
            points = [edgeshard.Point(number, vector, {}) for number, vector in enumerate(vectors)]
            shard.update(edgeshard.UpdateOperation.upsert_points(points))
            assert shard.optimize()
        assert EdgeShard.check(path) == []


def test_entry_points_of_blocks_are_below_the_top_of_the_graph(tmp_path: Path) -> None:
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(DIM, edgeshard.Distance.Euclid),
        optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1),
        hnsw_config=edgeshard.HnswIndexConfig(4, 16, 1),
    )
    rows = np.random.default_rng(5).normal(size=(400, DIM))
    with EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(edgeshard.UpdateOperation.create_field_index("k", edgeshard.PayloadSchemaType.Integer))
        points = [edgeshard.Point(number, row, {"k": number % 8}) for number, row in enumerate(rows)]
        shard.update(edgeshard.UpdateOperation.upsert_points(points))
        assert shard.optimize()
    (segment,) = [path for path in (tmp_path / "shard" / "segments").iterdir() if (path / "vector_index").is_dir()]
    links = open_segment(segment, read_only=True).fields[""].graph.load().links_table
    assert any(level == 0 and len(links.links(point, 1)) for point, level in links.entries[1:])
    assert EdgeShard.check(tmp_path / "shard") == []


@pytest.mark.parametrize(("distance", "multi"), [("Dot", False), ("Dot", True), ("Cosine", True), ("Cosine", False)])
def test_graphs_that_qdrant_edge_carried_over(distance: str, multi: bool, tmp_path: Path) -> None:
    """Lists that it takes over from an older graph name points twice where nearness is not mutual."""
    comparator = qdrant_edge.MultiVectorConfig(qdrant_edge.MultiVectorComparator.MaxSim) if multi else None
    params = qdrant_edge.EdgeVectorParams(8, getattr(qdrant_edge.Distance, distance), multivector_config=comparator)
    optimizers = qdrant_edge.EdgeOptimizersConfig(
        indexing_threshold=2, deleted_threshold=0.2, vacuum_min_vector_number=10, default_segment_number=2
    )
    config = qdrant_edge.EdgeConfig(vectors=params, optimizers=optimizers)
    shard = qdrant_edge.EdgeShard.create(str(tmp_path / "shard"), config)
    ops, rng = qdrant_edge.UpdateOperation, np.random.default_rng(17)
    for ids in (range(200), rng.integers(0, 300, 60).tolist()):
        rows = {i: rng.integers(0, 255, (rng.integers(1, 4), 8) if multi else 8).astype(float).tolist() for i in ids}
        shard.update(ops.upsert_points([qdrant_edge.Point(i, row) for i, row in rows.items()]))
        assert shard.optimize()
    shard.close()
    assert not [line for line in EdgeShard.check(tmp_path / "shard") if "twice" in line]
