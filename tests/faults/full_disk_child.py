"""A process whose files may not grow beyond a limit, which is lifted later.

Usage: full_disk_child.py PATH SEED LIMIT_BYTES. Exits with 0 and prints ``resumed`` if every refused update left the
shard as it was, and after the limit was lifted writing went on and everything is there.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import edgeshard
from edgeshard import EdgeShard, Point, UpdateOperation


def contents(shard: EdgeShard) -> dict[object, object]:
    """Payloads by id."""
    records, _ = shard.scroll(edgeshard.ScrollRequest(limit=1_000_000, with_payload=True))
    return {record.id: record.payload for record in records}


def main() -> None:
    path, seed, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    config = edgeshard.EdgeConfig(
        vectors={"": edgeshard.EdgeVectorParams(size=64, distance=edgeshard.Distance.Dot)},
        wal_enabled=None if seed % 2 else False,
    )
    shard = EdgeShard.create(path, config)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    model: dict[object, object] = {}
    refused = 0
    for number in range(60):
        if number == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        if number == 45:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        batch = {rng.randint(0, 20_000): {"text": rng.randbytes(400).hex()} for _ in range(600)}
        points = [Point(key, [rng.random()] * 64, payload) for key, payload in batch.items()]
        try:
            shard.update(UpdateOperation.upsert_points(points))
            model.update(batch)
            if rng.random() < 0.3:
                shard.flush()
        except edgeshard.StorageError:
            refused += 1
            assert number >= 5
            assert number < 45, "still refused after the limit was lifted"
        assert contents(shard) == model, f"after {number}"
    shard.close()
    with EdgeShard.load(path) as shard:
        assert contents(shard) == model
    print("resumed", refused)


if __name__ == "__main__":
    main()
