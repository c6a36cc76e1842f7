"""Shards made by the reference engine, and a bare executor of flush plans."""

import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as oracle

from edgeshard.storage.flush import FlushPlan


def run_plan(storage):
    """Flush one storage the way a shard does, without a journal."""
    plan = FlushPlan()
    storage.collect(plan)
    for path, offset, data in [*plan.fresh, *plan.changes]:
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data.tobytes())
    for path, data in plan.replacements.items():
        Path(path).write_bytes(data)
    for path in plan.removals:
        Path(path).unlink()
    plan.done()
    return plan


@pytest.fixture
def flush():
    return run_plan


class OracleShard:
    """A shard directory written by qdrant-edge-py, with the calls the tests need."""

    def __init__(self, path, **config):
        self.path = Path(path)
        self.path.mkdir()
        self.shard = oracle.EdgeShard.create(str(self.path), oracle.EdgeConfig(**config))

    def upsert(self, points):
        made = [oracle.Point(point_id, vector, {"n": n}) for n, (point_id, vector) in enumerate(points)]
        self.shard.update(oracle.UpdateOperation.upsert_points(made))

    def close(self):
        """Write everything and return the segment directories, largest first."""
        self.shard.flush()
        self.shard.close()
        return sorted((p for p in (self.path / "segments").iterdir()), key=_points, reverse=True)

    def reload(self):
        shutil.rmtree(self.path / "wal")  # it would repeat the last operation
        self.shard = oracle.EdgeShard.load(str(self.path))
        return self.shard

    def vectors(self, ids):
        return {p.id: p.vector for p in self.shard.retrieve(ids, with_payload=False, with_vector=True)}


def _points(segment):
    return sum(f.stat().st_size for f in segment.glob("*id_tracker.versions"))


@pytest.fixture
def make_shard(tmp_path):
    made = []

    def make(**config):
        made.append(OracleShard(tmp_path / f"shard{len(made)}", **config))
        return made[-1]

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def some_ids(count, seed=5):
    """Numbers and UUIDs, not in order."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice(10**9, count, replace=False).tolist()
    return [uuid.UUID(int=n << 90 | n) if n % 3 == 0 else n for n in numbers]


@pytest.fixture
def mixed_ids():
    return some_ids
