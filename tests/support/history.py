"""A recorded life of a shard: what it held after every update, and what had been promised at every moment."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulated_disk import FaultyDisk, Killed, SimulatedDisk, UnsyncedDisk
from workload import Layout, assert_same, carry_out, dump, random_update, same

import edgeshard
from edgeshard.segment import files as segment_files
from edgeshard.shard import store
from edgeshard.storage import checkpoint, chunked, files

Contents = dict[Any, tuple[Any, Any]]

INDEXED = (("n", "Integer"), ("k", "Keyword"), ("flag", "Bool"), ("f", "Float"))
"""Payload fields of the workload that histories index."""


class History:
    """What happened to a shard, in step with the changes of its disk.

    Attributes:
        disk: what carried out the changes.
        contents: the shard after 0, 1, 2, ... updates.
        started: updates begun.
        done: updates that returned.
        flushed: updates done when the last flush returned.
        marks: ``(changes so far, flushed, started)`` whenever one of these grew.
    """

    def __init__(self, disk: SimulatedDisk | FaultyDisk) -> None:
        self.disk = disk
        self.contents: list[Contents] = []
        self.started = self.done = self.flushed = 0
        self.marks: list[tuple[int, int, int]] = []

    def begin(self) -> None:
        """Note that an update begins."""
        self.started = self.done + 1
        self.marks.append((self.disk.changes, self.flushed, self.started))

    def flush(self) -> None:
        """Note that all updates so far have been flushed."""
        self.flushed = self.done
        self.marks.append((self.disk.changes, self.flushed, self.started))

    def bounds(self, changes: int) -> tuple[int, int]:
        """The fewest and the most updates that may be there if the power went after that many changes."""
        return max((flushed, started) for at, flushed, started in self.marks if at <= changes)

    @property
    def created(self) -> int:
        """Changes after which the shard exists."""
        return self.marks[0][0]


@contextmanager
def disk_in_place(disk: files.Disk) -> Iterator[None]:
    """Use another disk for a while."""
    before = files.use_disk(disk)
    try:
        yield
    finally:
        files.use_disk(before)


@contextmanager
def small_files(rng: random.Random) -> Iterator[None]:
    """Make files small at random, so that a short history rolls over, grows and checkpoints."""
    changes = [
        (checkpoint, "JOURNAL_LIMIT_BYTES", rng.choice([16 << 20, 20_000])),
        (checkpoint, "INLINE_FRESH_BYTES", rng.choice([1 << 20, 1000, 0])),
        (chunked, "CHUNK_BYTES", rng.choice([32 << 20, 1024])),
        (segment_files, "PAYLOAD_PAGE_BYTES", rng.choice([32 << 20, 1 << 20])),
        (store, "DEFAULT_CAPACITY_BYTES", rng.choice([32 << 20, 8192])),
    ]
    before = [getattr(module, name) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(changes, before, strict=True):
            setattr(module, name, value)


def change_names(rng: random.Random) -> Any:
    """An operation that creates or deletes a vector name."""
    ops = edgeshard.UpdateOperation
    name = rng.choice(["extra", "more"])
    if rng.random() < 0.4:
        return ops.delete_vector_name(name)
    if name == "more":
        return ops.create_sparse_vector(name)
    return ops.create_dense_vector(name, 3, edgeshard.Distance.Dot)


def record(base: Path, seed: int, *, wal: bool, updates: int = 30) -> History:
    """Live through a random history in ``base / "shard"``."""
    history = History(SimulatedDisk(base))
    live(history, base / "shard", seed, wal=wal, updates=updates)
    return history


def live(history: History, path: Path, seed: int, *, wal: bool, updates: int, dumps: bool = True) -> None:
    """Create a shard, update it at random, and close it; the same for the same seed."""
    rng, chores = random.Random(seed), random.Random(seed + 1)
    layout = Layout(rng)
    with small_files(chores), disk_in_place(history.disk):
        config = layout.config(edgeshard) if wal else layout.config(edgeshard, wal_enabled=False)
        shard = edgeshard.EdgeShard.create(path, config)
        history.contents.append({})
        history.flush()
        try:
            for _ in range(updates):
                history.begin()
                if chores.random() < 0.06:
                    shard.update(change_names(chores))
                else:
                    carry_out(edgeshard, shard, random_update(rng, layout))
                history.done += 1
                if dumps:
                    history.contents.append(dump(edgeshard, shard))
                shard = chore(history, shard, chores)
            shard.close()
        except Killed:
            abandon(shard)
            raise
        history.flush()


def abandon(shard: Any) -> None:
    """Let go of a shard as the death of the process does: nothing more is written, the lock is gone."""
    shard._ending.detach()
    shard._store.lock._close()
    shard._store.closed = True


def chore(history: History, shard: Any, chores: random.Random) -> Any:
    """Sometimes flush, reopen, optimise or index; the shard, perhaps opened anew."""
    roll = chores.random()
    if roll < 0.15:
        shard.flush()
        history.flush()
    elif roll < 0.20:
        path = shard.path
        shard.close()
        history.flush()
        shard = edgeshard.EdgeShard.load(path)
    elif roll < 0.25:
        shard.optimize()
    elif roll < 0.30:
        field, kind = chores.choice(INDEXED)
        create = edgeshard.UpdateOperation.create_field_index
        shard.update(create(field, getattr(edgeshard.PayloadSchemaType, kind)))
    return shard


def check_consistent(shard: Any) -> Contents:
    """The contents of a shard whose counts, filters and indexes must agree with them."""
    contents = dump(edgeshard, shard)
    assert shard.count(edgeshard.CountRequest()) == len(contents)
    assert shard.info().points_count == len(contents)
    for key, value in (("n", 3), ("k", "red"), ("flag", True), ("n", 0), ("k", "a b")):
        condition = edgeshard.FieldCondition(key=key, match=edgeshard.MatchValue(value))
        found = shard.count(edgeshard.CountRequest(filter=edgeshard.Filter(must=[condition])))
        expected = sum(type(p.get(key)) is type(value) and p.get(key) == value for _, p in contents.values())
        assert found == expected, f"{key} == {value!r}: counted {found}, payloads say {expected}"
    return contents


def check_state(path: Path, contents: list[Contents], least: int, most: int) -> str:
    """Load what a crash left and compare it with the promise.

    Args:
        path: the shard.
        contents: what it held after 0, 1, 2, ... updates.
        least: updates that must be there.
        most: updates that may be there.

    Returns:
        ``"ok"``, or which promise is broken.
    """
    with disk_in_place(UnsyncedDisk()):
        shard = edgeshard.EdgeShard.load(path)
        found = check_consistent(shard)
        shard.close()
        if not any(equal(found, older) for older in contents[least : most + 1]):
            return explain(found, contents, least, most)
        with edgeshard.EdgeShard.load(path) as again:
            assert_same(dump(edgeshard, again), found)
    return "ok"


def equal(left: Contents, right: Contents) -> bool:
    """Whether two shards hold the same."""
    return left.keys() == right.keys() and all(same(left[point], right[point]) for point in left)


def explain(found: Contents, contents: list[Contents], least: int, most: int) -> str:
    """Which promise was broken."""
    for updates, older in enumerate(contents):
        if equal(found, older):
            return f"lost: holds {updates} updates, {least} to {most} were promised"
    known = contents[least : most + 1]
    for point, value in found.items():
        if not any(point in older and same(value, older[point]) for older in known):
            return f"torn: point {point} never was {str(value)[:200]} between {least} and {most}"
    return f"disordered: every point was so at some time between {least} and {most}, but not together"


__all__ = ["History", "Killed", "abandon", "check_consistent", "check_state", "disk_in_place", "live", "record"]
