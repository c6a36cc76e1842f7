"""How much of each long call leaves the GIL to other threads, beside qdrant-edge-py.

A thread and another process both wake every tenth of a millisecond and count; the share of a call is the ticks of the
thread over those of the process meanwhile, so that a busy machine slows both. A call that holds the GIL to its end has
0 %, one that runs Python code only a few (the thread gets its turn once per switch interval, 5 ms), one that waits or
computes without the GIL 100 %.

What it does not show: how long the caller itself waits when other threads do not give the GIL back.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, load_pypi, scratch

TICK_SECONDS = 1e-4
ROUNDS = 3


class Ticker:
    """A thread and a process that count how often they get to run."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._mine, self._theirs = spawn.RawValue("Q"), spawn.RawValue("Q")
        threading.Thread(target=tick, args=(self._mine,), daemon=True).start()
        spawn.Process(target=tick, args=(self._theirs,), daemon=True).start()
        while not self._theirs.value:
            time.sleep(0.01)

    def share(self, work: Callable[[], Any]) -> tuple[float, float]:
        """Ticks of the thread per tick of the process while ``work`` runs, and how many seconds that takes."""
        mine, theirs, started = self._mine.value, self._theirs.value, time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        return (self._mine.value - mine) / max(self._theirs.value - theirs, 1), seconds


def tick(count: Any) -> None:
    """Count up, again and again."""
    while True:
        time.sleep(TICK_SECONDS)
        count.value += 1


def calls(mod: Any, path: Path, vectors: np.ndarray, payloads: list[dict[str, Any]]) -> dict[str, Callable[[], Any]]:
    """The long calls of a shard of 30,000 points, in the order they are to be made."""
    size = vectors.shape[1]
    config = mod.EdgeConfig(vectors=mod.EdgeVectorParams(size=size, distance=mod.Distance.Cosine))
    points = [mod.Point(int(p["id"]), row, p) for p, row in zip(payloads, vectors, strict=True)]
    shard = mod.EdgeShard.create(str(path), config)
    operation = mod.UpdateOperation.upsert_points(points)
    exact = mod.SearchParams(exact=True)
    wanted = [p["id"] for p in payloads[:10_000]]

    exact_batch = mod.QueryBatchRequest(
        [mod.QueryRequest(query=mod.Query.Nearest(row), limit=10, params=exact) for row in vectors[:1000]]
    )
    batch = mod.QueryBatchRequest([mod.QueryRequest(query=mod.Query.Nearest(row), limit=10) for row in vectors[:1000]])

    def search() -> None:
        for row in vectors[:100]:
            shard.query(mod.QueryRequest(query=mod.Query.Nearest(row), limit=10, params=exact))

    def reload() -> None:
        nonlocal shard
        shard = mod.EdgeShard.load(str(path))

    condition = mod.FieldCondition(key="bucket", range=mod.RangeFloat(lt=50))
    return {
        "upsert 30,000 Point objects": lambda: shard.update(operation),
        "flush of 30,000 points": lambda: shard.flush(),
        "exact search, 100 calls": search,
        "exact search, a batch of 1,000": lambda: shard.query_batch(exact_batch),
        "scroll 10,000 with payload": lambda: shard.scroll(mod.ScrollRequest(limit=10_000, with_payload=True)),
        "retrieve 10,000 with vectors": lambda: shard.retrieve(wanted, True, True),
        "count, range without index": lambda: shard.count(mod.CountRequest(filter=mod.Filter(must=[condition]))),
        "create a payload index": lambda: shard.update(
            mod.UpdateOperation.create_field_index("bucket", mod.PayloadSchemaType.Integer)
        ),
        "optimize": lambda: shard.optimize(),
        "graph search, a batch of 1,000": lambda: shard.query_batch(batch),
        "close": lambda: shard.close(),
        "load": reload,
        "set a payload by filter": lambda: shard.update(
            mod.UpdateOperation.set_payload_by_filter(mod.Filter(must=[condition]), {"seen": True})
        ),
    }


def main() -> None:
    vectors, payloads, _ = load_pypi()
    table = Table("gil")
    ticker = Ticker()
    idle, _ = ticker.share(lambda: time.sleep(0.5))
    shares: dict[str, dict[Any, list[float]]] = {}
    for _ in range(ROUNDS):
        for mod in (edgeshard, qdrant_edge):
            with scratch() as folder:
                for what, call in calls(mod, Path(folder) / "shard", vectors, payloads).items():
                    share, _ = ticker.share(call)
                    shares.setdefault(what, {}).setdefault(mod, []).append(100 * share / idle)
    for what, found in shares.items():
        ours, theirs = (float(np.median(found[mod])) for mod in (edgeshard, qdrant_edge))
        table.row(what, ours, theirs, "%", ">= 66 %", more_is_better=True)
    table.save()


if __name__ == "__main__":
    main()
