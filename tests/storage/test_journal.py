"""A journal that was emptied stays so, whatever a power loss makes of the truncation; damage is told."""

from __future__ import annotations

import os
import random
import zlib
from pathlib import Path
from typing import Any

import msgspec
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


def test_a_journal_that_is_needed_keeps_its_name(opened: Journal) -> None:
    assert opened.become(opened.root / "other") == -1
    assert not (opened.root / "other").exists()
    opened.close(remove=False)
    assert journal.recover(opened.root) == 2


@pytest.mark.parametrize("content", [b"", b"\1\2\3\4" * 500])
def test_a_journal_that_became_something_else_is_empty_under_its_old_name(content: bytes, opened: Journal) -> None:
    other = opened.root / "other"
    opened.reset()
    fd = opened.become(other)
    os.pwrite(fd, content, HEADER_BYTES)
    os.close(fd)
    assert not opened.path.exists()
    opened.path.write_bytes(other.read_bytes())  # what is left if only the content reached the disk
    (opened.root / "data").write_bytes(bytes(3000))
    assert journal.recover(opened.root) == 0
    assert (opened.root / "data").read_bytes() == bytes(3000)
    append(opened, 3)  # it goes on in a new file
    assert other.read_bytes()[HEADER_BYTES:] == content
    opened.close(remove=True)
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


def write_record(root: Path, **changes: Any) -> None:
    """A journal of one record, as nobody's flush need have written it."""
    empty = {"segments": {}, "sizes": {}, "writes": [], "replacements": {}, "removals": []}
    body = msgspec.msgpack.encode({**empty, **changes})
    record = journal.RECORD.pack(len(body), zlib.crc32(body), 0) + body
    (root / journal.NAME).write_bytes(journal.header(0) + record)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with symbolic links out of it, to a directory and to a file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim").write_bytes(b"keep me")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "victim")
    return root


@pytest.mark.parametrize(
    "changes",
    [
        {"writes": [["link/victim", 0, b"x"]]},
        {"writes": [["link/new", 0, b"x"]]},
        {"replacements": {"link/victim": b"x"}},
        {"removals": ["link/victim"]},
        {"writes": [["file", 0, b"x"]]},
        {"writes": [["./file", 0, b"x"]]},
    ],
)
def test_symbolic_links_lead_nowhere(changes: dict[str, Any], root: Path) -> None:
    write_record(root, **changes)
    with pytest.raises(CorruptedError, match="symbolic link"):
        journal.recover(root)
    outside = root.parent / "outside"
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("victim", b"keep me")]


def test_links_themselves_are_replaced_and_removed(root: Path) -> None:
    """As readers' copies need it, which link to large files."""
    (root / "other").symlink_to(root.parent / "outside" / "victim")
    write_record(root, replacements={"file": b"x"}, removals=["other"])
    assert journal.recover(root) == 1
    assert (root / "file").read_bytes() == b"x"
    assert not (root / "file").is_symlink()
    assert not (root / "other").is_symlink()
    assert (root.parent / "outside" / "victim").read_bytes() == b"keep me"


def test_a_shard_behind_a_link_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    write_record(tmp_path / "alias", writes=[["data", 0, b"x"]])
    assert journal.recover(tmp_path / "alias") == 1
    assert (tmp_path / "real" / "data").read_bytes() == b"x"


@pytest.mark.parametrize(
    "changes",
    [
        {"writes": [["data", 2**63, b"x"]]},
        {"writes": [["data", 2**63 - 1, b"x"]]},
        {"writes": [["data", -1, b"x"]]},
        {"writes": [["data", 0, b"x"]], "sizes": {"data": 2**63}},
        {"writes": [["../data", 0, b"x"]]},
        {"removals": [""]},
    ],
)
def test_impossible_places_are_told(changes: dict[str, Any], tmp_path: Path) -> None:
    write_record(tmp_path, **changes)
    with pytest.raises(CorruptedError, match="record 0 of the journal"):
        journal.recover(tmp_path)
