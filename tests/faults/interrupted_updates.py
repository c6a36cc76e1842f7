"""A process that interrupts its own updates and flushes at random moments, hundreds of times.

Usage: interrupted_updates.py PATH SEED ROUNDS. After each interruption an update is there whole or not at all; after
each round a copy of the directory, as a killed process would leave it, must load to what memory held. Prints how many
interruptions there were.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import edgeshard
from edgeshard import EdgeShard, Point, UpdateOperation

INTERRUPTIONS = 60


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def contents(shard: EdgeShard) -> list[Any]:
    return [(point.id, point.payload) for point in shard.scroll(edgeshard.ScrollRequest(limit=100))[0]]


def work(shard: EdgeShard, rng: random.Random, done: int) -> int:
    """Update until a signal comes; how many updates returned."""
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00005, 0.003))
        while True:
            shard.update(UpdateOperation.set_payload([1], {"n": done + 1}))
            done += 1
            if rng.random() < 0.02:
                shard.flush()
            if rng.random() < 0.3:
                shard.update(UpdateOperation.upsert_points([Point(2, [2.0] * 4, {"m": done})]))
    except KeyboardInterrupt:
        return done


def one_round(path: Path, rng: random.Random) -> None:
    log = rng.random() < 0.7
    vectors = {"": edgeshard.EdgeVectorParams(size=4, distance=edgeshard.Distance.Dot)}
    shard = EdgeShard.create(path, edgeshard.EdgeConfig(vectors=vectors, wal_enabled=log))
    shard.update(UpdateOperation.upsert_points([Point(i, [1.0] * 4, {"n": 0}) for i in range(20)]))
    done = 0
    for _ in range(INTERRUPTIONS):
        done = work(shard, rng, done)
        found = shard.retrieve([1])[0].payload["n"]
        assert found in (done, done + 1), f"{found} after {done} updates"
        done = found
    if not log:
        shard.flush()
    copy = path.with_name("copy")
    shutil.copytree(path, copy)
    with EdgeShard.load(copy) as again:
        assert contents(again) == contents(shard)
    shard.close()
    shutil.rmtree(copy)
    shutil.rmtree(path)


def main() -> None:
    warnings.simplefilter("error", RuntimeWarning)  # nothing may be said to be lost or unreadable
    signal.signal(signal.SIGALRM, interrupt)
    rng = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        one_round(Path(sys.argv[1]), rng)
    print(int(sys.argv[3]) * INTERRUPTIONS)


if __name__ == "__main__":
    main()
