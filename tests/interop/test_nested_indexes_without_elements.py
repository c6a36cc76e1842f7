"""Indexes of the elements of an array where no point has one: optimised, opened by both engines, and changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard

MODULES = (qdrant_edge, edgeshard)


def make(mod: Any, path: Path, kind: str, payload: dict[str, Any]) -> None:
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1)
    config = mod.EdgeConfig(vectors=mod.EdgeVectorParams(8, mod.Distance.Dot), optimizers=optimizers)
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), config)
    schema = getattr(mod, f"{kind}IndexParams")(nested="arr")
    shard.update(mod.UpdateOperation.create_field_index("arr[].u", schema))
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(n, [1.0] * 8, payload) for n in range(40)]))
    shard.optimize()
    shard.close()


def counts(mod: Any, path: Path) -> list[int]:
    """What conditions leave, before and after a point with elements came."""
    shard, found = mod.EdgeShard.load(str(path)), []
    for _ in range(2):
        for condition in (
            mod.IsEmptyCondition("arr[].u"),
            mod.FieldCondition("arr[].u", is_empty=False),
            mod.FieldCondition("arr[].u", match=mod.MatchValue("x")),
            mod.NestedCondition("arr", mod.Filter(must=[mod.IsEmptyCondition("u")])),
        ):
            found.append(shard.count(mod.CountRequest(filter=mod.Filter(must=[condition]))))
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(99, [1.0] * 8, {"arr": [{"u": "x"}, {}]})]))
    shard.update(mod.UpdateOperation.delete_points([99]))
    shard.close()
    return found


@pytest.mark.parametrize("kind", ["Keyword", "Integer", "Float", "Datetime", "Uuid", "Bool", "Geo", "Text"])
@pytest.mark.parametrize("payload", [{}, {"arr": []}, {"arr": 3}, {"arr": [5]}], ids=str)
def test_no_elements(kind: str, payload: dict[str, Any], tmp_path: Path) -> None:
    for mod in MODULES:
        make(mod, tmp_path / mod.__name__, kind, payload)
    answers = [counts(opened, tmp_path / made.__name__) for made in MODULES for opened in MODULES]
    assert answers == [answers[0]] * 4
