"""Flushes and logs after something failed: nothing that was flushed or acknowledged is lost."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from killed_shards import after_a_kill, config, count, name_of, point, put, rows

import edgeshard as es
from edgeshard.storage import files

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _own_disk() -> Iterator[None]:
    yield
    files.use_disk(files.Disk())


@pytest.mark.parametrize("log", [True, False])
def test_a_flush_after_one_that_failed_half_way_keeps_its_journal(log: bool, tmp_path: Path) -> None:
    class Disk(files.Disk):
        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
            if "chunk_" in name_of(fd):
                raise FULL
            super().pwrite(fd, data, offset)

    def large(number: int, value: int) -> es.Point:
        return es.Point(number, [float(value)] * 512, {"n": value})

    path = tmp_path / "shard"
    shard = es.EdgeShard.create(path, config(512, wal_enabled=log))
    put(shard, *(large(i, 1) for i in range(4)))
    shard.flush()
    files.use_disk(Disk())
    put(shard, *(large(i, 2) for i in range(4)))
    with pytest.raises(es.StorageError):
        shard.flush()
    put(shard, *(large(i, 2) for i in range(100, 900)))
    with pytest.raises(es.StorageError):
        shard.flush()
    files.use_disk(files.Disk())
    with after_a_kill(path) as again:
        assert {(record.payload["n"], record.vector[0]) for record in again.retrieve([0, 1, 2, 3], True, True)} == {
            (2, 2)
        }
    shard.flush()
    shard.close()
    with es.EdgeShard.load(path, verify="full") as again:
        assert count(again) == 804


def test_a_journal_whose_emptying_was_not_synced(tmp_path: Path) -> None:
    class Disk(files.Disk):
        fails = True

        def sync(self, fd: int) -> None:
            if self.fails and name_of(fd) == "edgeshard.journal":
                self.fails = False
                raise OSError(errno.EIO, "Input/output error")
            super().sync(fd)

    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, point(1))
        shard.flush()
        files.use_disk(Disk())
        with pytest.raises(es.StorageError):
            shard.create_snapshot(tmp_path / "archive")
        for number in (2, 3):
            put(shard, point(number))
            shard.flush()
        with after_a_kill(tmp_path / "shard") as again:
            assert [row[0] for row in rows(again)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["chunk_0.mmap", "open-1"])
def test_what_a_failed_sync_may_have_given_up_is_written_again(name: str, tmp_path: Path) -> None:
    class Disk(files.Disk):
        def __init__(self) -> None:
            self.failed = False
            self.seen: list[str] = []

        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
            if name_of(fd) == name:
                self.seen.append("write")
            super().pwrite(fd, data, offset)

        def sync(self, fd: int) -> None:
            if name_of(fd) == name:
                self.seen.append("sync")
                if not self.failed:
                    self.failed = True
                    raise OSError(errno.EIO, "Input/output error")
            super().sync(fd)

    with es.EdgeShard.create(tmp_path / "shard", config()) as shard:
        put(shard, point(1))
        disk = Disk()
        files.use_disk(disk)
        with pytest.raises(es.StorageError):
            shard.create_snapshot(tmp_path / "archive")
        disk.seen.clear()
        shard.create_snapshot(tmp_path / "archive")
        assert disk.seen.index("write") < disk.seen.index("sync")


def test_a_damaged_record_of_the_log_is_left_out_by_a_repair(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    shard = es.EdgeShard.create(path, config())
    for number in range(1, 8):
        put(shard, point(number, text="x" * 50))
    killed = after_a_kill(path)
    killed.close()
    copy = tmp_path / "damaged"
    shutil.copytree(path, copy)
    log = copy / "wal" / "open-1"
    content = bytearray(log.read_bytes())
    content[content.index(b"x" * 50, 400)] ^= 1
    log.write_bytes(content)
    with pytest.raises(es.CorruptedError, match="open-1"):
        es.EdgeShard.load(copy)
    done = es.EdgeShard.repair(copy)
    assert any("left out of the log" in line for line in done)
    with es.EdgeShard.load(copy) as shard:
        assert count(shard) == 6
