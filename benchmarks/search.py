"""Approximate, exact and filtered searches of whole shards beside qdrant-edge-py: one row per promise.

Both engines hold pypi30k in one optimised segment (m = 16, ef_construct = 100). For a recall the beams are searched in
turn and the time is interpolated to the recall asked for, so that rows compare equal answers. Filters are timed with
each engine's default beam, their recall is printed below; where the other engine finds less, once more with the
narrowest beam of ours that finds as much. Batches are timed by their CPU seconds: they take one thread.

Engines take turns by blocks of queries, each after a few that are not timed: an application has one of them, and what
another one read in between would be the caches' contents. Times with turns by query are printed below.

    python benchmarks/search.py [--quick]

What it does not show: graphs beside libraries that do only that (graph.py), compressed vectors (quantized.py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from graph import at_recall, recall
from harness import Table, gain_of_threads, load_pypi, scratch

EFS = (24, 32, 48, 64, 96, 128, 192)
K = 10
ROUNDS, WARM_UP = 5, 10
Call = Callable[[], Any]


def build(mod: Any, path: Path, vectors: np.ndarray, payloads: list[dict[str, Any]], fields: dict[str, str]) -> Any:
    """An optimised shard, with payload indexes of some fields."""
    params = mod.EdgeVectorParams(vectors.shape[1], mod.Distance.Cosine)
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1)
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors={"": params}, optimizers=optimizers))
    for name, kind in fields.items():
        shard.update(mod.UpdateOperation.create_field_index(name, getattr(mod.PayloadSchemaType, kind)))
    rows = vectors.tolist()
    for start in range(0, len(rows), 1000):
        points = [mod.Point(i, rows[i], payloads[i]) for i in range(start, min(start + 1000, len(rows)))]
        shard.update(mod.UpdateOperation.upsert_points(points))
    shard.optimize()
    return shard


def requests(mod: Any, queries: np.ndarray, **options: Any) -> list[Any]:
    return [mod.QueryRequest(query=mod.Query.Nearest(query), limit=K, **options) for query in queries.tolist()]


def found(answers: list[list[Any]]) -> np.ndarray:
    """Ids ``(q, K)``, -1 where there are fewer."""
    return np.array([[p.id for p in a] + [-1] * (K - len(a)) for a in answers], np.int64)


def each_us(calls: list[Call]) -> float:
    """Median microseconds of a call."""
    times = []
    for call in calls:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def asking(shard: Any, asked: list[Any]) -> list[Call]:
    return [lambda one=one: shard.query(one) for one in asked]


class Curve:
    """Time and recall of one way to search, at every beam.

    Args:
        timed: microseconds per query at a beam.
        ids: ``(q, K)`` found at a beam.
    """

    def __init__(self, timed: Callable[[int], float], ids: Callable[[int], np.ndarray]) -> None:
        self.timed = timed
        self.ids = ids
        self.times: dict[int, list[float]] = {ef: [] for ef in EFS}

    def points(self, truth: np.ndarray) -> list[tuple[float, float]]:
        """Recall and microseconds at every beam."""
        return [(recall(self.ids(ef), truth), statistics.median(self.times[ef])) for ef in EFS]


def curves(shards: dict[Any, Any], queries: np.ndarray) -> dict[str, Curve]:
    """Every way to search that the promises are about."""

    def asked(mod: Any, ef: int, **options: Any) -> list[Any]:
        return requests(mod, queries, params=mod.SearchParams(hnsw_ef=ef), **options)

    def objects(mod: Any, **options: Any) -> Curve:
        kept = {ef: asked(mod, ef, **options) for ef in EFS}
        shard = shards[mod]
        return Curve(
            lambda ef: each_us(asking(shard, kept[ef])), lambda ef: found([shard.query(one) for one in kept[ef]])
        )

    ours = shards[edgeshard]

    def arrays(ef: int) -> tuple[np.ndarray, np.ndarray]:
        return ours.query_arrays(queries, limit=K, params=edgeshard.SearchParams(hnsw_ef=ef))

    def one_by_one(ef: int) -> float:
        params = edgeshard.SearchParams(hnsw_ef=ef)
        return each_us([lambda q=q: ours.query_arrays(q, limit=K, params=params) for q in queries])

    batches = {ef: edgeshard.QueryBatchRequest(asked(edgeshard, ef)) for ef in EFS}

    def batch(ef: int) -> list[list[Any]]:
        return ours.query_batch(batches[ef])

    def spread(call: Callable[[int], Any]) -> Callable[[int], float]:
        def timed(ef: int) -> float:
            started = time.process_time()  # a long call is interrupted on a busy machine, most short ones are not
            call(ef)
            return (time.process_time() - started) / len(queries) * 1e6

        return timed

    return {
        "oracle": objects(qdrant_edge),
        "oracle, payload": objects(qdrant_edge, with_payload=True),
        "objects": objects(edgeshard),
        "objects, payload": objects(edgeshard, with_payload=True),
        "arrays, one by one": Curve(one_by_one, lambda ef: arrays(ef)[0].astype(np.int64)),
        "arrays, all at once": Curve(spread(arrays), lambda ef: arrays(ef)[0].astype(np.int64)),
        "query_batch": Curve(spread(batch), lambda ef: found(batch(ef))),
    }


TARGETS = {
    "objects": ">= 4x",
    "objects, payload": ">= 4x",
    "arrays, one by one": ">= 6x",
    "arrays, all at once": ">= 6x",
    "query_batch": ">= 6x",
}


def measure_graph(table: Table, shards: dict[Any, Any], queries: np.ndarray, truth: np.ndarray, rounds: int) -> None:
    """Times at recall 0.95 and 0.99."""
    ways = curves(shards, queries)
    for way in ways.values():
        way.timed(EFS[0])  # builds what searches build at first
    for _ in range(rounds):
        for ef in EFS:
            for way in ways.values():
                way.times[ef].append(way.timed(ef))
    points = {name: way.points(truth) for name, way in ways.items()}
    for wanted in (0.95, 0.99):
        for name, target in TARGETS.items():
            against = "oracle, payload" if name.endswith("payload") else "oracle"
            ours, theirs = (at_recall(points[way], wanted) for way in (name, against))
            table.row(f"graph at recall {wanted}: {name}", ours, theirs, "us", target)


def measure_threads(table: Table, shards: dict[Any, Any], queries: np.ndarray) -> None:
    """Queries per second of two Python threads over those of one, and the same for calls of 50 queries, which hold the
    interpreter a fiftieth as long: what two cores give on this machine at this moment."""
    gains = {}
    for mod, shard in shards.items():
        asked = requests(mod, queries, params=mod.SearchParams(hnsw_ef=128))
        gains[mod] = gain_of_threads(
            lambda i, shard=shard, asked=asked: shard.query(asked[i % len(asked)])  # type: ignore[misc]
        )
    table.row("2 threads over 1", gains[edgeshard], gains[qdrant_edge], "x", ">= 1.8", more_is_better=True)
    params, blocks = edgeshard.SearchParams(hnsw_ef=128), np.array_split(queries, len(queries) // 50)
    limit = gain_of_threads(lambda i: shards[edgeshard].query_arrays(blocks[i % len(blocks)], limit=K, params=params))
    print(f"  in calls of 50 queries: {limit:.2f}x")


def paired(table: Table, what: str, shards: dict[Any, Any], asked: dict[Any, list[Any]], target: str) -> None:
    """A row of medians, both engines in turn by blocks; turns by query are noted."""
    times: dict[Any, list[float]] = {mod: [] for mod in shards}
    for _ in range(ROUNDS):
        for mod, shard in shards.items():
            calls = asking(shard, asked[mod])
            for call in calls[:WARM_UP]:
                call()
            times[mod].append(each_us(calls))
    ours, theirs = (statistics.median(times[mod]) for mod in (edgeshard, qdrant_edge))
    table.row(what, ours, theirs, "us", target)
    ours, theirs = by_query(shards, asked)
    print(f"  turns by query: {ours:.1f} us, oracle {theirs:.1f} us, {theirs / ours:.2f}x")


def by_query(shards: dict[Any, Any], asked: dict[Any, list[Any]]) -> tuple[float, float]:
    """Median microseconds of both engines where each query follows one of the other engine."""
    times: dict[Any, list[float]] = {mod: [] for mod in shards}
    for at in range(len(asked[edgeshard])):
        for mod, shard in shards.items():
            started = time.perf_counter()
            shard.query(asked[mod][at])
            times[mod].append((time.perf_counter() - started) * 1e6)
    return statistics.median(times[edgeshard]), statistics.median(times[qdrant_edge])


def measure_exact(table: Table, shards: dict[Any, Any], queries: np.ndarray, truth: np.ndarray) -> None:
    """Exact search, and that it is."""
    asked = {mod: requests(mod, queries[:100], params=mod.SearchParams(exact=True)) for mod in shards}
    paired(table, "exact", shards, asked, ">= 5x")
    answers = found([shards[edgeshard].query(one) for one in asked[edgeshard]])
    print(f"  exact answers that are those of a float scan: {float(np.mean(answers == truth[:100])):.4f}")


def filters(vectors: np.ndarray, queries: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, tuple[str, Any]]]:
    """Payloads made for filtering, and filters as ``(field, less than this or equal to this keyword)``."""
    rng = np.random.default_rng(3)
    share = rng.random(len(vectors))
    centres = vectors[rng.choice(len(vectors), 12, replace=False)]
    kind = np.argmax(vectors @ centres.T, axis=1)
    payloads = [{"share": float(s), "kind": f"kind{k}"} for s, k in zip(share, kind.tolist(), strict=True)]
    largest = int(np.bincount(kind).argmax())
    made: dict[str, tuple[str, Any]] = {f"{part:.1%}": ("share", part) for part in (0.5, 0.1, 0.01, 0.001)}
    made["keyword correlated with the vectors"] = ("kind", f"kind{largest}")
    return payloads, made


def condition(mod: Any, field: str, value: Any) -> Any:
    if isinstance(value, str):
        return mod.Filter(must=[mod.FieldCondition(key=field, match=mod.MatchValue(value=value))])
    return mod.Filter(must=[mod.FieldCondition(key=field, range=mod.RangeFloat(lt=value))])


def measure_filters(table: Table, root: Path, vectors: np.ndarray, queries: np.ndarray) -> None:
    """Filters with and without field indexes."""
    payloads, made = filters(vectors, queries)
    for how, fields in (("indexed", {"share": "Float", "kind": "Keyword"}), ("not indexed", {})):
        shards = {
            mod: build(mod, root / f"{mod.__name__}-{how}", vectors, payloads, fields)
            for mod in (edgeshard, qdrant_edge)
        }
        for name, (field, value) in made.items():
            asked = {mod: requests(mod, queries[:60], filter=condition(mod, field, value)) for mod in shards}
            rare = value in (0.01, 0.001)
            target = ">= 20x" if not fields else ">= 2x" if rare else ">= 3x"
            paired(table, f"filter {name}, {how}", shards, asked, target)
            wanted = np.array([p[field] == value if isinstance(value, str) else p[field] < value for p in payloads])
            chosen = np.flatnonzero(wanted)
            order = np.argsort(-(queries[:60] @ vectors[chosen].T), axis=1)[:, :K]
            truth = chosen[order]
            mine, other = (
                recall(found([shards[mod].query(one) for one in asked[mod]]), truth) for mod in (edgeshard, qdrant_edge)
            )
            print(f"  recall {mine:.4f}, oracle {other:.4f}")
            if mine <= other + 0.005:
                continue
            for ef in EFS:
                narrow = edgeshard.SearchParams(hnsw_ef=ef)
                ours = requests(edgeshard, queries[:60], filter=condition(edgeshard, field, value), params=narrow)
                mine = recall(found([shards[edgeshard].query(one) for one in ours]), truth)
                if mine >= other:
                    asked[edgeshard] = ours
                    paired(table, f"filter {name}, {how}, at its recall", shards, asked, target)
                    print(f"  recall {mine:.4f} with a beam of {ef}, oracle {other:.4f}")
                    break
        for shard in shards.values():
            shard.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    vectors, payloads, queries = load_pypi()
    vectors, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (vectors, queries))
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :K]
    table = Table("search")
    with scratch() as folder:
        root = Path(folder)
        shards = {mod: build(mod, root / mod.__name__, vectors, payloads, {}) for mod in (edgeshard, qdrant_edge)}
        measure_graph(table, shards, queries, truth, 2 if options.quick else 5)
        measure_threads(table, shards, queries)
        measure_exact(table, shards, queries, truth)
        for shard in shards.values():
            shard.close()
        measure_filters(table, root, vectors, queries)
    table.save()


if __name__ == "__main__":
    main()
