"""A process that works on a shard until it is killed, reporting every update that returned.

Usage: killed_child.py PATH SEED WAL. Prints ``ok N`` after update N of the random history and ``flushed N`` after a
flush that covers N updates. With ``EDGESHARD_TEST_KILL=N,STYLE`` in the environment it dies at call N that changes the
disk (see ``simulated_disk.FaultyDisk``).
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from simulated_disk import killing_disk
from workload import Layout, carry_out, random_update

import edgeshard
from edgeshard.storage import files


def main() -> None:
    path, seed, wal = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "wal"
    rng, chores = random.Random(seed), random.Random(seed + 1)
    layout = Layout(rng)
    config = layout.config(edgeshard) if wal else layout.config(edgeshard, wal_enabled=False)
    shard = edgeshard.EdgeShard.create(path, config)
    if "EDGESHARD_TEST_KILL" in os.environ:
        at, style = os.environ["EDGESHARD_TEST_KILL"].split(",")
        files.use_disk(killing_disk(int(at), style))
    print("open", flush=True)
    for done in range(1, 100_000):
        carry_out(edgeshard, shard, random_update(rng, layout))
        print(f"ok {done}\n", end="", flush=True)
        roll = chores.random()
        if roll < 0.08:
            shard.flush()
            print(f"flushed {done}\n", end="", flush=True)
        elif roll < 0.10:
            shard.close()
            print(f"flushed {done}\n", end="", flush=True)
            shard = edgeshard.EdgeShard.load(path)
        elif roll < 0.12:
            shard.optimize()
        elif roll < 0.16:
            shard.optimize(background=True)


if __name__ == "__main__":
    main()
