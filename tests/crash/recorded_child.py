"""A process that lives through a random history while its calls are recorded.

Usage: recorded_child.py PATH SEED WAL CONTENTS. Marks ``open``, ``begin``, ``done`` and ``flushed`` in the
record, and writes what the shard held after 0, 1, 2, ... updates to the file CONTENTS. Applying a snapshot is an update
that is durable when it returns.
"""

from __future__ import annotations

import os
import pickle
import random
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from history import small_files
from recorded_disk import mark
from workload import Layout, carry_out, dump, random_update

import edgeshard

UPDATES = 30
INDEXED = [("n", "Integer"), ("k", "Keyword"), ("f", "Float"), ("flag", "Bool"), ("text", "Text"), ("when", "Datetime")]


class Life:
    """One history of a shard.

    Args:
        path: the shard.
        seed: makes the choices.
        wal: with a log.
    """

    def __init__(self, path: Path, seed: int, *, wal: bool) -> None:
        self.path = os.fspath(path)
        self.rng, self.chores = random.Random(seed), random.Random(seed + 1)
        self.layout = Layout(self.rng)
        self.config = self.layout.config(edgeshard) if wal else self.layout.config(edgeshard, wal_enabled=False)
        self.archive: tuple[Path, Any] | None = None
        self.contents: list[Any] = [{}]

    def run(self) -> None:
        """Create, update, close."""
        self.shard = edgeshard.EdgeShard.create(self.path, self.config)
        mark("flushed")
        for _ in range(UPDATES):
            mark("begin")
            carry_out(edgeshard, self.shard, random_update(self.rng, self.layout))
            mark("done")
            self.contents.append(dump(edgeshard, self.shard))
            self.chore()
        self.shard.close()
        mark("flushed")

    def chore(self) -> None:
        """Sometimes flush, reopen, optimise, index, or go back to a snapshot."""
        roll = self.chores.random()
        if roll < 0.15:
            self.shard.flush()
            mark("flushed")
        elif roll < 0.20:
            self.shard.close()
            mark("flushed")
            self.shard = edgeshard.EdgeShard.load(self.path)
        elif roll < 0.26:
            self.shard.optimize()
        elif roll < 0.32:
            field, kind = self.chores.choice(INDEXED)
            schema = getattr(edgeshard.PayloadSchemaType, kind)
            self.shard.update(edgeshard.UpdateOperation.create_field_index(field, schema))
        elif roll < 0.40:
            self.snapshot()

    def snapshot(self) -> None:
        """Pack one, or apply the one there is."""
        if self.archive is None:
            archive = Path(self.path + ".snapshot")
            self.shard.create_snapshot(archive)
            self.archive = archive, self.contents[-1]
            return
        mark("begin")
        self.shard.update_from_snapshot(self.archive[0], force=True)
        mark("done")
        mark("flushed")
        self.contents.append(self.archive[1])
        self.archive = None


def main() -> None:
    path, seed, wal, contents = sys.argv[1:]
    life = Life(Path(path), int(seed), wal=wal == "wal")
    warnings.simplefilter("ignore")
    with small_files(life.chores):
        life.run()
    Path(contents).write_bytes(pickle.dumps(life.contents))


if __name__ == "__main__":
    main()
