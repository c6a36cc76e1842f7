"""Random shards, updates, filters and requests, answered by Qdrant Edge and by us."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import qdrant_edge
from compare_answers import Judge, ask, entry, first_difference, orders
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neutral import Call, Member
from random_requests import INDEXES, Asker, Dataset
from workload import _live_vector, carry_out, random_update

import edgeshard

READS = 8
"""Requests per shard."""


@pytest.fixture
def directory() -> Iterator[str]:
    """A directory in memory where there is one: thousands of shards are created."""
    path = tempfile.mkdtemp(prefix="edgeshard-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield path
    shutil.rmtree(path)


class Pair:
    """One shard in each engine with the same history."""

    def __init__(self, path: str, rng: random.Random) -> None:
        self.data = Dataset(rng)
        self.shards = [mod.EdgeShard.create(os.path.join(path, mod.__name__), self.data.config(mod)) for mod in MODULES]
        for mod, shard in zip(MODULES, self.shards, strict=True):
            ops = mod.UpdateOperation
            shard.update(ops.upsert_points([mod.Point(i, _live_vector(mod, v), p) for i, v, p in self.data.points]))
            for field in self.data.indexes:
                shard.update(ops.create_field_index(field, getattr(mod.PayloadSchemaType, INDEXES[field])))
        for _ in range(rng.choice([0, 0, 2, 6])):
            update = random_update(rng, self.data.layout)
            if self.data.idf and update[0] in ("upsert", "vectors", "forget"):
                continue  # Qdrant counts the words of vectors that were taken away until it optimises
            accepted = {carry_out(mod, shard, update) for mod, shard in zip(MODULES, self.shards, strict=True)}
            assert len(accepted) == 1, update
        if rng.random() < 0.25:
            for shard in self.shards:
                shard.optimize()
        sizes = {name: spec[0] for name, spec in self.data.layout.dense.items()}
        self.ours, self.judge = (Judge(mod, shard, sizes) for mod, shard in zip(MODULES, self.shards, strict=True))

    def close(self, path: str) -> None:
        for mod, shard in zip(MODULES, self.shards, strict=True):
            shard.close()
            shutil.rmtree(os.path.join(path, mod.__name__))

    def check(self, method: str, request: Call, seen: Counter[str]) -> None:
        """Fail if the engines answer differently and no tie explains it."""
        ours, theirs = (ask(mod, shard, method, request) for mod, shard in zip(MODULES, self.shards, strict=True))
        seen[method] += 1
        if isinstance(theirs, Exception) or isinstance(ours, Exception):
            seen["errors"] += 1
            if "Sample" in repr(request):  # a formula fails or not, depending on who was drawn
                return
            both = isinstance(theirs, Exception) and isinstance(ours, Exception)
            stages = request.args[0] if method == "query_batch" else [request]
            if not both and method != "search" and any(self.judge.ambiguous(stage) for stage in stages):
                seen["ambiguous"] += 1
                return
            check_errors(ours, theirs, request)
            return
        difference = self.difference(method, request, ours, theirs, seen)
        assert difference is None, f"{difference}: {method} {request}"

    def difference(self, method: str, request: Call, ours: Any, theirs: Any, seen: Counter[str]) -> str | None:
        if method == "query_batch":
            for one, mine, its in zip(request.args[0], ours, theirs, strict=True):
                wrong = self.difference("query", one, mine, its, seen)
                if wrong:
                    return f"{wrong} in {one}"
            return None
        if method == "count":
            return None if ours == theirs else f"{ours}, expected {theirs}"
        if method == "facet":
            # Qdrant may list values whose last point is gone.
            found = [[(hit.value, hit.count) for hit in answer.hits if hit.count] for answer in (ours, theirs)]
            return None if found[0] == found[1] else f"{found[0]}, expected {found[1]}"
        if method == "scroll":
            if ours[1] != theirs[1]:
                return f"next page at {ours[1]}, expected {theirs[1]}"
            ours, theirs = ours[0], theirs[0]
            if request.kwargs.get("order_by") is None and [p.id for p in ours] != [p.id for p in theirs]:
                return f"{[p.id for p in ours]}, expected {[p.id for p in theirs]}"
            return self.ordered_page(request, ours, theirs)
        return self.ranked(request, ours, theirs, seen)

    def ordered_page(self, request: Call, ours: list[Any], theirs: list[Any]) -> str | None:
        if request.kwargs.get("order_by") is None:
            return first_difference(ours, theirs)
        wrong = first_difference(ours, theirs, by_value=True)
        if wrong is None or [p.order_value for p in ours] != [p.order_value for p in theirs]:
            return wrong
        whole = ask(qdrant_edge, self.shards[1], "scroll", request.but(limit=1000))[0]
        kept = {entry(point, True) for point in ours}
        return first_difference(ours, [p for p in whole if entry(p, True) in kept], by_value=True)

    def ranked(self, request: Call, ours: list[Any], theirs: list[Any], seen: Counter[str]) -> str | None:
        """What differs between two ranked lists, unless a tie explains it."""
        if request.name == "SearchRequest":
            request = Call("QueryRequest", request.args[1], query=request.args[0], **request.kwargs)
        if any(point.order_value is not None for point in theirs) and not orders(request):
            # Fused points stand in the order of values that may be equal: compare all of them as sets.
            ours, theirs = (
                sorted(judge.full(request, ()), key=lambda p: (-round(p.score, 4), str(p.id)))
                for judge in (self.ours, self.judge)
            )
        # Differences of similarities and divisions by small numbers magnify the rounding of single precision.
        slack = 20.0 if any(word in repr(request) for word in DELICATE) else 1.0
        slack *= 3.0 if "Dbsf" in repr(request) else 1.0
        wrong = first_difference(ours, theirs, slack, orders(request))
        if wrong is None:
            return None
        if isinstance(request.kwargs.get("query"), Member) and not request.kwargs.get("prefetches"):
            seen["samples"] += 1
            everyone = {point.id for point in self.judge.full(request, ())}
            lost = {point.id for point in ours} - everyone
            return f"{lost} cannot be sampled" if lost or len(ours) != len(theirs) else None
        if self.judge.page_is_right(request, ours, theirs, slack) is None:
            return None
        if self.judge.ambiguous(request):
            seen["ambiguous"] += 1
            return None
        return wrong


MODULES = [edgeshard, qdrant_edge]
DELICATE = ("Formula", "Dbsf", "RecommendSum", "Feedback", "Context", "Discover")


def check_errors(ours: Any, theirs: Any, request: Call) -> None:
    """Both refuse, and where the oracle raises a built-in exception, ours derives from it."""
    assert isinstance(theirs, Exception), f"only we refuse: {ours!r}: {request}"
    assert isinstance(ours, edgeshard.EdgeShardError | TypeError | OverflowError), f"{ours!r} for {theirs!r}: {request}"
    if type(theirs) is not Exception:
        assert isinstance(ours, type(theirs)), f"{ours!r} for {theirs!r}: {request}"


def compare(path: str, seed: int, seen: Counter[str]) -> None:
    """One random shard and some requests."""
    rng = random.Random(seed)
    pair = Pair(path, rng)
    asker = Asker(rng, pair.data)
    try:
        for _ in range(READS):
            pair.check(*asker.request(), seen)
    finally:
        pair.close(path)


def examine(directory: str, examples: int, *, fixed: bool) -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples, derandomize=fixed, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, 2**48))
    def run(seed: int) -> None:
        compare(directory, seed, seen)

    run()
    print(seen)
    assert seen["query"] > examples
    assert seen["ambiguous"] < 0.06 * seen["query"], seen
    assert seen["errors"] < 0.2 * seen.total(), seen


def test_requests(directory: str) -> None:
    examine(directory, 500, fixed=True)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(20))
def test_many_requests(directory: str, part: int) -> None:
    """20,000 examples; a part can be run alone (``-k "many_requests and 7"``), each draws its own."""
    examine(directory, 1_000, fixed=False)
