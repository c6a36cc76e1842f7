"""An update that returned survives ``kill -9`` at any instant; without a log, one that was flushed does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from campaign import seeds, tell
from history import check_state
from workload import Layout, carry_out, dump, random_update

import edgeshard

CHILD = Path(__file__).parent / "killed_child.py"
STYLES = ("before", "after", "half")


def run_until_killed(path: Path, seed: int, wal: bool, seconds: float, call: str | None) -> tuple[int, int]:
    """Let a child work until it kills itself, or kill it; how many updates returned and how many were flushed."""
    environment = os.environ if call is None else {**os.environ, "EDGESHARD_TEST_KILL": call}
    command = [sys.executable, str(CHILD), str(path), str(seed), "wal" if wal else "bare"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "open"
    if call is None:
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
    last = {"ok": 0, "flushed": 0}
    for line in child.stdout.read().split("\n")[:-1]:  # what follows the last end of line was cut off by the kill
        word, _, number = line.partition(" ")
        last[word] = int(number)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return last["ok"], last["flushed"]


def expected(seed: int, updates: int) -> list[dict[Any, Any]]:
    """Contents after each of the first updates of a history, worked out by a shard that nobody kills."""
    rng = random.Random(seed)
    layout = Layout(rng)
    with (
        tempfile.TemporaryDirectory() as scratch,
        edgeshard.EdgeShard.create(Path(scratch) / "model", layout.config(edgeshard)) as model,
    ):
        contents: list[dict[Any, Any]] = [{}]
        for _ in range(updates):
            carry_out(edgeshard, model, random_update(rng, layout))
            contents.append(dump(edgeshard, model))
        return contents


def kill_round(path: Path, seed: int) -> None:
    """What is promised is there, whole, and at most the update in flight besides."""
    rng = random.Random(seed)
    wal, seconds = rng.random() < 0.6, rng.uniform(0.0, 0.25)
    call = f"{rng.randint(0, 150)},{rng.choice(STYLES)}" if rng.random() < 0.5 else None
    done, flushed = run_until_killed(path, seed, wal, seconds, call)
    least, most = done if wal else flushed, done + 1
    assert check_state(path, expected(seed, most), least, most) == "ok"
    leftovers = [name for name in os.listdir(path) if name.startswith((".atomic", "edgeshard.journal"))]
    assert not leftovers


@pytest.mark.parametrize("seed", range(14))
def test_kill(seed: int, tmp_path: Path) -> None:
    kill_round(tmp_path / "shard", seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_kills(tmp_path: Path) -> None:
    for seed in (every := seeds(100, 500)):
        kill_round(tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))
    tell("SIGKILL in a child", {"ok": len(every)})
