"""What checksums cost: creating a shard, loading it in bulk and closing it, with them and without.

The two take turns in random order, each way twice per round, so that the spread between two runs of the same kind,
which is printed beside, tells how much of a difference is noise. Loading in bulk and closing at once is the least
favourable case: nothing is indexed, and every file is new.

    python benchmarks/checksums.py [rounds] [directory]

The directory is a temporary one unless given; one in memory (``/dev/shm``) shows CPU time best. What it does not show:
other engines, which have none.
"""

from __future__ import annotations

import gc
import json
import random
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import edgeshard as es
from harness import RESULTS, load_pypi, scratch

BATCH = 10_000
Load = tuple[np.ndarray, list[dict[str, Any]] | None]


def loads() -> dict[str, Load]:
    """What is loaded: real embeddings with their payloads, and small vectors with small ones."""
    vectors, payloads, _ = load_pypi()
    rows = np.random.default_rng(0).random((20_000, 64), np.float32)
    small = [{"n": number, "k": "red", "t": "one two three"} for number in range(len(rows))]
    return {
        f"{len(vectors)} x {vectors.shape[1]}, payloads": (vectors, payloads),
        f"{len(vectors)} x {vectors.shape[1]}": (vectors, None),
        "20000 x 64, payloads": (rows, small),
    }


def seconds(path: Path, load: Load, *, checksums: bool) -> tuple[float, float]:
    """CPU and wall seconds of one load."""
    vectors, payloads = load
    es.options.keep_checksums = checksums
    shutil.rmtree(path, ignore_errors=True)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    shard = es.EdgeShard.create(path, es.EdgeConfig(vectors=es.EdgeVectorParams(vectors.shape[1], es.Distance.Cosine)))
    for start in range(0, len(vectors), BATCH):
        part = slice(start, start + BATCH)
        ids = np.arange(start, start + len(vectors[part]), dtype=np.uint64)
        shard.update(es.UpdateOperation.upsert_batch(ids, vectors[part], None if payloads is None else payloads[part]))
    shard.close()
    return time.process_time() - cpu, time.perf_counter() - wall


def middle(values: list[float]) -> float:
    """The mean without the slower half: a busy machine only adds."""
    return statistics.mean(sorted(values)[: max(1, len(values) // 2)])


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    results = []
    with scratch() as folder:
        path = Path(sys.argv[2] if len(sys.argv) > 2 else folder) / "checksums-benchmark"
        for name, load in loads().items():
            times: dict[tuple[bool, int], list[tuple[float, float]]] = {
                (on, n): [] for on in (True, False) for n in (0, 1)
            }
            for number in range(rounds + 1):
                for on, n in random.sample(list(times), len(times)):
                    taken = seconds(path, load, checksums=on)
                    if number:  # the first round imports and warms up
                        times[on, n].append(taken)
            for clock, what in enumerate(("CPU", "wall")):
                runs = {key: [taken[clock] for taken in value] for key, value in times.items()}
                on, off = (middle(runs[key, 0] + runs[key, 1]) for key in (True, False))
                noise = max(abs(middle(runs[key, 0]) / middle(runs[key, 1]) - 1) for key in (True, False))
                print(
                    f"{name:<28} {what:<4} {off * 1e3:8.1f} ms, with checksums {100 * (on / off - 1):+.2f} %"
                    f" (two runs of a kind differ by up to {100 * noise:.2f} %; wanted: < 2 %)",
                    flush=True,
                )
                results.append(
                    {"what": name, "clock": what, "without_ms": off * 1e3, "share": on / off - 1, "noise": noise}
                )
            shutil.rmtree(path, ignore_errors=True)
    (RESULTS / "checksums.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
