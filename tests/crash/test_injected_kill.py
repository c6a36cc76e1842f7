"""The process dies before, in the middle of, or after a chosen call that changes the disk."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from campaign import seeds, tell
from history import History, Killed, check_state, live, record
from simulated_disk import dying_disk

import edgeshard

STYLES = ("before", "after", "half")
UPDATES = 25


def kill_in(base: Path, seed: int, *, wal: bool, rounds: int) -> dict[str, int]:
    """Kill one history at several calls; outcomes and how often each."""
    rng = random.Random(seed + 3)
    (base / "whole").mkdir(parents=True)
    whole = record(base / "whole", seed, wal=wal, updates=UPDATES)
    counted = History(dying_disk(1 << 60, "after"))
    live(counted, base / "counted", seed, wal=wal, updates=UPDATES, dumps=False)
    outcomes: dict[str, int] = {}
    for at in sorted(rng.sample(range(counted.disk.changes), min(rounds, counted.disk.changes))):
        style, path = rng.choice(STYLES), base / f"killed-{at}"
        killed = History(dying_disk(at, style))
        with pytest.raises(Killed):
            live(killed, path, seed, wal=wal, updates=UPDATES, dumps=False)
        outcome = judge(path, whole, killed, wal=wal)
        if outcome != "ok":
            outcome = f"seed {seed} wal {wal} call {at} {style}: {outcome}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        shutil.rmtree(path, ignore_errors=True)
    return outcomes


def judge(path: Path, whole: History, killed: History, *, wal: bool) -> str:
    """Whether the shard holds what was promised; one that was never created may be absent."""
    try:
        least = killed.done if wal else killed.flushed
        return check_state(path, whole.contents, least, max(least, killed.started))
    except edgeshard.StorageError as error:
        if not killed.marks and not isinstance(error, edgeshard.CorruptedError):
            return "ok"
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_kill_at_a_call(seed: int, wal: bool, tmp_path: Path) -> None:
    outcomes = kill_in(tmp_path, seed, wal=wal, rounds=20)
    assert set(outcomes) <= {"ok"}, "\n".join(outcomes)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("wal", [True, False])
def test_many_kills_at_a_call(wal: bool, tmp_path: Path) -> None:
    total: dict[str, int] = {}
    for seed in seeds(200, 20):
        for outcome, count in kill_in(tmp_path / str(seed), seed, wal=wal, rounds=50).items():
            total[outcome] = total.get(outcome, 0) + count
    tell(f"death at a call, log {wal}", total)
    assert set(total) <= {"ok"}, "\n".join(total)
