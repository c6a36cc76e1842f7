"""``check`` compares indexes with payloads: values of another type than an index holds are no damage to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard
from edgeshard import EdgeShard

VALUES: dict[str, Callable[[int], Any]] = {
    "integers": lambda i: i - 20,
    "integers beyond 63 bits": lambda i: (1 << 63) + i,
    "integers that round": lambda i: (1 << 62) + (i * i % 40) * 100,
    "fractions": lambda i: i + 0.5,
    "whole fractions": float,
    "words": lambda i: f"w{i % 5}",
    "UUIDs": lambda i: str(uuid.UUID(int=i)),
    "dates": lambda i: f"2024-01-{i % 28 + 1:02d}",
    "arrays": lambda i: [i, i + 1],
}
KINDS = ("Keyword", "Integer", "Float", "Datetime", "Uuid", "Bool", "Geo", "Text")


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("mod", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def test_every_kind_of_index_over_values_of_every_type(mod: Any, values: str, tmp_path: Path) -> None:
    """Large integers once ended it with a TypeError; fractions, and integers under dates, were missed in ranges."""
    config = mod.EdgeConfig(
        vectors=mod.EdgeVectorParams(64, mod.Distance.Dot), optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1)
    )
    shard, ops = mod.EdgeShard.create(str(tmp_path / "shard"), config), mod.UpdateOperation
    schemas = {kind: getattr(mod.PayloadSchemaType, kind) for kind in KINDS}
    schemas |= {f"Integer{n}": mod.IntegerIndexParams(lookup=not n, range=bool(n)) for n in range(2)}
    for field, schema in schemas.items():
        shard.update(ops.create_field_index(field, schema))
    rows = [mod.Point(i, [float(i)] * 64, dict.fromkeys(schemas, VALUES[values](i))) for i in range(40)]
    shard.update(ops.upsert_points(rows))
    assert shard.optimize()
    shard.update(ops.upsert_points(rows[:10]))
    shard.close()
    assert EdgeShard.check(tmp_path / "shard") == []
    assert EdgeShard.repair(tmp_path / "shard") == []
