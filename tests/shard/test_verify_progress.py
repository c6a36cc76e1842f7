"""Long looks at a shard tell how far they are, and read payloads a block at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard.shard import verify, verify_indexes
from edgeshard.shard.verify_indexes import VALUES, Held

POINTS = 3000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed shard of two segments with an index of words and one of integers."""
    monkeypatch.setattr(verify, "BLOCK", 500)
    monkeypatch.setattr(verify_indexes, "BLOCK", 500)
    config = es.EdgeConfig(
        vectors=es.EdgeVectorParams(4, es.Distance.Dot), optimizers=es.EdgeOptimizersConfig(indexing_threshold=1)
    )
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        for field, kind in (("word", es.PayloadSchemaType.Keyword), ("number", es.PayloadSchemaType.Integer)):
            shard.update(es.UpdateOperation.create_field_index(field, kind))
        rows = np.random.default_rng(1).random((POINTS, 4), np.float32)
        for first in (0, POINTS // 2):
            ids = np.arange(first, first + POINTS // 2, dtype=np.uint64)
            payloads = [{"word": f"w{number % 50}", "number": int(number)} for number in ids]
            shard.update(es.UpdateOperation.upsert_batch(ids, rows[: len(ids)], payloads))
            if not first:
                assert shard.optimize()
    return tmp_path / "shard"


def test_steps_go_from_nothing_to_all(path: Path) -> None:
    told: dict[str, list[float]] = {}
    assert es.EdgeShard.check(path, on_progress=lambda step, share: told.setdefault(step, []).append(share)) == []
    assert list(told) == ["checksums", "points", "indexes", "graphs"]
    for shares in told.values():
        assert shares == sorted(shares)
        assert 0 <= shares[0] <= shares[-1] == 1
    assert len(told["points"]) == len(told["indexes"]) == POINTS // 500


def test_a_fast_check_tells_of_checksums_alone(path: Path) -> None:
    steps = set()
    assert es.EdgeShard.check(path, "fast", on_progress=lambda step, _: steps.add(step)) == []
    assert steps == {"checksums"}


def test_so_do_repairs_and_open_shards(path: Path) -> None:
    steps: list[str] = []
    assert es.EdgeShard.repair(path, on_progress=lambda step, _: steps.append(step)) == []
    assert list(dict.fromkeys(steps)) == ["repair", "checksums", "points", "indexes", "graphs"]
    steps.clear()
    with es.EdgeShard.load(path) as shard:
        assert shard.verify(on_progress=lambda step, _: steps.append(step)) == []
    assert "points" in steps


@pytest.mark.parametrize("last", ["checksums", "points", "indexes", "graphs", "repair"])
@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError("the terminal is gone"), es.CancelledError("enough")])
def test_what_stops_a_check_or_a_repair_leaves_the_shard_free(path: Path, last: str, raised: BaseException) -> None:
    def stop(step: str, share: float) -> None:
        if step == last:
            raise raised

    looks = (es.EdgeShard.repair,) if last == "repair" else (es.EdgeShard.check, es.EdgeShard.repair)
    for look in looks:
        with pytest.raises(type(raised)) as caught:
            look(path, on_progress=stop)
        assert caught.value is raised
        assert caught.value.__context__ is None
        with pytest.raises(TypeError, match="on_progress: expected a function"):
            look(path, on_progress=3)  # type: ignore[arg-type]
        with es.EdgeShard.load(path, verify="full") as shard:
            assert shard.count(es.CountRequest()) == POINTS


def test_payloads_are_not_held_all_at_once(tmp_path: Path) -> None:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(1, es.Distance.Dot))
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(es.UpdateOperation.create_field_index("number", es.PayloadSchemaType.Integer))
        # 200 MB of payloads in all
        text = "some words that are nowhere else " * 300
        for first in range(0, 20_000, 1000):
            ids = np.arange(first, first + 1000, dtype=np.uint64)
            payloads = [{"number": int(number), "text": f"{number} {text}"} for number in ids]
            shard.update(es.UpdateOperation.upsert_batch(ids, np.ones((1000, 1), np.float32), payloads))
    code = f"""
import resource, edgeshard
edgeshard.EdgeShard.load({str(tmp_path / "shard")!r}).close()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert edgeshard.EdgeShard.check({str(tmp_path / "shard")!r}) == []
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    kilobytes = grown // 1024 if sys.platform == "darwin" else grown
    assert kilobytes < 120_000


@pytest.mark.parametrize("count", [1, VALUES, 1000])
def test_what_is_remembered_of_values(count: int) -> None:
    numbers = [int(number) for number in np.random.default_rng(count).permutation(count)]
    held, everything = Held(), sorted(numbers)
    for number in numbers:
        held.add(number)
    assert held.kinds == {int}
    assert held.values == sorted(numbers, key=str)[:VALUES]
    assert held.middle == (everything[count // 4], everything[count * 3 // 4])
    for value in ("a", True, None, 1.5, 10**400, -(10**400), 1 << 63):
        held.add(value)
    assert held.values == sorted([*numbers, "a"], key=str)[:VALUES]
