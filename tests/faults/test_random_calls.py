"""Random calls of everything public: a clean error or correct behaviour, and a shard that goes on."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from campaign import seeds, tell
from random_calls import CLEAN, Caller, new_shard
from workload import assert_same, dump

import edgeshard
from edgeshard import EdgeShard


def call_at_random(path: Path, seed: int, count: int) -> dict[str, int]:
    """Make calls; how many were carried out and how many refused."""
    rng = random.Random(seed)
    shard, caller = new_shard(path), Caller(edgeshard, rng)
    outcomes = {"done": 0, "refused": 0}
    for number in range(count):
        using = number > 300 and rng.random() < 0.4
        name, call = caller.use(shard) if using else caller.make()
        before = dump(edgeshard, shard) if name == "update" else None
        try:
            call()
            outcomes["done"] += 1
        except CLEAN:
            outcomes["refused"] += 1
            if before is not None:
                assert_same(dump(edgeshard, shard), before)
        except Exception as error:
            text = f"call {number} of seed {seed}, {name}: {type(error).__name__}: {error}"
            raise AssertionError(text[:500]) from error
        if number % 1000 == 999:
            contents = dump(edgeshard, shard)
            shard.close()
            shard = EdgeShard.load(path)
            assert_same(dump(edgeshard, shard), contents)
    assert shard.verify() == []
    shard.close()
    return outcomes


@pytest.mark.parametrize("seed", range(2))
def test_random_calls(seed: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = call_at_random(tmp_path / "shard", seed, 3000)
    assert min(outcomes.values()) > 300


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_random_calls(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds(100, 20):
            tell(f"random calls, seed {seed}", call_at_random(tmp_path / str(seed), seed, 20_000))
