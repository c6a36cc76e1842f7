"""Codes of optimised segments stay on the disk: found at the next load, never in the way of anything else."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge
from quantization_methods import METHODS

import edgeshard as es
from edgeshard import _native
from edgeshard.index import kept_codes
from edgeshard.index.codes_budget import BUDGET
from edgeshard.segment import graph_field

DIM, POINTS = 32, 3000
ROWS = np.random.default_rng(1).normal(size=(POINTS, DIM)).astype(np.float32)


@pytest.fixture(autouse=True)
def _walk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(graph_field, "SCAN_ROWS", 0)
    gc.collect()
    yield
    es.options.codes_limit_bytes = None
    es.options.keep_codes = True


def make(path: Path, method: str | None = None, memory: es.Memory | None = None, points: int = POINTS) -> es.EdgeShard:
    quantization = METHODS[method](es) if method else None
    params = es.EdgeVectorParams(DIM, es.Distance.Dot, memory=memory, quantization_config=quantization)
    config = es.EdgeConfig(
        vectors=params,
        hnsw_config=es.HnswIndexConfig(16, 100, 1),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = es.EdgeShard.create(path, config)
    shard.update(es.UpdateOperation.upsert_batch(np.arange(points, dtype=np.uint64), ROWS[:points]))
    shard.optimize()
    return shard


def kept(path: Path) -> list[Path]:
    return sorted((path / kept_codes.NAME).glob("*/*"))


def search(shard: Any) -> list[Any]:
    """An approximate answer and an exact one."""
    near = shard.query_arrays(ROWS[7], limit=10)
    exact = shard.query_arrays(ROWS[7], limit=10, params=es.SearchParams(exact=True))
    return [part.tolist() for part in (*near, *exact)]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is derived from vectors or records from now on."""
    made: list[str] = []
    original = graph_field.make_walk_codes
    monkeypatch.setattr(graph_field, "make_walk_codes", lambda *a: made.append("records") or original(*a))  # type: ignore[func-returns-value]

    class Codes(_native.Codes8):
        def __init__(self, dim: int) -> None:
            made.append("bytes")
            super().__init__(dim)

    monkeypatch.setattr("edgeshard.index.flat._native.Codes8", Codes)
    return made


@pytest.mark.parametrize("method", [None, "scalar", "binary", "turbo4", "turbo1"])
def test_searches_after_a_load_build_nothing(method: str | None, tmp_path: Path, built: list[str]) -> None:
    with make(tmp_path / "s", method) as shard:
        assert [path.suffix for path in kept(tmp_path / "s")] == [".bytes" if method is None else ".records"]
        expected = search(shard)
    del shard
    gc.collect()
    built.clear()
    held = BUDGET.held_bytes
    with es.EdgeShard.load(tmp_path / "s") as shard:
        assert search(shard) == expected
        assert built == []
        assert BUDGET.held_bytes > held


def test_readers_use_them_and_write_none(tmp_path: Path, built: list[str]) -> None:
    make(tmp_path / "s").close()
    built.clear()
    before = {path: path.stat().st_mtime_ns for path in kept(tmp_path / "s")}
    with es.EdgeShard.load(tmp_path / "s", read_only=True) as reader:
        expected = search(reader)
        assert built == []
    assert {path: path.stat().st_mtime_ns for path in kept(tmp_path / "s")} == before
    shutil.rmtree(tmp_path / "s" / kept_codes.NAME)
    with es.EdgeShard.load(tmp_path / "s", read_only=True) as reader:
        for _ in range(100):
            assert search(reader) == expected
        assert "bytes" in built
    assert kept(tmp_path / "s") == []


def test_damaged_and_missing_codes_are_made_anew(tmp_path: Path, built: list[str]) -> None:
    with make(tmp_path / "s") as shard:
        expected = search(shard)
    (path,) = kept(tmp_path / "s")
    whole, whole_source = path.read_bytes(), kept_codes.read(path)[0].source
    for content in (b"", whole[:-5000], whole[:9000] + b"?" + whole[9001:], None):
        path.unlink() if content is None else path.write_bytes(content)
        built.clear()
        with es.EdgeShard.load(tmp_path / "s") as shard:
            for _ in range(80):
                assert search(shard) == expected
        assert built == ["bytes"]
        assert kept_codes.read(path)[0].source == whole_source


@pytest.mark.parametrize("method", [None, "scalar"])
@pytest.mark.parametrize("damage", [False, True], ids=["sound", "damaged"])
def test_first_searches_walk_on_vectors_while_codes_are_checked(
    method: str | None, damage: bool, tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make(tmp_path / "s", method) as shard:
        expected = search(shard)
    (path,) = kept(tmp_path / "s")
    if damage:
        data = bytearray(path.read_bytes())
        data[-5000] ^= 1
        path.write_bytes(data)
    monkeypatch.setattr(kept_codes, "PART_BYTES", path.stat().st_size // 5)
    built.clear()
    with es.EdgeShard.load(tmp_path / "s") as shard:
        (graph,) = (one.fields[""].graph for one in shard._store.segments if not one.appendable)
        used = []
        for _ in range(8):
            shard.query_arrays(ROWS[7], limit=10)
            used.append(graph._coded)
        assert used == [False] * 8 if damage else [False] * 4 + [True] * 4
        assert built == []
        for _ in range(70):
            shard.query_arrays(ROWS[7], limit=10)
        assert (built != []) is damage
        assert search(shard) == expected


def test_check_and_repair_know_them(tmp_path: Path) -> None:
    make(tmp_path / "s").close()
    (path,) = kept(tmp_path / "s")
    assert es.EdgeShard.check(tmp_path / "s") == []
    path.write_bytes(path.read_bytes()[:-5000])
    assert [line for line in es.EdgeShard.check(tmp_path / "s") if "checksum" not in line] == []
    assert len(es.EdgeShard.check(tmp_path / "s")) == 1
    assert len(es.EdgeShard.repair(tmp_path / "s")) == 1
    assert not path.exists()
    assert es.EdgeShard.check(tmp_path / "s") == []


def test_they_go_with_their_segment(tmp_path: Path) -> None:
    with make(tmp_path / "s") as shard:
        (before,) = kept(tmp_path / "s")
        shard.update(es.UpdateOperation.upsert_batch(np.arange(POINTS, 2 * POINTS, dtype=np.uint64), ROWS))
        shard.optimize()
        names = {segment.name for segment in shard._store.segments}
        assert not before.exists()
        assert {path.parent.name for path in kept(tmp_path / "s")} <= names
    (tmp_path / "s" / kept_codes.NAME / "segment_builder_abc").mkdir()
    with es.EdgeShard.load(tmp_path / "s") as shard:
        assert len(list((tmp_path / "s" / kept_codes.NAME).iterdir())) == len(kept(tmp_path / "s"))


def test_a_cancelled_optimize_leaves_none(tmp_path: Path) -> None:
    shard = make(tmp_path / "s", points=0)
    shard.update(es.UpdateOperation.upsert_batch(np.arange(POINTS, dtype=np.uint64), ROWS))
    steps: list[str] = []
    with pytest.raises(es.CancelledError):
        shard.optimize(on_progress=lambda step, share: steps.append(step), cancel=lambda: "graph" in steps)
    assert kept(tmp_path / "s") == []
    shard.close()


@pytest.mark.parametrize("method", [None, "scalar"])
def test_cold_vectors_have_none_unless_asked(method: str | None, tmp_path: Path) -> None:
    make(tmp_path / "cold", method, es.Memory.Cold).close()
    assert kept(tmp_path / "cold") == []
    es.options.codes_for_cold_vectors = True
    try:
        make(tmp_path / "asked", method, es.Memory.Cold).close()
    finally:
        es.options.codes_for_cold_vectors = False
    assert len(kept(tmp_path / "asked")) == 1
    held = BUDGET.held_bytes
    with es.EdgeShard.load(tmp_path / "asked") as shard:
        search(shard)
        assert BUDGET.held_bytes == held


def test_they_can_be_switched_off_and_count_against_the_limit(tmp_path: Path) -> None:
    es.options.keep_codes = False
    make(tmp_path / "off").close()
    assert kept(tmp_path / "off") == []
    es.options.keep_codes = True
    make(tmp_path / "s").close()
    es.options.codes_limit_bytes = held = BUDGET.held_bytes
    with es.EdgeShard.load(tmp_path / "s") as shard:
        search(shard)
        assert BUDGET.held_bytes == held


def test_another_engine_and_snapshots_pass_over_them(tmp_path: Path) -> None:
    with make(tmp_path / "s") as shard:
        expected = search(shard)[:2]
        shard.create_snapshot(tmp_path / "snapshot.tar")
    es.EdgeShard.unpack_snapshot(tmp_path / "snapshot.tar", tmp_path / "copy")
    assert not (tmp_path / "copy" / kept_codes.NAME).exists()
    other = qdrant_edge.EdgeShard.load(str(tmp_path / "s"))
    request = qdrant_edge.QueryRequest(query=qdrant_edge.Query.Nearest(ROWS[7].tolist()), limit=10)
    assert len(other.query(request)) == 10
    other.close()
    assert len(kept(tmp_path / "s")) == 1
    with es.EdgeShard.load(tmp_path / "s") as shard:
        assert search(shard)[:2] == expected


def test_they_go_when_a_snapshot_replaces_the_vectors(tmp_path: Path) -> None:
    with make(tmp_path / "s") as shard:
        shard.update(es.UpdateOperation.upsert_batch(np.arange(POINTS, 2 * POINTS, dtype=np.uint64), ROWS))
        shard.optimize()  # files of operation 0 are in every partial archive
        expected = search(shard)
        whole = shard.create_snapshot(tmp_path / "whole.tar")
        same = shard.create_snapshot(tmp_path / "same.tar", base_manifest=whole.manifest)
        assert kept(tmp_path / "s")
        shard.update_from_snapshot(same.path)
        assert kept(tmp_path / "s"), "nothing was replaced"
        shard.update_from_snapshot(whole.path)
        assert not kept(tmp_path / "s")
        assert search(shard) == expected
