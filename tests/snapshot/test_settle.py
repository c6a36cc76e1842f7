"""Unpacked snapshots on their way to the disk: whole or refused after a power loss."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archives import pack_full
from simulated_disk import Disk, FaultyDisk, PowerLoss, SimulatedDisk, crash_points
from small_shards import content, upsert

import edgeshard
from edgeshard import CorruptedError, EdgeShard, StorageError
from edgeshard.shard.snapshot import settle
from edgeshard.storage import files


@pytest.fixture
def archive(server_path: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a.snapshot"
    path.write_bytes(pack_full(server_path))
    return path


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Nothing goes to the disk by itself; the directories that would."""
    waiting: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(settle, "settle_later", waiting.append)
        yield waiting


def start_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the system seems to be another one."""
    (tmp_path / "boot_id").write_text("00000000-another-system\n")
    monkeypatch.setattr(settle, "BOOT_ID", tmp_path / "boot_id")


def wait() -> None:
    for thread in threading.enumerate():
        if thread.name == "edgeshard-settle":
            thread.join()


def test_the_marker_says_when_everything_is_on_the_disk(archive: Path, tmp_path: Path, held: list[Path]) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    assert held == [tmp_path / "t"]
    assert len(settle.unsettled(tmp_path / "t")) == 1
    settle.settle(tmp_path / "t")
    assert settle.unsettled(tmp_path / "t") == []


@pytest.mark.parametrize("durable", [False, True])
def test_a_program_that_ends_waits_for_the_disk(durable: bool, archive: Path, tmp_path: Path) -> None:
    code = "import sys, edgeshard; edgeshard.EdgeShard.unpack_snapshot(*sys.argv[1:3], durable=bool(sys.argv[3]))"
    subprocess.run([sys.executable, "-c", code, archive, tmp_path / "t", "yes" if durable else ""], check=True)
    assert settle.unsettled(tmp_path / "t") == []


def test_what_is_durable_at_once_has_no_marker(archive: Path, tmp_path: Path, held: list[Path]) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t", durable=True)
    (tmp_path / "there").mkdir()
    EdgeShard.unpack_snapshot(archive, tmp_path / "there")
    assert held == settle.unsettled(tmp_path / "t") == settle.unsettled(tmp_path / "there") == []


@pytest.mark.parametrize("mounts", ["", "36 35 {device} / / rw - vfat /dev/sda1 rw\n"])
def test_file_systems_that_may_lose_an_older_name_are_waited_for(
    mounts: str, archive: Path, tmp_path: Path, held: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = os.stat(tmp_path).st_dev
    (tmp_path / "mountinfo").write_text(mounts.format(device=f"{os.major(device)}:{os.minor(device)}"))
    monkeypatch.setattr(settle, "MOUNTS", tmp_path / "mountinfo")
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    assert held == settle.unsettled(tmp_path / "t") == []


def test_systems_without_an_id_are_waited_for(
    archive: Path, tmp_path: Path, held: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "BOOT_ID", tmp_path / "absent")
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    assert held == settle.unsettled(tmp_path / "t") == []


def test_the_first_flush_brings_the_rest_to_the_disk(
    archive: Path, tmp_path: Path, held: list[Path], server_content: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t", mirror=True)
    shard = EdgeShard.load(tmp_path / "t")
    assert content(shard) == server_content
    assert settle.unsettled(tmp_path / "t")
    shard.update(upsert(edgeshard, [3], "later"))
    shard.flush()
    assert not settle.is_marked(tmp_path / "t")
    start_anew(tmp_path, monkeypatch)
    shard.update(upsert(edgeshard, [4], "later"))
    shard.close()
    EdgeShard.load(tmp_path / "t").close()


def test_a_shard_of_a_system_that_went_down_is_refused_and_can_be_repaired(
    archive: Path, tmp_path: Path, held: list[Path], server_content: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    start_anew(tmp_path, monkeypatch)
    for read_only in (False, True):
        with pytest.raises(CorruptedError, match="unpack it again"):
            EdgeShard.load(tmp_path / "t", read_only=read_only)
    assert any("unpack it again" in line for line in EdgeShard.check(tmp_path / "t"))
    assert any("POINTS MAY BE LOST" in line for line in EdgeShard.repair(tmp_path / "t"))
    with EdgeShard.load(tmp_path / "t") as shard:
        assert content(shard) == server_content
    assert EdgeShard.check(tmp_path / "t") == []


def test_a_shard_that_the_disk_did_not_take_is_refused_for_good(
    archive: Path, tmp_path: Path, held: list[Path]
) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    shard = EdgeShard.load(tmp_path / "t")

    def refuse(name: str) -> None:
        if name == "sync":
            raise OSError(errno.EIO, "Input/output error")

    real = files.use_disk(FaultyDisk(0, refuse, lasting=True))
    try:
        with pytest.raises(StorageError, match="Input/output"):
            shard.flush()
    finally:
        files.use_disk(real)
    with pytest.raises(CorruptedError, match="the disk failed"):
        shard.flush()
    with pytest.raises(CorruptedError):
        shard.close()
    with pytest.raises(CorruptedError):
        EdgeShard.load(tmp_path / "t")


def test_a_directory_may_be_moved_or_removed_meanwhile(archive: Path, tmp_path: Path, held: list[Path]) -> None:
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    (tmp_path / "t").rename(tmp_path / "moved")
    settle.settle_later(tmp_path / "t")
    wait()
    assert settle.unsettled(tmp_path / "moved")
    EdgeShard.unpack_snapshot(archive, tmp_path / "t")
    settle.settle(tmp_path / "t")
    assert settle.unsettled(tmp_path / "moved")
    EdgeShard.load(tmp_path / "moved").close()
    assert settle.unsettled(tmp_path / "moved") == []


def test_many_directories_that_go_at_once(archive: Path, tmp_path: Path) -> None:
    for number in range(10):
        EdgeShard.unpack_snapshot(archive, tmp_path / f"t{number}")
        shutil.rmtree(tmp_path / f"t{number}")
    wait()
    assert sorted(os.listdir(tmp_path)) == ["a.snapshot"]


class RecordingDisk(SimulatedDisk):
    """One change at a time, as the threads of an extraction make them."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self._one = threading.RLock()

    def open(self, path: Any, flags: int, mode: int = 0o644) -> int:
        with self._one:
            return super().open(path, flags, mode)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        with self._one:
            super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        with self._one:
            super().sync(fd)

    def sync_directory(self, path: Any) -> None:
        with self._one:
            super().sync_directory(path)


@pytest.mark.parametrize("durable", [False, True])
def test_power_loss(
    durable: bool, archive: Path, tmp_path: Path, server_content: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment there is no shard, a whole one, or one that is refused; a whole one in the end."""
    base = tmp_path / "disk"
    base.mkdir()
    real: Disk = files.use_disk(disk := RecordingDisk(base))
    try:
        EdgeShard.unpack_snapshot(archive, base / "t", durable=durable)
        returned = len(disk.events)
        wait()
    finally:
        files.use_disk(real)
    total = len(disk.events)
    start_anew(tmp_path, monkeypatch)
    rng = random.Random(5)
    loss, outcomes = PowerLoss(disk), set()
    moments = sorted([*crash_points(total, 25, rng), *[returned] * 5, total])
    for number, events in enumerate(moments):
        loss.advance(events)
        style = "nothing" if events == total else "journal"
        lost = tmp_path / f"lost-{number}"
        loss.state(lost, rng, style)
        found = lost / "t"
        outcome = "none"
        if found.exists():
            try:
                with EdgeShard.load(found) as shard:
                    assert content(shard) == server_content, (events, returned, total)
                outcome = "whole"
            except CorruptedError as error:
                assert "unpack it again" in str(error)
                outcome = "refused"
        outcomes.add(outcome)
        shutil.rmtree(lost)
        assert outcome == "whole" or events < (returned if durable else total)
    assert outcomes == ({"none", "whole"} if durable else {"none", "refused", "whole"})
