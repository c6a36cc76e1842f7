"""What qdrant-edge leaves when it is killed between two flushes opens here as it was, even where it does not there.

A kill is a copy of the directory: what a process has written is there whether it lives or not.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard as es

OPS = qdrant_edge.UpdateOperation
Rows = dict[Any, Any]


def multi_shard(path: Path, datatype: str, *, codes: bool = False, wal: bool | None = None) -> Any:
    path.mkdir()
    params = qdrant_edge.EdgeVectorParams(
        4,
        qdrant_edge.Distance.Dot,
        datatype=getattr(qdrant_edge.VectorStorageDatatype, datatype),
        multivector_config=qdrant_edge.MultiVectorConfig(qdrant_edge.MultiVectorComparator.MaxSim),
        quantization_config=qdrant_edge.BinaryQuantizationConfig() if codes else None,
    )
    return qdrant_edge.EdgeShard.create(str(path), qdrant_edge.EdgeConfig(vectors=params, wal_enabled=wal))


def put(shard: Any, number: int, value: float, rows: int) -> None:
    vector = [[value + row, 1.0, -2.0, 3.0] for row in range(rows)]
    shard.update(OPS.upsert_points([qdrant_edge.Point(number, vector, {"rows": rows})]))


def grow(shard: Any) -> None:
    """Points of which some grow after a flush, with a new one between: its rows are not where 0.9.0 replays them to."""
    put(shard, 0, 10.0, 2)
    put(shard, 1, 20.0, 2)
    shard.flush()
    put(shard, 0, 30.0, 3)
    put(shard, 5, 50.0, 3)
    put(shard, 0, 70.0, 5)
    put(shard, 6, 90.0, 2)


def contents(mod: Any, shard: Any) -> Rows:
    records, _ = shard.scroll(mod.ScrollRequest(limit=100, with_vector=True, with_payload=True))
    return {record.id: (record.vector, record.payload) for record in records}


def killed(path: Path) -> Path:
    return Path(shutil.copytree(path, path.with_name("killed")))


def assert_same(found: Rows, expected: Rows) -> None:
    assert found.keys() == expected.keys()
    for point, (vector, payload) in expected.items():
        assert found[point][1] == payload
        np.testing.assert_allclose(found[point][0], vector, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("datatype", "codes"), [("Turbo4", False), ("Turbo8", True), ("Turbo16", False), ("Float32", True)]
)
@pytest.mark.filterwarnings("ignore:.*the codes of the points from it on are made anew")
def test_multi_vectors_that_grew(datatype: str, codes: bool, tmp_path: Path) -> None:
    shard = multi_shard(tmp_path / "shard", datatype, codes=codes)
    grow(shard)
    live, copy = contents(qdrant_edge, shard), killed(tmp_path / "shard")
    query = [[1.0, 1.0, 1.0, 1.0]]
    with es.EdgeShard.load(copy) as again:
        assert_same(contents(es, again), live)
        hits = again.query(es.QueryRequest(query=es.Query.Nearest(query), limit=9))
        assert {hit.id for hit in hits} == live.keys()
    assert es.EdgeShard.check(copy) == []
    assert_same(contents(qdrant_edge, qdrant_edge.EdgeShard.load(str(copy))), live)


def test_multi_vectors_that_grew_without_a_log(tmp_path: Path) -> None:
    shard = multi_shard(tmp_path / "shard", "Turbo16", wal=False)
    grow(shard)
    live, copy = contents(qdrant_edge, shard), killed(tmp_path / "shard")
    with pytest.warns(RuntimeWarning, match="1 points, as 0, refer to rows that are not counted"):
        again = es.EdgeShard.load(copy)
    assert_same(contents(es, again), {point: (live[point][0], {"rows": 2}) for point in (0, 1)})
    put_again = es.UpdateOperation.upsert_points([es.Point(9, [[9.0, 9.0, 9.0, 9.0]], {})])
    again.update(put_again)
    again.close()
    with es.EdgeShard.load(copy) as again:
        np.testing.assert_allclose(contents(es, again)[0][0], live[0][0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("damage", ["beyond", "inside", "overlap", "missing"])
def test_entries_that_no_kill_leaves_are_damage(damage: str, tmp_path: Path) -> None:
    with es.EdgeShard.create(
        tmp_path / "shard",
        es.EdgeConfig(
            vectors=es.EdgeVectorParams(
                4,
                es.Distance.Dot,
                datatype=es.VectorStorageDatatype.Turbo8,
                multivector_config=es.MultiVectorConfig(es.MultiVectorComparator.MaxSim),
            )
        ),
    ) as shard:
        points = [es.Point(i, [[float(i), 1.0, 2.0, 3.0]] * 2, {}) for i in range(3)]
        shard.update(es.UpdateOperation.upsert_points(points))
    (file,) = tmp_path.glob("shard/segments/*/vector_storage/tq_offsets/chunk_0.mmap")
    entries = np.memmap(file, "<u4", "r+", shape=(3, 3))
    entries[0, 0] = {"beyond": 100, "inside": 5, "overlap": 6, "missing": 1 << 31}[damage]
    if damage == "overlap":
        entries[1, 0] = 7
    entries.flush()
    (tmp_path / "shard" / "edgeshard.checksums").unlink()
    with pytest.raises(es.CorruptedError, match=r"rows|there should be") as refused:
        es.EdgeShard.load(tmp_path / "shard")
    assert damage == "missing" or Path(refused.value.path) == file.parent


class Named:
    """A shard of qdrant-edge with a vector name `a`, which logs what it is told and is then killed."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        params = qdrant_edge.EdgeVectorParams(2, qdrant_edge.Distance.Dot)
        self.path = path
        self.shard = qdrant_edge.EdgeShard.create(str(path), qdrant_edge.EdgeConfig(vectors={"a": params}))

    def put(self, number: int, *names: str) -> None:
        point = qdrant_edge.Point(number, {name: [float(number), 1.0] for name in names}, {"n": number})
        self.shard.update(OPS.upsert_points([point]))

    def create(self, name: str) -> None:
        self.shard.update(OPS.create_dense_vector(name, 2, qdrant_edge.Distance.Dot))

    def delete(self, name: str) -> None:
        self.shard.update(OPS.delete_vector_name(name))

    def after_a_kill(self) -> Rows:
        with es.EdgeShard.load(killed(self.path)) as again:
            return contents(es, again)


def name_of_the_config(shard: Named) -> None:
    shard.put(1, "a")
    shard.delete("a")


def name_that_was_flushed(shard: Named) -> None:
    shard.create("x")
    shard.shard.flush()
    for number, names in enumerate(["ax", "x", "a", "x"]):
        shard.put(number, *names)
    shard.delete("x")


def name_created_anew(shard: Named) -> None:
    shard.create("x")
    shard.shard.flush()
    shard.put(1, "x")
    shard.delete("x")
    shard.create("x")
    shard.put(2, "x")


def point_that_loses_its_other_vectors(shard: Named) -> None:
    shard.create("x")
    shard.put(1, "a", "x")
    shard.shard.flush()
    shard.put(1, "x")
    shard.delete("x")


@pytest.mark.filterwarnings("ignore:.*what the log does not bring back is lost")
@pytest.mark.parametrize(
    "life", [name_of_the_config, name_that_was_flushed, name_created_anew, point_that_loses_its_other_vectors]
)
def test_points_of_a_name_that_was_deleted_later(life: Any, tmp_path: Path) -> None:
    shard = Named(tmp_path / "shard")
    life(shard)
    assert shard.after_a_kill() == contents(qdrant_edge, shard.shard)


def test_a_point_whose_names_never_were_stays_refused(tmp_path: Path) -> None:
    shard = Named(tmp_path / "shard")
    shard.put(1, "a")
    for number in (1, 2):
        with pytest.raises(Exception, match="Not existing vector name"):
            shard.put(number, "typo")
    shard.create("b")
    shard.put(3, "b")
    shard.delete("b")
    assert shard.after_a_kill() == contents(qdrant_edge, shard.shard)


@pytest.mark.filterwarnings("ignore:.*what the log does not bring back is lost")
def test_the_first_record_after_an_empty_shard_was_closed(tmp_path: Path) -> None:
    """0.9.0 acknowledges record 0 before there is one; a new name writes a version to the segment, but no points."""
    shard = Named(tmp_path / "shard")
    shard.shard.close()
    shard.shard = qdrant_edge.EdgeShard.load(str(shard.path))
    for number in range(3):
        shard.put(number, "a")
    shard.create("x")
    assert shard.after_a_kill() == contents(qdrant_edge, shard.shard)
