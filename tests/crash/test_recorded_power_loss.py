"""Power loss once more, from a record of the calls the process really made instead of those it says it makes."""

from __future__ import annotations

import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from campaign import seeds, tell
from history import check_state
from recorded_disk import Recording, compile_recorder, run_recorded
from simulated_disk import PowerLoss, crash_points

CHILD = Path(__file__).parent / "recorded_child.py"
STYLES = ("nothing", "everything", "names", "sectors", "pages")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorder."""
    try:
        return compile_recorder(tmp_path_factory.mktemp("recorder"))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the recorder cannot be compiled, so calls are NOT recorded from outside: {error}")


def bounds(recording: Recording, events: int) -> tuple[int, int]:
    """The fewest and the most updates that may be there if the power went after that many events; (-1, -1) before the
    shard was created."""
    least, done, started = -1, 0, 0
    for at, text in recording.marks:
        if at > events:
            break
        if text == "begin":
            started = done + 1
        elif text == "done":
            done = started
        else:
            least = done
    return (least, started) if least >= 0 else (-1, -1)


def record(base: Path, library: Path, seed: int, *, wal: bool) -> tuple[Recording, list[Any]]:
    """One history: the record, and what the shard held after every update."""
    live = base / "live"
    live.mkdir(parents=True)
    command = [sys.executable, str(CHILD), str(live / "shard"), str(seed), "wal" if wal else "bare"]
    recording = run_recorded([*command, str(base / "contents")], live, base / "log", library)
    shutil.rmtree(live)
    return recording, pickle.loads((base / "contents").read_bytes())


def judge(target: Path, loss: PowerLoss, contents: list[Any], bounds: tuple[int, int], rng: random.Random) -> str:
    """Make one state and load it."""
    style = rng.choice(STYLES)
    loss.state(target, rng, style)
    try:
        outcome = check_state(target / "shard", contents, *bounds)
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    shutil.rmtree(target, ignore_errors=True)
    return outcome if outcome == "ok" else f"{style}: {outcome}"


def lose_power(base: Path, library: Path, seed: int, *, wal: bool, states: int) -> dict[str, int]:
    """Record one history and judge what power losses leave of it; outcomes and how often each."""
    rng = random.Random(seed + 2)
    recording, contents = record(base, library, seed, wal=wal)
    loss = PowerLoss(recording)
    outcomes: dict[str, int] = {}
    for events in crash_points(len(recording.events), states, rng):
        least, most = bounds(recording, events)
        if least < 0:
            continue
        loss.advance(events)
        outcome = judge(base / f"lost-{events}", loss, contents, (least, most), rng)
        if outcome != "ok":
            outcome = f"seed {seed} wal {wal} events {events} {outcome}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


@pytest.mark.parametrize("wal", [True, False])
def test_recorded_power_loss(wal: bool, library: Path, tmp_path: Path) -> None:
    outcomes = lose_power(tmp_path, library, 1, wal=wal, states=15)
    assert set(outcomes) == {"ok"}, "\n".join(outcomes)


@pytest.mark.parametrize(("seed", "wal"), [(60003, True), (950008, False)])
def test_power_loss_while_a_snapshot_is_applied(seed: int, wal: bool, library: Path, tmp_path: Path) -> None:
    recording, contents = record(tmp_path, library, seed, wal=wal)
    commits = [
        number
        for number, event in enumerate(recording.events)
        if event.kind == "rename" and event.arguments[0] == ".edgeshard-commit"
    ]
    assert commits
    loss, rng = PowerLoss(recording), random.Random(0)
    for events in range(commits[0] - 2, commits[0] + 24):
        loss.advance(events)
        for attempt in range(4):
            outcome = judge(tmp_path / f"{events}-{attempt}", loss, contents, bounds(recording, events), rng)
            assert outcome == "ok", f"after {events} events, {outcome}"


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("wal", [True, False])
def test_many_recorded_power_losses(wal: bool, library: Path, tmp_path: Path) -> None:
    total: dict[str, int] = {}
    for seed in seeds(100, 20):
        for outcome, count in lose_power(tmp_path / str(seed), library, seed, wal=wal, states=30).items():
            total[outcome] = total.get(outcome, 0) + count
    tell(f"power loss, recorded calls, log {wal}", total)
    assert set(total) == {"ok"}, "\n".join(total)
