"""Ingest, single updates, flush, exact search, reads and load, beside qdrant-edge-py.

What it does not show: approximate search (graph.py), recovery times, or anything on disks slower than this machine's.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, load_pypi, median_ms, paired_ms, scratch

BATCH = 1000
WITH_BYTECODE = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Import times are those of an installed package, whose bytecode is cached."""


def config(mod: Any, size: int) -> Any:
    return mod.EdgeConfig(vectors=mod.EdgeVectorParams(size=size, distance=mod.Distance.Cosine))


Upsert: TypeAlias = "Callable[[Any, slice], Any]"
"""Makes the update operation of a module that writes a part of the data."""


def ingest(root: Path, size: int, count: int, writers: dict[str, tuple[Any, Upsert]]) -> dict[str, tuple[Any, float]]:
    """Fill a shard per writer, batch by batch in turn, so that all meet the same disk and the same garbage collector.

    Returns:
        Per writer its shard, still open, and how many points it wrote per second.
    """
    shards = {name: mod.EdgeShard.create(str(root / name), config(mod, size)) for name, (mod, _) in writers.items()}
    seconds = dict.fromkeys(writers, 0.0)
    os.sync()  # what was written before is not to be waited for here
    gc.collect()  # nor are its objects to be collected here
    for start in range(0, count, BATCH):
        for name, (mod, upsert) in writers.items():
            started = time.perf_counter()
            shards[name].update(upsert(mod, slice(start, start + BATCH)))
            seconds[name] += time.perf_counter() - started
    return {name: (shards[name], count / seconds[name]) for name in writers}


def measure_writes(table: Table, root: Path, vectors: np.ndarray, payloads: list[dict[str, Any]]) -> dict[Any, Any]:
    """Ingest, single upserts and flushes."""
    ids = np.array([payload["id"] for payload in payloads], np.uint64)
    ours, theirs = edgeshard.__name__, qdrant_edge.__name__

    def columns(mod: Any, part: slice) -> Any:
        return mod.UpdateOperation.upsert_batch(ids[part], vectors[part], payloads[part])

    for what, rows in (("numpy rows", list(vectors)), ("lists", vectors.tolist())):

        def points(mod: Any, part: slice, rows: Any = rows) -> Any:
            return mod.UpdateOperation.upsert_points(
                [mod.Point(int(p["id"]), row, p) for p, row in zip(payloads[part], rows[part], strict=True)]
            )

        writers: dict[str, tuple[Any, Upsert]] = {ours: (edgeshard, points), theirs: (qdrant_edge, points)}
        if what == "lists":
            writers["columns"] = (edgeshard, columns)
        (root / what).mkdir()
        found = ingest(root / what, vectors.shape[1], len(vectors), writers)
        rates = {name: rate for name, (_, rate) in found.items()}
        table.row(f"ingest as Point objects, {what}", rates[ours], rates[theirs], "p/s", ">= 3x", more_is_better=True)
    table.row(
        "ingest by columns (oracle: Points)", rates["columns"], rates[theirs], "p/s", ">= 8x", more_is_better=True
    )
    found["columns"][0].close()
    shards = {edgeshard: found[ours][0], qdrant_edge: found[theirs][0]}

    def single(mod: Any) -> Any:
        row, payload = rows[7], payloads[7]
        return lambda: shards[mod].update(mod.UpdateOperation.upsert_points([mod.Point(7, row, payload)]))

    ours, theirs = paired_ms(single(edgeshard), single(qdrant_edge), 400)
    table.row("single upsert", ours * 1e3, theirs * 1e3, "us", ">= 1.43x")

    def write_and_flush(mod: Any) -> float:
        single(mod)()
        started = time.perf_counter()
        shards[mod].flush()
        return time.perf_counter() - started

    for mod in (edgeshard, qdrant_edge):
        shards[mod].flush()
    times = [(write_and_flush(edgeshard), write_and_flush(qdrant_edge)) for _ in range(40)]
    table.row(
        "flush after one write",
        float(np.median([t[0] for t in times])) * 1e3,
        float(np.median([t[1] for t in times])) * 1e3,
        "ms",
        ">= 2x",
    )
    return shards


def measure_search(table: Table, shards: dict[Any, Any], vectors: np.ndarray, queries: np.ndarray) -> None:
    """Exact top-10, and how much two threads give."""
    position = dict.fromkeys(shards, 0)

    def search(mod: Any) -> Any:
        position[mod] += 1
        request = mod.QueryRequest(
            query=mod.Query.Nearest(queries[position[mod] % len(queries)]),
            limit=10,
            params=mod.SearchParams(exact=True),
        )
        return shards[mod].query(request)

    ours, theirs = paired_ms(lambda: search(edgeshard), lambda: search(qdrant_edge), 100)
    table.row("exact top-10", ours, theirs, "ms", ">= 1.5x")
    stream = median_ms(lambda: float(vectors.sum()), 20)
    print(f"  reading the same {vectors.nbytes >> 20} MiB with numpy.sum: {stream:.3f} ms")

    def throughput(mod: Any, threads: int) -> float:
        count = 200
        workers = [threading.Thread(target=lambda: [search(mod) for _ in range(count)]) for _ in range(threads)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return threads * count / (time.perf_counter() - started)

    gains = {}
    for mod in (edgeshard, qdrant_edge):  # one pair of runs says little on a machine that others use, too
        gains[mod] = float(np.median([throughput(mod, 2) / throughput(mod, 1) for _ in range(9)]))
    table.row(
        "2 threads over 1, exact search", gains[edgeshard], gains[qdrant_edge], "x", ">= 1.7", more_is_better=True
    )
    # A scan of this size stays on its caller's thread; the second core is for the second caller.
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(100):
        search(edgeshard)
    print(f"  cores one exact search keeps busy: {(time.process_time() - cpu) / (time.perf_counter() - wall):.2f}")


def measure_reads(table: Table, shards: dict[Any, Any]) -> None:
    """retrieve, scroll, count."""
    hundred = list(range(0, 10_000, 100))[:100]

    def compare(what: str, call: Any, target: str, repeat: int = 200) -> None:
        ours, theirs = paired_ms(lambda: call(edgeshard), lambda: call(qdrant_edge), repeat)
        table.row(what, ours * 1e3, theirs * 1e3, "us", target)

    compare("retrieve one, payload", lambda mod: shards[mod].retrieve([7], True, False), ">= 0.67x", 1000)
    compare("retrieve 100, payload", lambda mod: shards[mod].retrieve(hundred, True, False), ">= 2x")
    compare(
        "retrieve 100, payload read",
        lambda mod: [record.payload for record in shards[mod].retrieve(hundred, True, False)],
        ">= 2x",
    )
    compare(
        "scroll 100, payload", lambda mod: shards[mod].scroll(mod.ScrollRequest(limit=100, with_payload=True)), ">= 2x"
    )
    compare("count all", lambda mod: shards[mod].count(mod.CountRequest()), ">= 50x")

    def filtered(mod: Any) -> int:
        condition = mod.Filter(must=[mod.FieldCondition(key="bucket", range=mod.RangeFloat(lt=10))])
        return shards[mod].count(mod.CountRequest(filter=condition))

    compare("count, range without index", filtered, ">= 2x", 10)


def measure_start(table: Table, root: Path, shards: dict[Any, Any]) -> None:
    """load, memory after it, import time, import and load of a new process."""
    paths = {mod: str(root / "lists" / mod.__name__) for mod in shards}
    for shard in shards.values():
        shard.close()

    times = {mod: [] for mod in shards}
    for _ in range(7):
        for mod in shards:
            started = time.perf_counter()
            shard = mod.EdgeShard.load(paths[mod])
            times[mod].append(time.perf_counter() - started)
            shard.close()
    ours, theirs = (float(np.median(times[mod])) * 1e3 for mod in (edgeshard, qdrant_edge))
    table.row("load", ours, theirs, "ms", ">= 5x")
    code = (
        "import sys, numpy, {m} as m\n"
        "s = m.EdgeShard.load(sys.argv[1])\n"
        "print(next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    )
    rss = {
        mod: int(subprocess.check_output([sys.executable, "-c", code.format(m=mod.__name__), paths[mod]]))
        for mod in shards
    }
    table.row("RSS after load", rss[edgeshard] / 1024, rss[qdrant_edge] / 1024, "MiB", ">= 1x")
    for what, then, target in (
        ("import beyond numpy", "", "< 25 ms"),
        ("import and first load", "; {m}.EdgeShard.load(sys.argv[1])", ">= 1x"),
    ):
        code = "import numpy, sys, time; t = time.perf_counter(); import {m}" + then
        code += "\nprint((time.perf_counter() - t) * 1e3)"
        start = {}
        for mod in shards:
            command = [sys.executable, "-c", code.format(m=mod.__name__), paths[mod]]
            times = [float(subprocess.check_output(command, env=WITH_BYTECODE)) for _ in range(7)]
            start[mod] = float(np.median(times))
        table.row(what, start[edgeshard], start[qdrant_edge], "ms", target)


def main() -> None:
    vectors, payloads, queries = load_pypi()
    table = Table("engine")
    with scratch() as folder:
        root = Path(folder)
        shards = measure_writes(table, root, vectors, payloads)
        measure_search(table, shards, vectors, queries)
        measure_reads(table, shards)
        measure_start(table, root, shards)
    table.save()


if __name__ == "__main__":
    main()
