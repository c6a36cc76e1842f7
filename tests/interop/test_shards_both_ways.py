"""Random shards written by one engine, changed by the other, read by both."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from workload import Layout, assert_same, carry_out, dump, random_update

import edgeshard

ROUNDS = 25


def other(mod: Any) -> Any:
    return qdrant_edge if mod is edgeshard else edgeshard


def history(seed: int, path: Path, first: Any, *, simple: bool = False) -> None:
    """One random history: each session is carried out by a random engine and checked by both."""
    rng = random.Random(seed)
    layout = Layout(rng, simple=simple)
    shard = first.EdgeShard.create(str(path), layout.config(first))
    model = edgeshard if first is qdrant_edge else qdrant_edge
    mirror = model.EdgeShard.create(str(path) + ".mirror", layout.config(model))
    mod = first
    for session in range(rng.randint(1, 4)):
        if session:
            mod = rng.choice([edgeshard, qdrant_edge])
            shard = mod.EdgeShard.load(str(path))
        for _ in range(rng.randint(1, 15)):
            update = random_update(rng, layout)
            accepted = carry_out(mod, shard, update)
            assert carry_out(model, mirror, update) == accepted, update
            if rng.random() < 0.15:
                shard.flush()
            if rng.random() < 0.05:
                shard.optimize()
        contents = dump(mod, shard)
        shard.close()
        assert_same(contents, dump(model, mirror))
        again = other(mod).EdgeShard.load(str(path))
        assert_same(contents, dump(other(mod), again))
        again.close()
    mirror.close()
    shutil.rmtree(path)
    shutil.rmtree(str(path) + ".mirror")


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("first", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def test_history(seed: int, first: Any, tmp_path: Path) -> None:
    history(seed, tmp_path / "shard", first)


@pytest.mark.long
@pytest.mark.parametrize("first", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def test_many_histories(first: Any, tmp_path: Path) -> None:
    for seed in range(1000, 1250):
        history(seed, tmp_path / "shard", first)
