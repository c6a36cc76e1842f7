"""A process that interrupts each of its own long calls with Ctrl-C.

Usage: interrupted_child.py PATH. Prints ``NAME SECONDS`` for each call, how late it raised ``KeyboardInterrupt``, or
``NAME finished``. After each the shard must hold what it did.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from campaign import SLOWER

import edgeshard
from edgeshard import EdgeShard, PayloadSchemaType, Query, QueryBatchRequest, QueryRequest, UpdateOperation

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background starts without
POINTS, SIZE = 20_000 // SLOWER, 128
DELAY_SECONDS = 0.15


def interrupted(call: Callable[[], Any]) -> float | None:
    """Send a signal into a call; how late it was noticed, None if the call was done before."""
    sent: list[float] = []
    over = threading.Event()

    def send() -> None:
        if not over.wait(DELAY_SECONDS):
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        call()
        over.set()
        sender.join()
    except KeyboardInterrupt:
        late = time.monotonic() - sent[0]
        sender.join()
        return late
    return None


def main() -> None:
    warnings.simplefilter("ignore")
    path = Path(sys.argv[1])
    optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=10)
    codes = edgeshard.ProductQuantizationConfig(compression=edgeshard.CompressionRatio.X16)
    params = edgeshard.EdgeVectorParams(size=SIZE, distance=edgeshard.Distance.Dot, quantization_config=codes)
    shard = EdgeShard.create(path, edgeshard.EdgeConfig(vectors={"": params}, optimizers=optimizers))
    rows = np.random.default_rng(1).random((POINTS, SIZE), dtype=np.float32)
    payloads = [{"k": f"c{number % 6}"} for number in range(POINTS)]
    shard.update(UpdateOperation.upsert_batch(np.arange(POINTS, dtype=np.uint64), {"": rows}, payloads))
    shard.update(UpdateOperation.create_field_index("k", PayloadSchemaType.Keyword))
    exact = edgeshard.SearchParams(exact=True)
    searches = [QueryRequest(query=Query.Nearest(row), limit=10, params=exact) for row in rows[:4000]]
    graph_searches = [QueryRequest(query=Query.Nearest(row), limit=10) for row in np.tile(rows, (3, 1))]
    everything = edgeshard.ScrollRequest(limit=POINTS, with_payload=True, with_vector=True)
    calls: dict[str, Callable[[], Any]] = {
        "exact": lambda: shard.query_batch(QueryBatchRequest(searches)),
        "scroll": lambda: [[record.vector for record in shard.scroll(everything)[0]] for _ in range(20)],
        "optimize": lambda: shard.optimize(threads=1),
        "build": shard.optimize,
        "graph": lambda: shard.query_batch(QueryBatchRequest(graph_searches)),
        "snapshot": lambda: [shard.create_snapshot(path.with_suffix(".snapshot")) for _ in range(50)],
        "verify": shard.verify,
    }
    for name, call in calls.items():
        if name == "graph":
            shard.optimize()
        late = interrupted(call)
        assert shard.count(edgeshard.CountRequest()) == POINTS
        print(name, "finished" if late is None else f"{late:.3f}", flush=True)
    shard.update(UpdateOperation.delete_points([1, 2]))
    shard.close()
    with EdgeShard.load(path) as again:
        assert again.count(edgeshard.CountRequest()) == POINTS - 2


if __name__ == "__main__":
    main()
