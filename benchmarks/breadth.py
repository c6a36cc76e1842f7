"""The corners of the API beside qdrant-edge-py: single updates of every kind, storage types, small shards, their lives.

What the other benchmarks measure in depth, dense float32 vectors of one name, is left out. CPU time of both engines is
taken in turn, in short runs, so that a busy machine does not decide; rows are printed worst first.

    python benchmarks/breadth.py [points] [seconds per row]

What it does not show: wall time of calls that use several threads, disks.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, scratch

MODULES = (edgeshard, qdrant_edge)
RUN_SECONDS = 150e-6
Call = Callable[[], Any]
Maker = Callable[[Any, Any], Call]
"""From a module and its shard to what is timed."""


def cpu_us(calls: list[Call], seconds: float) -> list[float]:
    """Medians of the CPU time of calls made in turn."""
    repeats: list[int] = []
    for call in calls:
        call()
        started = time.process_time()
        call()
        repeats.append(max(1, int(RUN_SECONDS / max(time.process_time() - started, 1e-7))))
    times: list[list[float]] = [[] for _ in calls]
    end = time.process_time() + seconds
    while len(times[0]) < 7 or time.process_time() < end:
        for call, repeat, taken in zip(calls, repeats, times, strict=True):
            started = time.process_time()
            for _ in range(repeat):
                call()
            taken.append((time.process_time() - started) / repeat * 1e6)
    return [statistics.median(taken) for taken in times]


def payload(number: int) -> dict[str, Any]:
    place = {"lon": number % 360 - 180.0, "lat": number % 170 - 85.0}
    return {"k": f"c{number % 50}", "n": number, "nest": {"a": number % 5}, "g": place}


def mixed(mod: Any, path: str, points: int) -> Any:
    """A shard with a dense vector, a multi-vector and a sparse one, and two payload indexes."""
    multi = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
    vectors = {
        "a": mod.EdgeVectorParams(32, mod.Distance.Cosine),
        "m": mod.EdgeVectorParams(8, mod.Distance.Dot, multivector_config=multi),
    }
    shard = mod.EdgeShard.create(path, mod.EdgeConfig(vectors, {"s": mod.EdgeSparseVectorParams()}))
    for field, kind in (("k", mod.PayloadSchemaType.Keyword), ("n", mod.PayloadSchemaType.Integer)):
        shard.update(mod.UpdateOperation.create_field_index(field, kind))
    rng = np.random.default_rng(0)
    dense, rows = rng.normal(size=(points, 32)), rng.normal(size=(points, 3, 8))
    for start in range(0, points, 1000):
        numbers = range(start, min(points, start + 1000))
        sparse = [mod.SparseVector([n % 90, n % 90 + 100], [1.0, 2.0]) for n in numbers]
        made = [
            mod.Point(n, {"a": dense[n], "m": rows[n], "s": vector}, payload(n))
            for n, vector in zip(numbers, sparse, strict=True)
        ]
        shard.update(mod.UpdateOperation.upsert_points(made))
    return shard


def updates(points: int) -> Iterator[tuple[str, Maker]]:
    """Operations of 1, 10 and 1,000 points that exist."""
    vector, rows = [0.5] * 32, [[0.5] * 8] * 3
    kinds: dict[str, Callable[[Any, Any, list[int]], Any]] = {
        "upsert": lambda mod, u, ids: u.upsert_points(
            [mod.Point(n, {"a": vector, "m": rows, "s": mod.SparseVector([1, 5], [1.0, 2.0])}, payload(n)) for n in ids]
        ),
        "set_payload": lambda mod, u, ids: u.set_payload(ids, {"z": 1}),
        "set_payload at a path": lambda mod, u, ids: u.set_payload(ids, {"z": 1}, "nest"),
        "overwrite_payload": lambda mod, u, ids: u.overwrite_payload(ids, payload(ids[0])),
        "delete_payload": lambda mod, u, ids: u.delete_payload(ids, ["z"]),
        "clear_payload": lambda mod, u, ids: u.clear_payload(ids),
        "update_vectors": lambda mod, u, ids: u.update_vectors([mod.PointVectors(n, {"a": vector}) for n in ids]),
        "delete_vectors": lambda mod, u, ids: u.delete_vectors(ids, ["a"]),
    }
    for count, (name, operation) in itertools.product((1, 10, 1000), kinds.items()):

        def make(mod: Any, shard: Any, count: int = count, operation: Any = operation) -> Call:
            calls = itertools.count()
            return lambda: shard.update(
                operation(mod, mod.UpdateOperation, [(next(calls) * 7919) % points for _ in range(count)])
            )

        yield f"{name} of {count}", make


def reads(points: int) -> Iterator[tuple[str, Maker]]:
    """Reads and queries that go beside the plain search."""
    some = [n * 37 % points for n in range(10)]

    def query(make: Callable[[Any], Any], **rest: Any) -> Maker:
        def made(mod: Any, shard: Any) -> Call:
            request = mod.QueryRequest(limit=10, query=make(mod), **{k: v(mod) for k, v in rest.items()})
            return lambda: shard.query(request)

        return made

    def nearest(mod: Any) -> Any:
        return mod.Query.Nearest([0.5] * 32, "a")

    def away(mod: Any) -> Any:
        return mod.Formula(mod.Expression.GeoDistance(mod.GeoPoint(10.0, 50.0), "g"), {})

    def discover(mod: Any) -> Any:
        pair = mod.ContextPair([0.1] * 32, [-0.1] * 32)
        return mod.Query.Discover(mod.DiscoverQuery([0.5] * 32, [pair]), "a")

    for ids in (some[:1], some):
        yield f"retrieve {len(ids)}, vectors", lambda _, shard, ids=ids: lambda: shard.retrieve(ids, False, True)
    yield "info", lambda _, shard: shard.info
    yield "facet", lambda mod, shard: lambda: shard.facet(mod.FacetRequest("k"))
    yield "multi-vector", query(lambda mod: mod.Query.Nearest([[0.5] * 8] * 3, "m"))
    yield "sample", query(lambda mod: mod.Sample.Random)
    yield "discover", query(discover)
    yield "MMR of 100", query(lambda mod: mod.Mmr([0.5] * 32, 0.5, 100, "a"))
    yield "distances of 1,000", query(away, prefetches=lambda mod: [mod.Prefetch(1000, nearest(mod))])


def stored_types(root: str, points: int) -> Iterator[tuple[str, Maker, list[Any]]]:
    """Exact searches of vectors of other types and metrics."""
    rows = np.round(np.random.default_rng(0).random((points, 256)) * 255).astype(np.float32)
    types = ("Float16", "Uint8", "Turbo4", "Turbo8", "Turbo16")
    for datatype, distance in itertools.product(types, ("Dot", "Euclid", "Manhattan")):
        shards = []
        for mod in MODULES:
            kind = getattr(mod.VectorStorageDatatype, datatype)
            vectors = mod.EdgeVectorParams(256, getattr(mod.Distance, distance), datatype=kind)
            shard = mod.EdgeShard.create(f"{root}/{mod.__name__}{datatype}{distance}", mod.EdgeConfig(vectors))
            shard.update(mod.UpdateOperation.upsert_points([mod.Point(n, row) for n, row in enumerate(rows)]))
            shards.append(shard)

        def make(mod: Any, shard: Any) -> Call:
            request = mod.QueryRequest(limit=10, query=mod.Query.Nearest(rows[7]))
            return lambda: shard.query(request)

        yield f"scan, {datatype} {distance}", make, shards
        for shard in shards:
            shard.close()


def lives(root: str, mod: Any) -> dict[str, Call]:
    """A small shard made, and loaded."""
    path = f"{root}/{mod.__name__}small"

    def create() -> None:
        shutil.rmtree(path, ignore_errors=True)
        mod.EdgeShard.create(path, mod.EdgeConfig(mod.EdgeVectorParams(8, mod.Distance.Dot))).close()

    return {"create, close": create, "load, close": lambda: mod.EdgeShard.load(path).close()}


def main(points: int = 4000, seconds: float = 0.3) -> None:
    table, found = Table("breadth"), []
    with scratch() as root:
        shards = [mixed(mod, str(Path(root, mod.__name__)), points) for mod in MODULES]
        for name, make in itertools.chain(reads(points), updates(points)):
            found.append((name, *cpu_us([make(*pair) for pair in zip(MODULES, shards, strict=True)], seconds)))
        for shard in shards:
            shard.close()
        for name, make, both in stored_types(root, min(points, 2000)):
            found.append((name, *cpu_us([make(*pair) for pair in zip(MODULES, both, strict=True)], seconds)))
        ours, theirs = (lives(root, mod) for mod in MODULES)
        for name in ours:
            found.append((name, *cpu_us([ours[name], theirs[name]], seconds)))
    for name, mine, other in sorted(found, key=lambda row: row[2] / row[1]):
        table.row(name, mine, other, "us")
    table.save()


if __name__ == "__main__":
    main(*(float(argument) if "." in argument else int(argument) for argument in sys.argv[1:]))
