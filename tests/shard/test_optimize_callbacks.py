"""What functions of the caller raise while a shard is optimised is what the call raises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es

RAISED = [OSError("the terminal is gone"), es.StorageError("mine"), es.CorruptedError("mine", "x"), KeyError("mine")]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("asked", ["on_progress", "cancel"])
@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
def test_what_a_function_of_the_caller_raises(tmp_path: Path, raised: Exception, asked: str, background: bool) -> None:
    def fail(*given: Any) -> bool:
        raise raised

    config = es.EdgeConfig(
        vectors=es.EdgeVectorParams(4, es.Distance.Dot), optimizers=es.EdgeOptimizersConfig(indexing_threshold=1)
    )
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        rows = np.random.default_rng(0).random((2000, 4), np.float32)
        shard.update(es.UpdateOperation.upsert_batch(np.arange(2000, dtype=np.uint64), rows))
        with pytest.raises(type(raised)) as caught:
            if background:
                shard.optimize(background=True, **{asked: fail}).result(60)
            else:
                shard.optimize(**{asked: fail})
        assert caught.value is raised
        assert shard.optimize()
        assert shard.count(es.CountRequest()) == 2000
        assert shard.verify() == []
