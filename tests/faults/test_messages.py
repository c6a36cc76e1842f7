"""Refusals of values that cannot be shown whole, or claim to be what they are not: of the right type, and short."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es

OPS = es.UpdateOperation


def deep() -> Any:
    value: Any = {}
    for _ in range(100_000):
        value = {"a": [value]}
    return value


class Long(list[Any]):
    def __len__(self) -> int:
        return 1 << 62


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[es.EdgeShard]:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))
    with es.EdgeShard.create(tmp_path / "shard", config) as opened:
        opened.update(OPS.upsert_points([es.Point(1, [1.0, 2.0], {"n": 1})]))
        yield opened


TAKERS: list[Callable[[es.EdgeShard, Any], Any]] = [
    lambda shard, value: es.Point(value, [1.0, 2.0]),
    lambda shard, value: shard.retrieve([value]),
    lambda shard, value: shard.retrieve(value),
    lambda shard, value: shard.update(value),
    lambda shard, value: shard.update(OPS.delete_points([value])),
    lambda shard, value: shard.scroll(es.ScrollRequest(offset=value)),
    lambda shard, value: shard.count(es.CountRequest(filter=es.Filter(must=[es.HasIdCondition([value])]))),
    lambda shard, value: shard.optimize(cancel=value),
    lambda shard, value: shard.optimize(on_progress=value),
    lambda shard, value: shard.optimize(threads=value),
    lambda shard, value: shard.verify(value),
    lambda shard, value: shard.query(es.QueryRequest(query=value, limit=1)),
    lambda shard, value: es.EdgeShard.load(shard.path, verify=value),
    lambda shard, value: es.EdgeShard.load(shard.path, wait=value),
    lambda shard, value: shard.update(OPS.create_field_index("a", value)),
    lambda shard, value: shard.update(OPS.set_payload([1], {"a": 1}, value)),
]


VALUES: dict[str, Callable[[], Any]] = {
    "deep": deep,
    "long": lambda: "x" * 1_000_000,  # a fine path of a payload
    "list": lambda: ["y" * 1_000_000],
}
CASES = [(n, kind) for n in range(len(TAKERS)) for kind in VALUES if (n, kind) != (len(TAKERS) - 1, "long")]


@pytest.mark.parametrize(("number", "kind"), CASES)
def test_messages_are_short(shard: es.EdgeShard, number: int, kind: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        TAKERS[number](shard, VALUES[kind]())
    assert len(str(caught.value)) < 1000
    assert shard.retrieve([1])[0].payload == {"n": 1}


def test_what_claims_to_be_endless_is_refused(shard: es.EdgeShard) -> None:
    with pytest.raises(OverflowError, match="point_ids"):
        shard.update(OPS.delete_points(Long([1])))
    row = np.broadcast_to(np.float32(1), (1 << 40,))
    with pytest.raises(es.ValidationError, match="1099511627776"):
        es.Point(2, [1.0, 2.0], {"a": [{"b": row}]})
    assert shard.count(es.CountRequest()) == 1


def test_a_path_no_file_system_has(tmp_path: Path) -> None:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))
    path = tmp_path / ("x" * 10_000)
    for call in (
        lambda: es.EdgeShard.create(path, config),
        lambda: es.EdgeShard.load(path),
        lambda: es.EdgeShard.load(path, read_only=True),
        lambda: es.EdgeShard.check(path),
        lambda: es.EdgeShard.repair(path),
    ):
        with pytest.raises(es.StorageError) as caught:
            call()
        assert caught.value.errno == errno.ENAMETOOLONG
        assert len(str(caught.value)) < 1000


def test_waiting_for_a_lock_ends(shard: es.EdgeShard) -> None:
    for wrong in (float("nan"), "1", None):
        with pytest.raises((es.ValidationError, TypeError), match="wait"):
            es.EdgeShard.load(shard.path, wait=wrong)  # type: ignore[arg-type]
    for past in (0, -1, float("-inf"), np.float32(0.01)):
        with pytest.raises(es.LockedError):
            es.EdgeShard.load(shard.path, wait=past)  # type: ignore[arg-type]
