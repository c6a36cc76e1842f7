"""Shards that are never closed, or never in order: neither files nor memory grow with the number of operations."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard.filter import batches
from edgeshard.filter.columns import PayloadColumns
from edgeshard.models.paths import JsonPath
from edgeshard.segment.changed_offsets import FEW_PARTS
from edgeshard.shard import store as stores
from edgeshard.storage import checkpoint
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore, Packed, Slots

CONFIG = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))
LARGE = checkpoint.INLINE_FRESH_BYTES + (1 << 17)
"""More than a flush keeps in its journal."""


def noise(size: int) -> str:
    return os.urandom(size // 2).hex()


def log_bytes(shard: es.EdgeShard) -> int:
    return sum(path.stat().st_size for path in (shard.path / "wal").iterdir())


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "DEFAULT_CAPACITY_BYTES", 1 << 18)
    monkeypatch.setattr(checkpoint, "LOG_LIMIT_BYTES", 4 << 20)


@pytest.mark.usefixtures("small_log")
def test_large_flushes_give_the_log_back(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        for _ in range(16):
            shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 2], {"text": noise(2 * LARGE)})]))
            shard.flush()
        assert log_bytes(shard) < 12 << 20


def test_flushes_keep_what_a_load_reads_again_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LOG_LIMIT_RECORDS", 100)
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 2])]))
        waiting = []
        for number in range(500):
            shard.update(es.UpdateOperation.set_payload([1], {"n": number}))
            if number % 10 == 0:
                shard.flush()
                waiting.append(shard._store.wal.unacknowledged_records)
        assert 50 < max(waiting) <= 100
        shutil.copytree(shard.path, tmp_path / "killed")
    with es.EdgeShard.load(tmp_path / "killed") as killed:
        assert killed.retrieve([1], with_payload=True)[0].payload == {"n": 499}


@pytest.mark.usefixtures("small_log")
def test_processes_that_die_early_flush_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "AUTO_FLUSH_BYTES", 4 << 20)
    shard = es.EdgeShard.create(tmp_path / "shard", CONFIG)
    for number in range(16):
        shard.update(es.UpdateOperation.upsert_points([es.Point(number, [1, 2], {"text": noise(1 << 20)})]))
        size = log_bytes(shard)
        shard._ending.detach()
        shard._store.release()  # as the death of the process does
        shard = es.EdgeShard.load(tmp_path / "shard")
    assert shard.count(es.CountRequest()) == 16
    assert size < 12 << 20
    shard.close()


@pytest.mark.parametrize("logged", [True, False])
def test_small_changes_of_large_payloads_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: bool
) -> None:
    monkeypatch.setattr(stores, "AUTO_FLUSH_BYTES", 1 << 20)
    config = es.EdgeConfig(vectors=CONFIG.vectors, wal_enabled=logged)
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 2], {"text": noise(1 << 18)})]))
        for number in range(32):
            shard.update(es.UpdateOperation.set_payload([1], {"n": number}))
            assert sum(segment.payload.dirty_bytes for segment in shard._store.segments) < 2 << 20
        assert shard.retrieve([1])[0].payload["n"] == 31


def test_records_kept_in_memory_count_for_what_they_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "AUTO_FLUSH_BYTES", 1 << 16)
    config = es.EdgeConfig(vectors=CONFIG.vectors, wal_enabled=False)
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        for number in range(1000):
            shard.update(es.UpdateOperation.delete_points([number]))
            assert len(shard._store.unflushed) <= (1 << 16) // stores.RECORD_OVERHEAD_BYTES + 1


def test_long_payloads_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 1 << 16)
    monkeypatch.setattr(batches, "FIRST_BATCH", 4)
    kinds, largest = es.PayloadSchemaType, 0
    plain = Gridstore.get_batch

    def get_batch(store: Gridstore, slots: Slots | None = None) -> Packed:
        nonlocal largest
        found = plain(store, slots)
        largest = max(largest, len(found[0]))
        return found

    optimizers = es.EdgeOptimizersConfig(indexing_threshold=1)
    config = es.EdgeConfig(vectors=CONFIG.vectors, optimizers=optimizers)
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        text = noise(1 << 14)
        points = [es.Point(i, [i, 1], {"n": i, "of": [{"n": i, "text": text}]}) for i in range(200)]
        shard.update(es.UpdateOperation.upsert_points(points))
        monkeypatch.setattr(Gridstore, "get_batch", get_batch)
        few = es.Filter(must=[es.FieldCondition(key="n", range=es.RangeFloat(lt=10))])
        nested = es.Filter(must=[es.NestedCondition("of", few)])
        asked = [few, nested, es.Filter(must=[es.FieldCondition(key="of[].n", match=es.MatchValue(3))])]
        for _ in range(2):
            assert [shard.count(es.CountRequest(filter=one)) for one in asked] == [10, 10, 1]
            for field, kind in {"n": kinds.Integer, "of[].text": kinds.Text, "of[].n": kinds.Integer}.items():
                shard.update(es.UpdateOperation.create_field_index(field, kind))
            shard.flush()
            shard.optimize()
        assert shard.info().indexed_vectors_count == 200
    assert 0 < largest < 10 << 14


def test_changes_of_indexed_payloads_take_no_more_memory_than_the_points(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(i, [1, 2], {"n": 0}) for i in range(50)]))
        shard.update(es.UpdateOperation.create_field_index("n", es.PayloadSchemaType.Integer))
        (segment,) = shard._store.segments
        for number in range(3 * FEW_PARTS):
            shard.update(es.UpdateOperation.set_payload([number % 50], {"n": number}))
            assert segment.indexes._queue.parts <= FEW_PARTS + 4
        shard.flush()
        assert not segment.indexes._queue
        indexed = es.Filter(must=[es.FieldCondition(key="n", range=es.RangeFloat(gte=3 * FEW_PARTS - 20))])
        assert shard.count(es.CountRequest(filter=indexed)) == 20
    assert es.EdgeShard.check(tmp_path / "shard") == []


class FewPayloads:
    """One point without a payload."""

    count = 1
    origin = "test"

    def read_batch(self, offsets: object) -> tuple[object, object]:
        return np.empty(0, np.uint8), np.zeros(2, np.int64)


def test_columns_of_countless_paths_are_bounded() -> None:
    columns = PayloadColumns(FewPayloads(), budget_bytes=1 << 18)  # type: ignore[arg-type]
    for number in range(1000):
        columns.column(JsonPath.parse(f"key{number}"))
    assert len(columns._stores) <= 64
    assert columns.is_warm(JsonPath.parse("key999"))
    assert set(columns._sizes) == set(columns._stores)
    columns.drop()
    assert columns._held_bytes == 0


def test_checksums_of_segments_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    optimizers = es.EdgeOptimizersConfig(indexing_threshold=1, deleted_threshold=0.1, vacuum_min_vector_number=100)
    config = es.EdgeConfig(vectors=CONFIG.vectors, optimizers=optimizers)
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        for start in range(0, 2000, 400):
            points = [es.Point(start + i, [i, 1]) for i in range(400)]
            shard.update(es.UpdateOperation.upsert_points(points))
            shard.update(es.UpdateOperation.delete_points(range(max(start - 300, 0), start)))
            shard.optimize()
        there = {segment.name for segment in shard._store.segments}
        paths = [Path(key).relative_to(shard.path) for key in shard._store.checkpointer.sums._sums]
        assert {path.parts[1] for path in paths if path.parts[0] == "segments"} <= there


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_mapped_files_keep_no_descriptors(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(i, [i, 1], {"n": i}) for i in range(100)]))
        shard.flush()
        links = [Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd")]
        opened = [os.readlink(link) for link in links if link.is_symlink()]
        assert not [path for path in opened if path.startswith(os.fspath(shard.path / "segments"))]


def test_a_flush_writes_the_files_of_the_indexes_that_changed_and_no_others(tmp_path: Path) -> None:
    kinds = es.PayloadSchemaType
    payload = {"n": 1, "s": "a", "f": 0.5, "t": "some words", "b": True, "g": {"lat": 1.0, "lon": 2.0}}
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(number, [1, 2], payload) for number in range(5)]))
        fields = {"n": kinds.Integer, "s": kinds.Keyword, "f": kinds.Float, "t": kinds.Text, "b": kinds.Bool}
        for field, kind in {**fields, "g": kinds.Geo, "k": kinds.Keyword}.items():
            shard.update(es.UpdateOperation.create_field_index(field, kind))
        shard.flush()
        (segment,) = shard._store.segments

        def changed() -> set[str]:
            plan = FlushPlan()
            segment.collect(plan)
            paths = [path.relative_to(segment.path) for path, *_ in plan.changes + plan.fresh]
            return {path.parts[1].split("-")[1] for path in paths if path.parts[0] == "payload_index"}

        shard.update(es.UpdateOperation.set_payload([2], {"n": 7}))
        assert changed() == {"n"}
        shard.flush()
        shard.update(es.UpdateOperation.upsert_points([es.Point(3, [2, 1], {**payload, "t": "words"})]))
        assert changed() == {"t"}
