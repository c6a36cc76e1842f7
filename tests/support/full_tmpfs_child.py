"""A process that fills the file system its shard is on, until there is room again.

Usage: full_tmpfs_child.py ENGINE DIRECTORY SEED. A ballast file takes most of the room; updates go on until some are
refused, the ballast is removed, and writing must go on by itself. Prints ``resumed REFUSED`` if after every refusal the
shard held what it held before, reads worked throughout, and everything acknowledged is there after reopening.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from pathlib import Path
from typing import Any

NEEDED_REFUSALS = 3


def contents(mod: Any, shard: Any) -> dict[object, object]:
    """Payload and vector by id."""
    records, _ = shard.scroll(mod.ScrollRequest(limit=1_000_000, with_payload=True, with_vector=True))
    return {record.id: (record.payload["text"], list(record.vector)) for record in records}


def chores(shard: Any, rng: random.Random) -> None:
    """Sometimes flush or optimise."""
    roll = rng.random()
    if roll < 0.2:
        shard.flush()
    elif roll < 0.25:
        shard.optimize()


def main() -> None:
    mod = importlib.import_module(sys.argv[1])
    refusal = getattr(mod, "StorageError", Exception)
    directory, rng = Path(sys.argv[2]), random.Random(int(sys.argv[3]))
    logged = rng.random() < 0.7
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    ballast = directory / "ballast"
    ballast.write_bytes(bytes(free * 3 // 4))
    (directory / "shard").mkdir()
    config = mod.EdgeConfig(
        vectors={"": mod.EdgeVectorParams(size=32, distance=mod.Distance.Dot)},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=20),
        wal_enabled=None if logged else False,
    )
    shard = mod.EdgeShard.create(str(directory / "shard"), config)
    model: dict[object, object] = {}
    refused = resumed = 0
    for number in range(400):
        if refused >= NEEDED_REFUSALS and ballast.exists():
            ballast.unlink()
        batch = {
            rng.randint(0, 20_000): (rng.randbytes(300).hex(), [float(rng.randint(0, 99))] * 32) for _ in range(150)
        }
        points = [mod.Point(key, vector, {"text": text}) for key, (text, vector) in batch.items()]
        try:
            shard.update(mod.UpdateOperation.upsert_points(points))
        except refusal:
            refused += 1
            assert ballast.exists() or not resumed, f"update {number} is refused although there is room again"
        else:
            model.update(batch)
            resumed += not ballast.exists()
        try:
            chores(shard, rng)
            if not logged and number % 3 == 0:
                shard.flush()  # without a log nothing else needs room
        except refusal:
            refused += 1
        assert contents(mod, shard) == model, f"after update {number}"
        if resumed >= 5:
            break
    assert refused >= NEEDED_REFUSALS, f"the file system of {free} bytes never was full"
    shard.close()
    shard = mod.EdgeShard.load(str(directory / "shard"))
    assert contents(mod, shard) == model, "after reopening"
    shard.close()
    print("resumed", refused)


if __name__ == "__main__":
    main()
