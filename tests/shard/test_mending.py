"""Updates and optimisations that fail half way, beside other calls: what was acknowledged stays, no more."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_shards import OPS, after_a_kill, config, count, point, put, rows

import edgeshard as es
from edgeshard.segment.segment import Segment
from edgeshard.shard import mending
from edgeshard.storage import files

FULL = OSError(errno.ENOSPC, "No space left on device")


class NoRoomForGraves(files.Disk):
    """Refuses to rename segments that have been replaced."""

    def rename(self, source: files.PathLike, target: files.PathLike) -> None:
        if str(target).endswith(".deleted"):
            raise FULL
        super().rename(source, target)


@pytest.fixture(autouse=True)
def _own_disk() -> Iterator[None]:
    yield
    files.use_disk(files.Disk())


class Doomed:
    """An update that fails half way and cannot be taken back until :meth:`relent`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.inside, self.go_on = threading.Event(), threading.Event()

    def fail(self, shard: es.EdgeShard, *, wait: bool = False) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            self.inside.set()
            assert not wait or self.go_on.wait(30)
            raise FULL

        with self._patch.context() as patch:
            patch.setattr(Segment, "_write_payloads", refuse)
            self._patch.setattr(mending, "open_segment", refuse)
            with pytest.warns(RuntimeWarning, match="cannot be read"), pytest.raises(OSError, match="No space"):
                put(shard, es.Point(1, [77.0, 77.0], {"n": "bad"}), point(10, n="bad"))

    def relent(self) -> None:
        self._patch.undo()


def test_nothing_is_done_on_what_an_update_left_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vacuum = es.EdgeOptimizersConfig(deleted_threshold=0.1, vacuum_min_vector_number=100)
    with es.EdgeShard.create(tmp_path / "shard", config(optimizers=vacuum)) as shard:
        put(shard, *(point(number, n=number) for number in range(400)))
        shard.update(OPS.delete_points(list(range(200, 400))))
        before, doomed = rows(shard), Doomed(monkeypatch)
        doomed.fail(shard)
        calls: list[Callable[[], Any]] = [
            lambda: put(shard, point(3)),
            lambda: rows(shard),
            lambda: shard.flush(),
            lambda: shard.optimize(),
            lambda: shard.create_snapshot(tmp_path / "archive"),
        ]
        for call in calls:
            with pytest.raises(es.StorageError):
                call()
        assert not (tmp_path / "archive").exists()
        doomed.relent()
        assert rows(shard) == before
        assert shard.optimize()
        assert rows(shard) == before
        put(shard, point(3))
        with after_a_kill(tmp_path / "shard") as again:
            assert rows(again) == rows(shard)


def test_a_writer_that_waited_for_the_failed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, point(1, n=1))
        doomed, refused = Doomed(monkeypatch), []

        def second() -> None:
            try:
                put(shard, point(20, n=20))
            except es.StorageError as error:
                refused.append(error)

        first = threading.Thread(target=lambda: doomed.fail(shard, wait=True))
        first.start()
        assert doomed.inside.wait(30)
        waiting = threading.Thread(target=second)
        waiting.start()
        doomed.go_on.set()
        first.join()
        waiting.join()
        doomed.relent()
        known = [1] if refused else [1, 20]
        assert [row[0] for row in rows(shard)] == known
        with after_a_kill(tmp_path / "shard") as again:
            assert [row[0] for row in rows(again)] == known


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FULL])
def test_an_optimisation_beside_an_update_that_fails(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    settings = config(64, optimizers=es.EdgeOptimizersConfig(indexing_threshold=1))
    building, go_on, done = threading.Event(), threading.Event(), []

    def pause(step: str, share: float) -> None:
        if not building.is_set():
            building.set()
            assert go_on.wait(30)

    def refuse(*_: Any) -> None:
        raise error

    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, *(es.Point(i, rng.random(64), {"n": i}) for i in range(1000)))
        thread = threading.Thread(target=lambda: done.append(shard.optimize(on_progress=pause)))
        thread.start()
        assert building.wait(30)
        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(Segment, "_write_payloads", refuse)
            put(shard, *(es.Point(i, rng.random(64), {"n": 1}) for i in (9000, 9001)))
        shard.update(OPS.delete_points([5]))
        put(shard, es.Point(5000, rng.random(64), {"n": 5000}))
        shard.update(OPS.set_payload([7], {"changed": True}))
        go_on.set()
        thread.join()
        assert done == [True]
        expected = rows(shard)
        assert (count(shard), shard.retrieve([5])) == (1000, [])
        assert shard.retrieve([7])[0].payload == {"n": 7, "changed": True}
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert rows(shard) == expected
        assert shard.info().indexed_vectors_count >= 999


def test_segments_that_cannot_be_buried(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    settings = config(64, optimizers=es.EdgeOptimizersConfig(indexing_threshold=1))
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, *(es.Point(i, rng.random(64), {"n": i}) for i in range(500)))
        files.use_disk(NoRoomForGraves())
        with pytest.raises(es.StorageError, match="No space"):
            shard.optimize()
        assert count(shard) == 500
        with pytest.raises(es.StorageError, match="replaced"):
            shard.update(OPS.delete_points([1]))
        with after_a_kill(tmp_path / "shard") as again:
            assert count(again) == 500
        files.use_disk(files.Disk())
        shard.update(OPS.delete_points(list(range(100))))
        assert count(shard) == 400
        with after_a_kill(tmp_path / "shard") as again:
            assert count(again) == 400


@pytest.mark.parametrize("change", ["name", "index"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_a_change_of_the_schema_whose_syncs_fail(change: str, nth: int, tmp_path: Path) -> None:
    """Whatever sync fails, the change is made whole or not at all, and what is acknowledged later survives a kill."""

    class Disk(files.Disk):
        left = nth

        def sync(self, fd: int) -> None:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.EIO, "Input/output error")
            super().sync(fd)

    def made(shard: es.EdgeShard) -> bool:
        return "b" in shard.config.vectors if change == "name" else "k" in shard.info().payload_schema

    size = es.EdgeVectorParams(size=2, distance=es.Distance.Dot)
    with es.EdgeShard.create(tmp_path / "shard", es.EdgeConfig(vectors={"a": size})) as shard:
        put(shard, *(es.Point(i, {"a": [float(i), 1.0]}, {"k": "x"}) for i in range(5)))
        operation = OPS.create_dense_vector("b", 3, es.Distance.Dot)
        if change == "index":
            operation = OPS.create_field_index("k", es.PayloadSchemaType.Keyword)
        files.use_disk(Disk())
        try:
            shard.update(operation)
            told = True
        except es.StorageError:
            told = False
        files.use_disk(files.Disk())
        assert made(shard) == told
        put(shard, es.Point(100, {"a": [1.0, 1.0]}, {}))
        with after_a_kill(tmp_path / "shard") as again:
            assert rows(again) == rows(shard)
            assert made(again) == told


def test_a_vector_name_that_an_optimised_segment_had_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    size = es.EdgeVectorParams(size=8, distance=es.Distance.Dot)
    settings = es.EdgeConfig(
        vectors={"a": size, "v": size},
        sparse_vectors={"s": es.EdgeSparseVectorParams()},
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        sparse = es.SparseVector([5, 60], [1.0, 2.0])
        put(shard, *(es.Point(i, {"a": rng.random(8), "v": rng.random(8), "s": sparse}, {}) for i in range(500)))
        assert shard.optimize()
        for name in ("v", "s"):
            shard.update(OPS.delete_vector_name(name))
        shard.update(OPS.create_dense_vector("v", 16, es.Distance.Cosine))
        shard.update(OPS.create_sparse_vector("s"))
        expected = rows(shard)
        assert set(expected[0][1]) == {"a"}
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert rows(shard) == expected
        shard.update(OPS.update_vectors([es.PointVectors(5, {"v": [1.0] * 16})]))
        shard.optimize()
        assert set(shard.retrieve([5], with_vector=True)[0].vector) == {"a", "v"}
    assert es.EdgeShard.check(tmp_path / "shard") == []


def test_a_failed_optimisation_and_a_failed_update_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an optimisation could not bury is not opened once more by what takes the update back."""

    rng = np.random.default_rng(1)
    settings = config(64, optimizers=es.EdgeOptimizersConfig(indexing_threshold=1))
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, *(es.Point(i, rng.random(64), {"n": i}) for i in range(500)))
        expected = rows(shard)
        files.use_disk(NoRoomForGraves())
        with pytest.raises(es.StorageError):
            shard.optimize()
        shard._store.leftovers, left = [], shard._store.leftovers  # let the update begin
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(Segment, "_write_payloads", refusing(MemoryError("half way"), shard, left))
            put(shard, *(es.Point(i, rng.random(64), {"n": 1}) for i in (9000, 9001)))
        files.use_disk(files.Disk())
        assert rows(shard) == expected
        put(shard, es.Point(600, rng.random(64), {}))
        assert count(shard) == 501
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert count(shard) == 501


def refusing(error: BaseException, shard: es.EdgeShard, left: list[Path]) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        shard._store.leftovers = left
        raise error

    return refuse


def test_a_burial_whose_rename_was_not_synced(tmp_path: Path) -> None:
    class Disk(files.Disk):
        syncs_refused = 4

        def sync_directory(self, path: files.PathLike) -> None:
            if os.path.basename(path) == "segments" and any(name.endswith(".deleted") for name in os.listdir(path)):
                self.syncs_refused -= 1
                if self.syncs_refused >= 0:
                    raise OSError(errno.EIO, "Input/output error")
            super().sync_directory(path)

    rng = np.random.default_rng(1)
    settings = config(64, optimizers=es.EdgeOptimizersConfig(indexing_threshold=1))
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, *(es.Point(i, rng.random(64), {"n": i}) for i in range(300)))
        files.use_disk(disk := Disk())
        with pytest.raises(es.StorageError):
            shard.optimize()
        while disk.syncs_refused > 0:
            with pytest.raises(es.StorageError, match="replaced"):
                shard.update(OPS.delete_points([1]))
        shard.update(OPS.delete_points([1]))
        assert disk.syncs_refused < 0
        assert count(shard) == 299


def test_optimising_is_at_rest_with_a_name_no_point_has(tmp_path: Path) -> None:
    size = es.EdgeVectorParams(size=16, distance=es.Distance.Dot)
    settings = es.EdgeConfig(vectors={"a": size, "b": size}, optimizers=es.EdgeOptimizersConfig(indexing_threshold=1))
    rng = np.random.default_rng(1)
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, *(es.Point(i, {"a": rng.random(16)}, {}) for i in range(600)))
        assert shard.optimize()
        assert not shard.optimize()
        assert shard.verify() == []
