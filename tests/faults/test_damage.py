"""Any file of a closed shard may be damaged: a clean error that names it, or right answers; never a crash."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import edgeshard

CHILD = Path(__file__).parent / "damage_child.py"


def make_shard(mod: Any, path: Path) -> None:
    """A shard with every kind of file: an immutable segment with graph, codes and indexes, and an appendable one."""
    rng = random.Random(5)
    config = mod.EdgeConfig(
        vectors={
            "d": mod.EdgeVectorParams(size=16, distance=mod.Distance.Cosine),
            "m": mod.EdgeVectorParams(
                size=4,
                distance=mod.Distance.Dot,
                multivector_config=mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim),
            ),
        },
        sparse_vectors={"s": mod.EdgeSparseVectorParams()},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=8),
    )
    shard = mod.EdgeShard.create(path, config)
    for field, kind in (("n", "Integer"), ("k", "Keyword"), ("t", "Text"), ("f", "Float")):
        shard.update(mod.UpdateOperation.create_field_index(field, getattr(mod.PayloadSchemaType, kind)))
    for stage in range(2):
        shard.update(mod.UpdateOperation.upsert_points([point(mod, rng, stage * 400 + i) for i in range(300)]))
        if not stage:
            shard.optimize()
            shard.update(mod.UpdateOperation.delete_points([3, 5, 7]))
    shard.close()


def point(mod: Any, rng: random.Random, number: int) -> Any:
    """A point with all vectors and some payload."""
    vectors = {
        "d": [rng.uniform(-1, 1) for _ in range(16)],
        "m": [[rng.uniform(-1, 1) for _ in range(4)] for _ in range(rng.randint(1, 3))],
        "s": mod.SparseVector(sorted(rng.sample(range(40), 4)), [rng.uniform(0.1, 2) for _ in range(4)]),
    }
    payload = {
        "n": rng.randint(0, 9),
        "k": rng.choice(["red", "green", "blue"]),
        "t": " ".join(rng.choices(["one", "two", "three", "four"], k=3)),
        "f": rng.uniform(-5, 5),
        "l": rng.randbytes(rng.choice([2, 200])).hex(),
    }
    return mod.Point(number, vectors, payload)


def run_cases(engine: str, shard: Path, scratch: Path, first: int, count: int, verify: bool = False) -> list[str]:
    """``outcome kind file detail`` of every case; a child that dies is started again behind the case."""
    lines: list[str] = []
    number, stop = first, first + count
    environment = {**os.environ, "EDGESHARD_TEST_VERIFY": "1" if verify else "0"}
    while number < stop:
        folder = scratch / str(number)
        folder.mkdir(parents=True)
        command = [sys.executable, str(CHILD), engine, str(shard), str(folder), str(number), str(stop - number)]
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        cases: dict[int, str] = {}
        for line in child.stdout.splitlines():
            word, case, rest = line.split(" ", 2)
            if word == "case":
                number, cases[int(case)] = int(case), rest
            else:
                outcome, _, detail = rest.partition(" ")
                lines.append(f"{outcome} {cases.pop(int(case))} {detail}")
        assert cases or child.returncode == 0, child.stderr[-2000:]
        lines += [f"died({child.returncode}) {rest} {child.stderr[-300:]}" for rest in cases.values()]
        number += 1
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    return lines


BAD = ("died", "raised", "silent", "unnamed")


def bad(lines: list[str]) -> list[str]:
    """The cases that broke the promise."""
    return [line for line in lines if line.startswith(BAD)]


def test_damage(tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard")
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", 0, 120, verify=True)
    assert not bad(lines), "\n".join(bad(lines))
    assert Counter(line.split()[0] for line in lines)["refused"] > 20


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_much_damage(tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard")
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", 1000, 2000, verify=True)
    assert not bad(lines), "\n".join(bad(lines))
