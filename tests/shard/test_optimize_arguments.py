"""What optimize() refuses, before it does anything."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[es.EdgeShard]:
    settings = es.EdgeConfig(
        vectors=es.EdgeVectorParams(16, es.Distance.Dot),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=10),
    )
    with es.EdgeShard.create(tmp_path / "shard", settings) as opened:
        rows = np.random.default_rng(1).normal(size=(500, 16)).astype(np.float32)
        opened.update(es.UpdateOperation.upsert_batch(np.arange(500, dtype=np.uint64), rows))
        yield opened


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("threads", -1, ValueError),
        ("threads", 10**6, ValueError),
        ("threads", 2**70, ValueError),
        ("threads", "2", TypeError),
        ("threads", 1.5, TypeError),
        ("budget_ms", math.nan, ValueError),
        ("budget_ms", "5", TypeError),
        ("cancel", True, TypeError),
        ("on_progress", 5, TypeError),
    ],
)
def test_refused(shard: es.EdgeShard, argument: str, value: Any, error: type[Exception], background: bool) -> None:
    with pytest.raises(error, match=argument):
        shard.optimize(**{argument: value}, background=background)  # type: ignore[call-overload]
    assert shard.info().indexed_vectors_count == 0


@pytest.mark.parametrize(
    "given",
    [
        {"threads": 0},
        {"threads": np.int64(2)},
        {"threads": 1024},
        {"budget_ms": math.inf},
        {"budget_ms": np.float32(1e9)},
        {"cancel": multiprocessing.Event()},
        {"cancel": lambda: None},
    ],
)
def test_taken(shard: es.EdgeShard, given: dict[str, Any]) -> None:
    assert shard.optimize(**given)
    assert shard.info().indexed_vectors_count == 500


def test_no_budget_is_no_task(shard: es.EdgeShard) -> None:
    assert not shard.optimize(budget_ms=0)
    assert shard.info().indexed_vectors_count == 0
