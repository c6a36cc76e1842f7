"""A full disk refuses an update whole; reads go on, nothing acknowledged is lost, writing resumes by itself."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from campaign import seeds, tell
from history import History, check_consistent, check_state, disk_in_place, equal, small_files
from simulated_disk import SimulatedDisk
from workload import Layout, carry_out, dump, random_update

import edgeshard
from edgeshard.storage.files import Disk, PathLike

pytestmark = pytest.mark.filterwarnings("ignore:.*until there is room:RuntimeWarning")

CHILD = Path(__file__).parent / "full_disk_child.py"
UPDATES = 25


class FullDisk(Disk):
    """A disk without room from one call to another; only calls that need room are counted and refused.

    Args:
        first: number of the first call refused, from 0.
        count: how many are refused.
        half: write half of the bytes before refusing a write.
    """

    def __init__(self, first: int, count: int, *, half: bool) -> None:
        self.first, self.stop, self.half = first, first + count, half
        self.calls = 0
        self.refused = 0

    def _room(self) -> bool:
        self.calls += 1
        refused = self.first < self.calls <= self.stop
        self.refused += refused
        return not refused

    def open(self, path: PathLike, flags: int, mode: int = 0o644) -> int:
        if flags & os.O_CREAT and not os.path.exists(path) and not self._room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        return super().open(path, flags, mode)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        if not self._room():
            if self.half:
                view = memoryview(data).cast("B")
                super().pwrite(fd, view[: len(view) // 2], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        if size > os.fstat(fd).st_size and not self._room():
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        if not self._room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().sync(fd)

    def mkdir(self, path: PathLike) -> None:
        if not os.path.isdir(path) and not self._room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        super().mkdir(path)


def full_round(base: Path, whole: History, seed: int, *, wal: bool, disk: FullDisk) -> None:
    """Live through a history on a disk that is full for a while, and compare with a life without trouble."""
    rng, chores = random.Random(seed), random.Random(seed + 4)
    layout = Layout(rng)
    config = layout.config(edgeshard) if wal else layout.config(edgeshard, wal_enabled=False)
    shard = edgeshard.EdgeShard.create(base / "shard", config)
    with small_files(chores), disk_in_place(disk):
        for done in range(UPDATES):
            update = random_update(rng, layout)
            for _ in range(200):
                try:
                    carry_out(edgeshard, shard, update)
                    break
                except edgeshard.StorageError as error:
                    expect_full(error)
                    assert equal(dump(edgeshard, shard), whole.contents[done])
            shard = chore(shard, chores)
            assert equal(check_consistent(shard), whole.contents[done + 1])
        persist(shard.close)
    assert disk.refused or disk.first >= disk.calls
    assert check_state(base / "shard", whole.contents, UPDATES, UPDATES) == "ok"


def chore(shard: Any, chores: random.Random) -> Any:
    """Sometimes flush, optimise or reopen, trying again while there is no room."""
    roll = chores.random()
    if roll < 0.25:
        persist(shard.flush)
    elif roll < 0.35:
        persist(shard.optimize)
    elif roll < 0.45:
        persist(shard.flush)
        persist(shard.close)
        loaded: list[Any] = []
        persist(lambda: loaded.append(edgeshard.EdgeShard.load(shard.path)))
        return loaded[0]
    return shard


def expect_full(error: edgeshard.StorageError) -> None:
    """Fail if an error says something else than that there is no room."""
    if error.errno not in (errno.ENOSPC, errno.EFBIG):
        raise AssertionError(str(error)) from error


def persist(call: Any) -> None:
    """Try until there is room."""
    for _ in range(200):
        try:
            call()
            return
        except edgeshard.StorageError as error:
            expect_full(error)


def rounds(base: Path, seed: int, *, wal: bool, count: int) -> None:
    """Several lives of one history, the disk being full at different times."""
    (base / "whole").mkdir(parents=True)
    rng = random.Random(seed + 5)
    whole = plain(base / "whole", seed)
    for number in range(count):
        disk = FullDisk(rng.randint(0, 150), rng.choice([1, 2, 5, 20]), half=rng.random() < 0.5)
        try:
            full_round(base / str(number), whole, seed, wal=wal, disk=disk)
        except BaseException as error:
            where = f"full from {disk.first} to {disk.stop} half {disk.half}"
            raise AssertionError(f"seed {seed} wal {wal} {where}") from error
        shutil.rmtree(base / str(number))


def plain(base: Path, seed: int) -> History:
    """The contents after every update when nothing goes wrong."""
    rng = random.Random(seed)
    layout = Layout(rng)
    history = History(SimulatedDisk(base))
    with edgeshard.EdgeShard.create(base / "model", layout.config(edgeshard)) as model:
        history.contents.append({})
        for _ in range(UPDATES):
            carry_out(edgeshard, model, random_update(rng, layout))
            history.contents.append(dump(edgeshard, model))
    return history


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_full_disk(seed: int, wal: bool, tmp_path: Path) -> None:
    rounds(tmp_path, seed, wal=wal, count=5)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("wal", [True, False])
def test_many_full_disks(wal: bool, tmp_path: Path) -> None:
    for seed in (every := seeds(300, 20)):
        rounds(tmp_path / str(seed), seed, wal=wal, count=10)
    tell(f"injected lack of room, log {wal}", {"ok": 10 * len(every)})


def size_limit_round(path: Path, seed: int, limit_bytes: int) -> str:
    """A child whose files may not grow beyond a limit; what it reports."""
    command = [sys.executable, str(CHILD), str(path), str(seed), str(limit_bytes)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, f"{child.returncode}: {child.stderr[-2000:]}"
    return child.stdout


@pytest.mark.parametrize("seed", range(2))
def test_size_limit(seed: int, tmp_path: Path) -> None:
    assert "resumed" in size_limit_round(tmp_path / "shard", seed, (1 << 20) + 200_000)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_size_limits(tmp_path: Path) -> None:
    outcomes = []
    for seed in seeds(0, 40):
        limit = random.Random(seed).randint(1 << 20, 40 << 20)
        outcomes.append(size_limit_round(tmp_path / str(seed), seed, limit).split()[0])
        shutil.rmtree(tmp_path / str(seed))
    assert set(tell("limit on file sizes", outcomes)) == {"resumed"}
