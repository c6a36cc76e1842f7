"""Applies that are killed: the old state or the new, nothing else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirrors import Server, leftovers, partial
from simulated_disk import Killed, PowerLoss, SimulatedDisk, dying_disk
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


OLD_ENTRIES = {"segments": "old", "wal": "old", "newest_clocks.json": "old"}
NEW_ENTRIES = {"segments": "new", "wal": "new", "sync_state.json": "new"}
NAMES = ["segments", "wal", "newest_clocks.json", "oldest_clocks.json", "sync_state.json"]


def write_entries(directory: Path, content: dict[str, str]) -> None:
    """Small files, durable."""
    for name, text in content.items():
        files.replace_file(directory / name, text.encode())


def swap_entries(root: Path, *, undone: bool) -> None:
    """Put the new entries in place of the old, for good or for a while."""
    stage = swap.new_stage(root)
    write_entries(stage / swap.NEW, NEW_ENTRIES)
    swap.commit(root, stage, NAMES)
    swap.undo(root) if undone else swap.finish(root, stage)


def entries(root: Path) -> dict[str, str]:
    """What lies in the root."""
    return {name: (root / name).read_text() for name in os.listdir(root)}


@pytest.mark.parametrize("undone", [False, True])
def test_the_swap_can_stop_after_any_step(undone: bool, tmp_path: Path) -> None:
    """Steps of commit, finish and undo are cut one by one; recovery leaves exactly one of the two states."""
    for steps in range(300):
        root = tmp_path / f"{undone}-{steps}"
        root.mkdir()
        write_entries(root, OLD_ENTRIES)
        real = files.use_disk(disk := dying_disk(steps, "before"))
        try:
            swap_entries(root, undone=undone)
        except Killed:
            pass
        finally:
            files.use_disk(real)
        swap.recover(root)
        assert entries(root) in (OLD_ENTRIES, NEW_ENTRIES), steps
        if disk.changes <= steps:
            assert entries(root) == (OLD_ENTRIES if undone else NEW_ENTRIES)
            return
    raise AssertionError("the swap never finished")


@pytest.mark.parametrize("undone", [False, True])
def test_the_power_can_go_after_any_step(undone: bool, tmp_path: Path) -> None:
    """Renames that were not synced survive or not, each for itself; recovery leaves exactly one of the two states."""
    root = tmp_path / "live"
    root.mkdir()
    real = files.use_disk(disk := SimulatedDisk(root))
    try:
        write_entries(root, OLD_ENTRIES)
        swap_entries(root, undone=undone)
    finally:
        files.use_disk(real)
    loss, rng, seen = PowerLoss(disk), random.Random(1), []
    begun = next(number for number, event in enumerate(disk.events) if swap.NEW in event.arguments)
    for events in range(begun, disk.changes + 1):
        loss.advance(events)
        for attempt in range(12):
            loss.state(lost := tmp_path / f"{events}-{attempt}", rng, "names")
            swap.recover(lost)
            assert entries(lost) in (OLD_ENTRIES, NEW_ENTRIES), events
            seen.append(entries(lost))
    assert OLD_ENTRIES in seen
    assert NEW_ENTRIES in seen
    assert seen[-1] == (OLD_ENTRIES if undone else NEW_ENTRIES)
