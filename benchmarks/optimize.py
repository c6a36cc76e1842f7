"""What optimize() costs, beside qdrant-edge-py: processor time and memory of builds, of new points and of vacuums.

Every row runs in a process of its own per engine: CPU seconds of all threads, and by how much the process grew at most
while it optimised (its peak resident size less that before, pages of mapped files included). Recall@10 is that of 200
queries with ef 64, against an exact search of the same shard.

    python benchmarks/optimize.py [--n 30000] [--dim 128 --clustered]

* ``build``: 95 % of the points, no payload index.
* ``build, two keyword indexes``: the same with two indexed fields of 20 and 12 values and a full_scan_threshold of
  1,000 KB, so that every value gets links of its own.
* ``add 5 %``: the other points go into the optimised shard.
* ``delete 15 %``: and some are deleted; the threshold of the vacuum is 10 %.
* ``load``: vectors placed Cold: by how much a process grows that loads the optimised shard, and 100 queries later.

What it does not show: time on the wall (graph.py --threads), other processes' share of the machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness import Table, load_pypi, scratch

K, EF, QUERIES = 10, 64, 200
ENGINES = ("edgeshard", "qdrant_edge")


def clustered(count: int, dim: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """``count`` rows around 1,000 centres of two levels, and queries of the same kind."""
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(30, dim))
    centres = groups[rng.integers(0, 30, 1000)] + 0.7 * rng.normal(size=(1000, dim))
    total = count + QUERIES
    rows = centres[rng.integers(0, 1000, total)] + 0.5 * rng.normal(size=(total, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows[:count], rows[count:]


def data(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    if options.clustered:
        return clustered(options.n or 100_000, options.dim)
    rows, _, queries = load_pypi(options.n)
    return rows, queries[:QUERIES]


def memory_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def upsert(mod: Any, shard: Any, rows: np.ndarray, first: int) -> None:
    for start in range(0, len(rows), 1000):
        part = rows[start : start + 1000]
        ids = range(first + start, first + start + len(part))
        points = [
            mod.Point(i, row, {"a": f"a{i % 20}", "b": f"b{i // 7 % 12}"}) for i, row in zip(ids, part, strict=True)
        ]
        shard.update(mod.UpdateOperation.upsert_points(points))


def nearest(mod: Any, shard: Any, queries: np.ndarray, params: Any) -> list[set[int]]:
    found = []
    for query in queries:
        request = mod.QueryRequest(query=mod.Query.Nearest(query), limit=K, params=params)
        found.append({int(hit.id) for hit in shard.query(request)})
    return found


def optimise(mod: Any, shard: Any, queries: np.ndarray) -> dict[str, float]:
    """CPU seconds, MB and recall of one optimisation."""
    shard.flush()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, started = memory_kb("VmRSS"), cpu_s()
    shard.optimize()
    spent, peak = cpu_s() - started, memory_kb("VmHWM") - before
    truth = nearest(mod, shard, queries, mod.SearchParams(exact=True))
    found = nearest(mod, shard, queries, mod.SearchParams(hnsw_ef=EF))
    recall = sum(len(a & b) for a, b in zip(truth, found, strict=True)) / (K * len(queries))
    return {"cpu_s": spent, "peak_mb": peak / 1024, "recall": recall}


def load(mod: Any, path: str, queries: np.ndarray) -> dict[str, float]:
    """MB by which this process grows."""
    before = memory_kb("VmRSS")
    shard = mod.EdgeShard.load(path)
    loaded = memory_kb("VmRSS") - before
    nearest(mod, shard, queries[:100], mod.SearchParams(hnsw_ef=EF))
    return {"loaded_mb": loaded / 1024, "searched_mb": (memory_kb("VmRSS") - before) / 1024}


def child(mod: Any, path: str, indexed: bool, rows: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """All steps with one engine."""
    memory = mod.Memory.Cold if indexed else None
    config = mod.EdgeConfig(
        vectors=mod.EdgeVectorParams(size=rows.shape[1], distance=mod.Distance.Cosine, memory=memory),
        hnsw_config=mod.HnswIndexConfig(16, 100, 1000 if indexed else 10_000),
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1000, deleted_threshold=0.1, default_segment_number=2),
    )
    shard = mod.EdgeShard.create(path, config)
    first = int(0.95 * len(rows))
    if indexed:
        for field in ("a", "b"):
            shard.update(mod.UpdateOperation.create_field_index(field, mod.PayloadSchemaType.Keyword))
    upsert(mod, shard, rows[:first], 0)
    results = {"build": optimise(mod, shard, queries)}
    if not indexed:
        upsert(mod, shard, rows[first:], first)
        results["add 5 %"] = optimise(mod, shard, queries)
        gone = np.random.default_rng(1).choice(len(rows), int(0.15 * len(rows)), replace=False)
        shard.update(mod.UpdateOperation.delete_points([int(point) for point in gone]))
        results["delete 15 %"] = optimise(mod, shard, queries)
    shard.close()
    return results


def run(engine: str, indexed: bool, arguments: list[str]) -> dict[str, dict[str, float]]:
    """Results of a child process."""
    with scratch() as folder:
        command = [sys.executable, __file__, *arguments, "--child", engine, "--path", f"{folder}/shard"]
        if indexed:
            command.append("--indexed")
        found = last_line(command)
        if indexed:
            found["load"] = last_line([*command, "--load"])
    return found


def last_line(command: list[str]) -> Any:
    """What a child prints last."""
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=None)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--clustered", action="store_true", help="made-up data instead of pypi30k (default 100,000)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--indexed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        rows, queries = data(options)
        if options.load:
            print(json.dumps(load(__import__(options.child), options.path, queries)))
            return
        print(json.dumps(child(__import__(options.child), options.path, options.indexed, rows, queries)))
        return
    table = Table("optimize-clustered" if options.clustered else "optimize")
    for indexed in (False, True):
        ours, theirs = (run(engine, indexed, sys.argv[1:]) for engine in ENGINES)
        for key, what in (("loaded_mb", "load, Cold: memory"), ("searched_mb", "load, Cold: memory after 100 queries")):
            if indexed:
                table.row(what, ours["load"][key], theirs["load"][key], "MB", ">= 1x")
        for step in [step for step in ours if step != "load"]:
            name = f"{step}, two keyword indexes" if indexed else step
            target = {"build": ">= 4x" if indexed else ">= 2x"}.get(step, "> 1x")
            table.row(f"{name}: CPU", ours[step]["cpu_s"], theirs[step]["cpu_s"], "s", target)
            table.row(f"{name}: peak memory", ours[step]["peak_mb"], theirs[step]["peak_mb"], "MB", ">= 1x")
            recalls = ours[step]["recall"], theirs[step]["recall"]
            table.row(f"{name}: recall@10, ef {EF}", *recalls, "", "", more_is_better=True)
    table.save()


if __name__ == "__main__":
    main()
