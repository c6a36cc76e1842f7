"""A process whose signal handler calls the shard that it interrupts, at random moments.

Usage: reentrant_child.py PATH SECONDS. Prints how many calls of the handler were refused and how many answered.
"""

from __future__ import annotations

import random
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import edgeshard
from edgeshard import CountRequest, EdgeShard, Point, Query, QueryRequest, ReentrantCallError, UpdateOperation


def main() -> None:
    warnings.simplefilter("ignore")
    optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=10)
    vectors = {"": edgeshard.EdgeVectorParams(size=8, distance=edgeshard.Distance.Dot)}
    shard = EdgeShard.create(Path(sys.argv[1]), edgeshard.EdgeConfig(vectors=vectors, optimizers=optimizers))
    rng, outcomes = random.Random(4), {"refused": 0, "answered": 0}
    points = [Point(i, [rng.random() for _ in range(8)], {"n": i % 5}) for i in range(500)]
    shard.update(UpdateOperation.upsert_points(points))
    calls = [
        lambda: shard.count(CountRequest()),
        lambda: shard.query(QueryRequest(query=Query.Nearest([1.0] * 8), limit=3)),
        lambda: shard.update(UpdateOperation.upsert_points(points[:3])),
        lambda: shard.optimize(),
        lambda: shard.flush(),
        lambda: shard.update(UpdateOperation.create_field_index("n", edgeshard.PayloadSchemaType.Integer)),
    ]

    for call in calls:  # imports what is imported late: Python has no answer to an import inside the same import
        call()

    def handler(*_: Any) -> None:
        try:
            rng.choice(calls)()
            outcomes["answered"] += 1
        except ReentrantCallError:
            outcomes["refused"] += 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    stop = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < stop:
        rng.choice(calls)()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert shard.count(CountRequest()) == 500
    shard.close()
    with EdgeShard.load(Path(sys.argv[1])) as again:
        assert again.count(CountRequest()) == 500
    print(outcomes["refused"], outcomes["answered"])


if __name__ == "__main__":
    main()
