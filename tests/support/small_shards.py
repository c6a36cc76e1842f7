"""A small shard in either engine, for tests of snapshots."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import qdrant_edge

import edgeshard


def upsert(mod: Any, ids: Any, tag: str) -> Any:
    points = [mod.Point(i, [1.0, 2.0, 3.0, float(i % 7)], {"k": i % 5, "tag": tag}) for i in ids]
    return mod.UpdateOperation.upsert_points(points)


def content(shard: Any) -> dict[Any, Any]:
    """Payload and vector of every point of a shard of either engine."""
    mod = edgeshard if isinstance(shard, edgeshard.EdgeShard) else qdrant_edge
    request = mod.ScrollRequest(limit=100_000, with_payload=True, with_vector=True)
    return {record.id: (record.payload, record.vector) for record in shard.scroll(request)[0]}


def small_config(mod: Any, size: int = 4) -> Any:
    return mod.EdgeConfig(
        vectors=mod.EdgeVectorParams(size=size, distance=mod.Distance.Dot),
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1),
    )


def copy_shard(source: Path, target: Path) -> Path:
    """Copy a closed shard, or a part of one, in place of another, holes as holes; where it is now."""
    shutil.rmtree(target, ignore_errors=True)
    if subprocess.run(["cp", "-a", "--sparse=always", source, target], capture_output=True).returncode:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    return target
