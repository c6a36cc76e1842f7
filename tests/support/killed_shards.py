"""Small shards of dense vectors, what they hold, and what a kill leaves of them.

A kill is a copy of the directory: what a process has written is there whether it lives or not.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import edgeshard as es

OPS = es.UpdateOperation


def config(size: int = 2, **settings: Any) -> es.EdgeConfig:
    return es.EdgeConfig(vectors=es.EdgeVectorParams(size=size, distance=es.Distance.Dot), **settings)


def point(number: int, **payload: Any) -> es.Point:
    return es.Point(number, [float(number), 1.0], payload)


def put(shard: es.EdgeShard, *points: es.Point) -> None:
    shard.update(OPS.upsert_points(list(points)))


def rows(shard: es.EdgeShard) -> list[Any]:
    request = es.ScrollRequest(limit=10_000, with_vector=True, with_payload=True)
    return [(record.id, record.vector, record.payload) for record in shard.scroll(request)[0]]


def count(shard: es.EdgeShard) -> int:
    return shard.count(es.CountRequest())


def after_a_kill(path: Path) -> es.EdgeShard:
    copy = path.with_name(f"{path.name}-killed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    return es.EdgeShard.load(copy)


def name_of(fd: int) -> str:
    return os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))
