"""An update that returned survives ``kill -9`` at any instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from workload import Layout, assert_same, carry_out, dump, random_update

import edgeshard

CHILD = Path(__file__).parent / "killed_child.py"


def run_until_killed(path: Path, seed: int, seconds: float) -> int:
    """Let a child work and kill it; the number of updates it reported."""
    child = subprocess.Popen([sys.executable, str(CHILD), str(path), str(seed)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "open"
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    lines = [line for line in child.stdout.read().splitlines() if line.startswith("ok")]
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return len(lines)


def expected(seed: int, updates: int) -> dict[object, object]:
    """Contents after the first updates of a history, worked out by a shard that nobody kills."""
    rng = random.Random(seed)
    layout = Layout(rng)
    with (
        tempfile.TemporaryDirectory() as scratch,
        edgeshard.EdgeShard.create(Path(scratch) / "model", layout.config(edgeshard)) as model,
    ):
        for _ in range(updates):
            carry_out(edgeshard, model, random_update(rng, layout))
        return dump(edgeshard, model)


def kill_round(path: Path, seed: int, seconds: float) -> None:
    """Every reported update is there; at most the one in flight is there besides, whole."""
    done = run_until_killed(path, seed, seconds)
    with edgeshard.EdgeShard.load(path) as shard:
        contents = dump(edgeshard, shard)
    before, after = expected(seed, done), expected(seed, done + 1)
    try:
        assert_same(contents, before)
    except AssertionError:
        assert_same(contents, after)
    leftovers = [name for name in os.listdir(path) if name.startswith((".atomic", "edgeshard.journal"))]
    assert not leftovers


@pytest.mark.parametrize("seed", range(12))
def test_kill(seed: int, tmp_path: Path) -> None:
    kill_round(tmp_path / "shard", seed, random.Random(seed).uniform(0.0, 0.25))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_kills(tmp_path: Path) -> None:
    for seed in range(100, 600):
        kill_round(tmp_path / str(seed), seed, random.Random(seed).uniform(0.0, 0.4))
