"""Applies that are killed: the old state or the new, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirrors import Server, leftovers, partial
from simulated_disk import Killed, dying_disk
from small_shards import content, copy_shard, upsert

import edgeshard
from edgeshard import EdgeShard
from edgeshard.shard.snapshot import swap
from edgeshard.storage import files


def apply_in_child(mirror: Path, archive: Path, victim: Path, seconds: float | None) -> tuple[bool, float]:
    """Apply in a process that is killed after some seconds, never if None; whether it got done, and how long it ran."""
    copy_shard(mirror, victim)
    script = Path(__file__).parent / "killed_apply.py"
    child = subprocess.Popen([sys.executable, script, victim, archive], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.perf_counter()
    if seconds is not None:
        time.sleep(seconds)
        child.kill()
    finished = b"applied" in child.stdout.read()
    took = time.perf_counter() - started
    child.wait()
    child.stdout.close()
    return finished, took


def kills(server: Server, mirror: EdgeShard, tmp_path: Path, count: int) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    old = content(mirror)
    mirror.close()
    finished, whole = apply_in_child(mirror.path, archive, tmp_path / "victim", None)
    assert finished
    for number in range(count):
        finished, _ = apply_in_child(mirror.path, archive, tmp_path / "victim", whole * number / count)
        with EdgeShard.load(tmp_path / "victim") as shard:
            found = content(shard)
            assert found == server.content if finished else found in (old, server.content)
            assert not leftovers(tmp_path / "victim")
            shard.update(upsert(edgeshard, [3], "alive"))
            assert content(shard)[3][0]["tag"] == "alive"


def test_kills(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    kills(server, mirror, tmp_path, 24)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_two_hundred_kills(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    kills(server, mirror, tmp_path, 200)


@pytest.mark.parametrize("undone", [False, True])
def test_the_swap_can_stop_after_any_step(undone: bool, tmp_path: Path) -> None:
    """Steps of commit, finish and undo are cut one by one; recovery leaves exactly one of the two states."""
    old = {"segments": "old", "wal": "old", "newest_clocks.json": "old"}
    new = {"segments": "new", "wal": "new", "sync_state.json": "new"}
    names = ["segments", "wal", "newest_clocks.json", "oldest_clocks.json", "sync_state.json"]
    for steps in range(200):
        root = tmp_path / f"{undone}-{steps}"
        root.mkdir()
        for name, text in old.items():
            (root / name).write_text(text)
        stage = swap.new_stage(root)
        for name, text in new.items():
            (stage / swap.NEW / name).write_text(text)
        real = files.use_disk(disk := dying_disk(steps, "before"))
        try:
            swap.commit(root, stage, names)
            (swap.undo if undone else swap.finish)(root, stage)
        except Killed:
            pass
        finally:
            files.use_disk(real)
        swap.recover(root)
        found = {name: (root / name).read_text() for name in os.listdir(root)}
        assert found in (old, new), steps
        if disk.changes <= steps:
            assert found == (old if undone else new)
            return
    raise AssertionError("the swap never finished")
