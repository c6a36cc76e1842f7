"""Ingest through Point objects while payload indexes are kept current, beside qdrant-edge-py.

What it does not show: how well each engine uses the indexes (queries.py), or building immutable ones (optimize()).
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, load_pypi, scratch

BATCH = 1000
"""Points per update."""


def with_every_kind(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payloads with values for the kinds of index they lack."""
    rng = random.Random(1)
    return [
        {
            **payload,
            "place": {"lon": rng.uniform(-180, 180), "lat": rng.uniform(-80, 80)},
            "key": str(uuid.UUID(int=rng.getrandbits(128))),
            "stable": rng.random() < 0.5,
            "parts": [{"size": rng.randrange(100)} for _ in range(3)],
        }
        for payload in payloads
    ]


def indexes(mod: Any, *, every: bool) -> dict[str, Any]:
    """Fields to index and how."""
    types = mod.PayloadSchemaType
    three = {"first": types.Keyword, "rank": types.Integer, "month": types.Datetime}
    if not every:
        return three
    more = {"tags": types.Keyword, "bucket": types.Float, "place": types.Geo, "key": types.Uuid, "stable": types.Bool}
    return {**three, **more, "summary": mod.TextIndexParams(), "parts[].size": types.Integer}


def ingest(mod: Any, path: Path, vectors: np.ndarray, payloads: list[dict[str, Any]], *, every: bool) -> float:
    """Points per second, the flush at the end included."""
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=mod.EdgeVectorParams(384, mod.Distance.Cosine)))
    ops = mod.UpdateOperation
    for field, kind in indexes(mod, every=every).items():
        shard.update(ops.create_field_index(field, kind))
    started = time.perf_counter()
    for at in range(0, len(vectors), BATCH):
        rows = zip(vectors[at : at + BATCH], payloads[at : at + BATCH], strict=True)
        shard.update(ops.upsert_points([mod.Point(p["id"], row, p) for row, p in rows]))
    shard.flush()
    spent = time.perf_counter() - started
    shard.close()
    return len(vectors) / spent


def main(limit: int | None = None) -> None:
    vectors, payloads, _ = load_pypi(limit)
    payloads = with_every_kind(payloads)
    table = Table("indexed_ingest")
    for every, what, target in ((False, "three field indexes", "2.5x"), (True, "every kind of index", "1.5x")):
        rates = []
        for mod in (edgeshard, qdrant_edge):
            with scratch() as root:
                rates.append(ingest(mod, Path(root, "shard"), vectors, payloads, every=every))
        table.row(f"ingest, {what}", *rates, "p/s", target, more_is_better=True)
    table.save()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
