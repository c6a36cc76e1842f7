"""A journal that was emptied stays so, whatever a power loss makes of the truncation; damage is told."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from edgeshard import CorruptedError
from edgeshard.storage import journal
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.journal import HEADER_BYTES, Journal

SECTOR = 512


def append(opened: Journal, value: int, size: int = 3000) -> None:
    plan = FlushPlan()
    plan.write(opened.root / "data", 0, np.full(size, value, np.uint8))
    opened.append(plan)


@pytest.fixture
def opened(tmp_path: Path) -> Journal:
    (tmp_path / "data").write_bytes(bytes(3000))
    fresh = Journal(tmp_path)
    append(fresh, 1)
    append(fresh, 2)
    return fresh


def test_a_journal_is_replayed(opened: Journal) -> None:
    opened.close(remove=False)
    assert journal.recover(opened.root) == 2
    assert (opened.root / "data").read_bytes() == b"\2" * 3000
    assert not opened.path.exists()


@pytest.mark.parametrize("seed", range(20))
def test_a_truncation_that_was_half_done(seed: int, opened: Journal) -> None:
    rng = random.Random(seed)
    before = opened.path.read_bytes()
    opened.reset()
    after = bytearray(opened.path.read_bytes()[:HEADER_BYTES] + before[HEADER_BYTES:])
    if rng.random() < 0.5:  # and the next flush was on its way
        append(opened, 3, rng.choice([100, 2000, 5000]))
        new = opened.path.read_bytes()
        after[: len(new)] = new
    for start in range(SECTOR, len(after), SECTOR):
        stop = min(start + SECTOR, len(after))
        if rng.random() < 0.5:
            after[start:stop] = rng.choice([bytes(stop - start), before[start:stop].ljust(stop - start, b"\0")])
    opened.path.write_bytes(after)
    opened.close(remove=False)
    assert journal.recover(opened.root) <= 1
    assert (opened.root / "data").read_bytes()[:100] in (bytes(100), b"\3" * 100)


@pytest.mark.parametrize("at", [0, 5, 9, 13, HEADER_BYTES + 1, HEADER_BYTES + 200])
def test_damage_is_told(at: int, opened: Journal) -> None:
    opened.close(remove=False)
    data = bytearray(opened.path.read_bytes())
    data[at] ^= 4
    opened.path.write_bytes(data)
    with pytest.raises(CorruptedError, match="journal"):
        journal.recover(opened.root)


@pytest.mark.parametrize("size", [0, 1, 8, 15])
def test_a_journal_that_was_being_made(size: int, tmp_path: Path) -> None:
    (tmp_path / journal.NAME).write_bytes(journal.header(0)[:size])
    assert journal.recover(tmp_path) == 0


def test_a_journal_of_an_old_build_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / journal.NAME).write_bytes(b"EDGEJRN1" + bytes(100))
    with pytest.raises(CorruptedError, match=r"open and close the shard with that build, or let EdgeShard\.repair"):
        journal.recover(tmp_path)
    assert (tmp_path / journal.NAME).exists()
