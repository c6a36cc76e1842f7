"""A process that works on a shard until it is killed, reporting every update that returned.

Usage: killed_child.py PATH SEED. Prints ``ok N`` after update N of the random history, flushed at once.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from workload import Layout, carry_out, random_update

import edgeshard


def main() -> None:
    path, seed = Path(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    layout = Layout(rng)
    chores = random.Random(seed + 1)
    if (path / "segments").is_dir():
        shard = edgeshard.EdgeShard.load(path)
    else:
        shard = edgeshard.EdgeShard.create(path, layout.config(edgeshard))
    print("open", flush=True)
    for number in range(100_000):
        carry_out(edgeshard, shard, random_update(rng, layout))
        print("ok", number, flush=True)
        roll = chores.random()
        if roll < 0.08:
            shard.flush()
        elif roll < 0.10:
            shard.close()
            shard = edgeshard.EdgeShard.load(path)
        elif roll < 0.12:
            shard.optimize()


if __name__ == "__main__":
    main()
