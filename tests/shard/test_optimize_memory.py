"""optimize() gives back the memory of the rows it has read."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard.shard import heap

DIM, POINTS = 512, 6000


def mapped_kb() -> int:
    """Memory of this process that holds pages of files."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssFile"):
            return int(line.split()[1])
    raise LookupError("RssFile")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("rounds", [1, 2], ids=["from an appendable segment", "from an optimised one as well"])
def test_rows_that_were_read_do_not_stay_in_memory(tmp_path: Path, rounds: int) -> None:
    """Neither the inputs' nor the output's are mapped while the graph is built, nor at the end."""
    settings = es.EdgeConfig(
        vectors=es.EdgeVectorParams(DIM, es.Distance.Dot),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1000, default_segment_number=1),
    )
    rows = np.random.default_rng(1).normal(size=(POINTS, DIM)).astype(np.float32)
    parts = np.array_split(np.arange(POINTS, dtype=np.uint64), rounds)
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        for part in parts[:-1]:
            shard.update(es.UpdateOperation.upsert_batch(part, rows[part]))
            shard.optimize()
        shard.update(es.UpdateOperation.upsert_batch(parts[-1], rows[parts[-1]]))
        shard.flush()
        before, seen = mapped_kb(), list[int]()

        def progress(step: str, share: float) -> None:
            if step == "graph":
                seen.append(mapped_kb() - before)

        assert shard.optimize(on_progress=progress)
        seen.append(mapped_kb() - before)
        found = shard.retrieve([0, POINTS - 1], False, True)
        np.testing.assert_array_equal([record.vector for record in found], rows[[0, -1]])
    assert len(seen) > 1
    assert max(seen) < rows.nbytes // 1024 // 2


def own_kb() -> int:
    """Memory of this process that holds pages of no file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise LookupError("RssAnon")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of the allocator of glibc")
def test_what_was_freed_goes_back_to_the_system(tmp_path: Path) -> None:
    dim, points = 64, 40_000
    settings = es.EdgeConfig(
        vectors=es.EdgeVectorParams(dim, es.Distance.Dot),
        hnsw_config=es.HnswIndexConfig(m=8, ef_construct=16, full_scan_threshold=10),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1000, default_segment_number=1),
    )
    rows = np.random.default_rng(1).normal(size=(points, dim)).astype(np.float32)
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        shard.update(es.UpdateOperation.upsert_batch(np.arange(points), rows, [{"n": i} for i in range(points)]))
        shard.update(es.UpdateOperation.create_field_index("n", es.PayloadSchemaType.Integer))
        shard.flush()
        shard.optimize()
        left = own_kb()
        heap.give_back()
        assert left - own_kb() < 4 << 10
