"""A recorded life of a shard: what it held after every update, and what had been promised at every moment."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulated_disk import SimulatedDisk
from workload import Layout, assert_same, carry_out, dump, random_update, same

import edgeshard
from edgeshard.segment import files as segment_files
from edgeshard.shard import store
from edgeshard.storage import checkpoint, chunked, files

Contents = dict[Any, tuple[Any, Any]]

INDEXED = (("n", "Integer"), ("k", "Keyword"), ("flag", "Bool"), ("f", "Float"))
"""Payload fields of the workload that histories index."""


class History:
    """What happened to a shard, in step with the events of its disk.

    Attributes:
        disk: what recorded the writes.
        contents: the shard after 0, 1, 2, ... updates.
        marks: ``(events so far, "started" | "flushed", updates)``, in order.
    """

    def __init__(self, disk: SimulatedDisk) -> None:
        self.disk = disk
        self.contents: list[Contents] = []
        self.marks: list[tuple[int, str, int]] = []

    def mark(self, kind: str) -> None:
        """Note that an update begins, or that all so far have been flushed."""
        self.marks.append((len(self.disk.events), kind, len(self.contents) - 1))

    def bounds(self, events: int) -> tuple[int, int]:
        """The fewest and the most updates that may be there if the power went after that many events."""
        least = most = 0
        for at, kind, updates in self.marks:
            if kind == "flushed" and at <= events:
                least = updates
            if kind == "started" and at <= events:
                most = updates + 1
        return least, max(least, most)

    @property
    def created(self) -> int:
        """Events after which the shard exists."""
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
    rng, chores = random.Random(seed), random.Random(seed + 1)
    layout = Layout(rng)
    history = History(SimulatedDisk(base))
    with small_files(chores), disk_in_place(history.disk):
        config = layout.config(edgeshard) if wal else layout.config(edgeshard, wal_enabled=False)
        shard = edgeshard.EdgeShard.create(base / "shard", config)
        history.contents.append({})
        history.mark("flushed")
        for _ in range(updates):
            history.mark("started")
            if chores.random() < 0.06:
                shard.update(change_names(chores))
            else:
                carry_out(edgeshard, shard, random_update(rng, layout))
            history.contents.append(dump(edgeshard, shard))
            shard = chore(history, shard, chores)
        shard.close()
        history.mark("flushed")
    return history


def chore(history: History, shard: Any, chores: random.Random) -> Any:
    """Sometimes flush, reopen, optimise or index; the shard, perhaps opened anew."""
    roll = chores.random()
    if roll < 0.15:
        shard.flush()
        history.mark("flushed")
    elif roll < 0.20:
        path = shard.path
        shard.close()
        history.mark("flushed")
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


def check_state(path: Path, history: History, events: int) -> str:
    """Load what a crash left and compare it with the promise; what happened, ``"ok"`` if it is kept."""
    least, most = history.bounds(events)
    shard = edgeshard.EdgeShard.load(path)
    contents = check_consistent(shard)
    shard.close()
    for updates in range(most, least - 1, -1):
        if equal(contents, history.contents[min(updates, len(history.contents) - 1)]):
            break
    else:
        return explain(contents, history, least, most)
    with edgeshard.EdgeShard.load(path) as again:
        assert_same(dump(edgeshard, again), contents)
    return "ok"


def equal(left: Contents, right: Contents) -> bool:
    """Whether two shards hold the same."""
    return left.keys() == right.keys() and all(same(left[point], right[point]) for point in left)


def explain(contents: Contents, history: History, least: int, most: int) -> str:
    """Which promise was broken."""
    for updates, older in enumerate(history.contents):
        if equal(contents, older):
            return f"lost: holds {updates} updates, {least} to {most} were promised"
    known = history.contents[least : most + 1]
    for point, value in contents.items():
        if not any(point in older and same(value, older[point]) for older in known):
            return f"torn: point {point} never was {str(value)[:200]} between {least} and {most}"
    return f"disordered: every point was so at some time between {least} and {most}, but not together"


__all__ = ["History", "check_consistent", "check_state", "disk_in_place", "record"]
