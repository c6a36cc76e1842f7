"""Everything before the last ``flush`` that returned survives a power loss; later updates survive in order, whole."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from campaign import seeds, tell
from history import check_state, record
from simulated_disk import PowerLoss, crash_points

STYLES = ("nothing", "everything", "names", "sectors", "pages")


def lose_power(base: Path, seed: int, *, wal: bool, states: int) -> dict[str, int]:
    """Record a history and load what ``states`` crashes during it leave; outcomes and how often each."""
    rng = random.Random(seed + 2)
    (base / "live").mkdir(parents=True)
    history = record(base / "live", seed, wal=wal)
    loss = PowerLoss(history.disk)
    outcomes: dict[str, int] = {}
    for events in crash_points(len(history.disk.events), states, rng):
        if events < history.created:
            continue
        loss.advance(events)
        target, style = base / f"lost-{events}", rng.choice(STYLES)
        loss.state(target, rng, style)
        try:
            outcome = check_state(target / "shard", history.contents, *history.bounds(events))
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        if outcome != "ok":
            outcome = f"seed {seed} wal {wal} events {events} {style}: {outcome}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        shutil.rmtree(target)
    return outcomes


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_power_loss(seed: int, wal: bool, tmp_path: Path) -> None:
    outcomes = lose_power(tmp_path, seed, wal=wal, states=12)
    assert set(outcomes) <= {"ok"}, "\n".join(outcomes)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("wal", [True, False])
def test_many_power_losses(wal: bool, tmp_path: Path) -> None:
    total: dict[str, int] = {}
    for seed in seeds(100, 20):
        for outcome, count in lose_power(tmp_path / str(seed), seed, wal=wal, states=30).items():
            total[outcome] = total.get(outcome, 0) + count
    tell(f"power loss, simulated disk, log {wal}", total)
    assert set(total) <= {"ok"}, "\n".join(total)
