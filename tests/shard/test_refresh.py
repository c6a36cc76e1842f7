"""Readers that are refreshed and closed by several threads at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import edgeshard as m
from edgeshard import EdgeShard
from edgeshard.shard.reader import ReadOnlyShard
from edgeshard.shard.replica import SETTLED_NS, Replica
from edgeshard.storage import files

CONFIG = m.EdgeConfig(vectors=m.EdgeVectorParams(2, m.Distance.Dot), wal_enabled=True)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[EdgeShard]:
    with EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        write(shard, 1)
        yield shard


def write(shard: EdgeShard, *ids: int) -> None:
    shard.update(m.UpdateOperation.upsert_points([m.Point(i, [1.0, 2.0], {"n": i}) for i in ids]))
    shard.flush()


def settle() -> None:
    """Until a file that was written before counts as unchanged."""
    time.sleep(SETTLED_NS / 1e9 + 0.1)


class Halt:
    """Halts the first copy that is made, before or after it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        copy: Callable[..., None] = Replica._copy

        def halted(replica: Replica, before: Replica | None) -> None:
            if after:
                copy(replica, before)
            if not self.reached.is_set():
                self.reached.set()
                assert self.go.wait(30)
            if not after:
                copy(replica, before)

        monkeypatch.setattr(Replica, "_copy", halted)


@pytest.mark.parametrize("after", [False, True])
def test_a_reader_closed_while_it_is_refreshed_stays_closed(
    after: bool, writer: EdgeShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    reader = EdgeShard.load(writer.path, read_only=True)
    write(writer, 2)
    halt = Halt(monkeypatch, after=after)
    with ThreadPoolExecutor() as pool:
        refreshing = pool.submit(reader.refresh)
        assert halt.reached.wait(30)
        reader.close()
        halt.go.set()
        with pytest.raises(m.ClosedError):
            refreshing.result(10)  # not after 30 seconds in search of files of the copy that is gone
    assert not reader._replica.root.exists()
    with pytest.raises(m.ClosedError):
        reader.info()


def test_of_two_refreshes_the_newer_state_stays(writer: EdgeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    settle()
    with EdgeShard.load(writer.path, read_only=True) as reader, ThreadPoolExecutor() as pool:
        write(writer, 2)
        halt = Halt(monkeypatch, after=False)
        first = pool.submit(reader.refresh)
        assert halt.reached.wait(30)
        write(writer, 3)
        second: Future[bool] = pool.submit(reader.refresh)
        time.sleep(0.1)
        halt.go.set()
        assert first.result(10)
        second.result(10)
        assert reader.count(m.CountRequest()) == 3
        assert not reader.refresh()


class Watched(files.Disk):
    """Looks at what a reader sees, and at how many names a file has, whenever one is written."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self.look = look
        self.seen: list[Any] = []
        self.names: set[int] = set()

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        super().pwrite(fd, data, offset)
        self.names.add(os.fstat(fd).st_nlink)
        with ThreadPoolExecutor(1) as pool:
            self.seen.append(pool.submit(self.look).result())


def test_opening_a_copy_does_not_change_the_one_that_is_read(writer: EdgeShard) -> None:
    write(writer, 2)
    for value in (2.0, 3.0):
        writer.update(m.UpdateOperation.update_vectors([m.PointVectors(1, [value, value])]))
        writer.flush()
    settle()
    with EdgeShard.load(writer.path, read_only=True) as reader:
        writer.update(m.UpdateOperation.set_payload([2], {"n": 5}))  # vectors stay as they are: their file was linked
        writer.flush()
        real = files.use_disk(disk := Watched(lambda: reader.retrieve([1], with_vector=True)[0].vector))
        try:
            assert isinstance(reader, ReadOnlyShard)
            assert reader.refresh()
        finally:
            files.use_disk(real)
        assert disk.names == {1}  # in memory a reader has pages of its own and would see no difference
        assert all(vector == [3.0, 3.0] for vector in disk.seen)
