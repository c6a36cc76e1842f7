"""How fast are filters on fields without a payload index?

For each condition over the 30,000 payloads of pypi30k: the first evaluation (extracting the column included),
the next ones, and Qdrant Edge counting the same points without an index. The counts are compared first. Then
an update of one point followed by a filtered look at all of them, again and again.

    python benchmarks/filter_scan.py [--n 30000] [--no-oracle] [--json out.json]

What it does not show: reading payloads from disk (they are in memory here), vectors, the cost of a query.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import edgeshard as es
from edgeshard.filter.columns import PayloadColumns
from edgeshard.filter.evaluate import evaluate
from edgeshard.storage.runs import bounds_of

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness import load_pypi, median_ms, scratch


def joined(rows: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(b"".join(rows), np.uint8), bounds_of([len(row) for row in rows])


class Points:
    """Payloads in memory, as filters want them; there are no indexes, ids or vectors."""

    def __init__(self, payloads: list[dict[str, Any]]) -> None:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self.raw = [encode(payload).encode() for payload in payloads]
        self.count = len(self.raw)
        self.columns = PayloadColumns(self)
        self.every = joined(self.raw)

    def read_batch(self, offsets: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The payloads of these offsets, or of all."""
        return self.every if offsets is None else joined([self.raw[offset] for offset in offsets])

    def element_owners(self, array: Any) -> None:
        """No nested index."""

    def index(self, path: str) -> None:
        """No index."""


def with_places(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payloads with a random place and a list of objects added."""
    rng = np.random.default_rng(3)
    for payload in payloads:
        payload["place"] = {"lon": rng.uniform(-180, 180), "lat": rng.uniform(-90, 90)}
        payload["items"] = [{"kind": "abc"[rng.integers(3)], "size": int(rng.integers(100))} for _ in range(2)]
    return payloads


def conditions(api: Any) -> dict[str, Any]:
    """Filters of one kind each, built for `api` (edgeshard or qdrant_edge)."""

    def field(key: str, **tests: Any) -> Any:
        return api.Filter(must=[api.FieldCondition(key, **tests)])

    centre, corner = api.GeoPoint(10.0, 50.0), api.GeoPoint(60.0, 5.0)
    ring = [centre, corner, api.GeoPoint(5.0, 5.0), centre]
    both = [
        api.FieldCondition("size", range=api.RangeFloat(lt=10.0)),
        api.FieldCondition("kind", match=api.MatchValue("a")),
    ]
    month = api.RangeDateTime(gte="2024-01-01", lt="2025-01-01")
    return {
        "keyword": field("first", match=api.MatchValue("django")),
        "keyword in list": field("tags", match=api.MatchValue("python")),
        "any of 3 keywords": field("tags", match=api.MatchAny(["python", "api", "web"])),
        "except": field("first", match=api.MatchExcept(["django"])),
        "integer": field("bucket", match=api.MatchValue(7)),
        "number range": field("bucket", range=api.RangeFloat(gte=10.0, lt=20.0)),
        "date range": field("month", range=month),
        "null": field("rank", is_null=True),
        "values count": field("tags", values_count=api.ValuesCount(gte=5)),
        "text": field("summary", match=api.MatchText("python library")),
        "phrase": field("summary", match=api.MatchPhrase("python library")),
        "prefix": field("name", match=api.MatchPrefix("djan")),
        "substring": field("summary", match=api.MatchSubstring("wrapper")),
        "geo box": field("place", geo_bounding_box=api.GeoBoundingBox(centre, corner)),
        "geo radius": field("place", geo_radius=api.GeoRadius(centre, 1e6)),
        "geo polygon": field("place", geo_polygon=api.GeoPolygon(ring, [])),
        "nested": api.Filter(must=[api.NestedCondition("items", api.Filter(must=both))]),
        "date and number": api.Filter(
            must=[
                api.FieldCondition("month", range=month),
                api.FieldCondition("bucket", range=api.RangeFloat(gte=10.0, lt=20.0)),
            ]
        ),
    }


def count_with_oracle(payloads: list[dict[str, Any]]) -> dict[str, tuple[int, float]]:
    """Qdrant Edge's (count, milliseconds) for each condition."""
    import qdrant_edge

    vectors = qdrant_edge.EdgeVectorParams(size=1, distance=qdrant_edge.Distance.Dot)
    results = {}
    with scratch() as directory:
        shard = qdrant_edge.EdgeShard.create(directory, qdrant_edge.EdgeConfig(vectors=vectors))
        points = [qdrant_edge.Point(number, [1.0], payload) for number, payload in enumerate(payloads)]
        shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
        for name, filter in conditions(qdrant_edge).items():
            request = qdrant_edge.CountRequest(filter=filter, exact=True)
            milliseconds = median_ms(lambda request=request: shard.count(request), 3, 1)
            results[name] = shard.count(request), milliseconds
        shard.close()
    return results


def update_and_look(points: Points, filter: Any, rounds: int = 100) -> float:
    """Microseconds for one changed point and an evaluation after it."""
    evaluate(filter, points)
    started = time.perf_counter()
    for offset in range(rounds):
        points.columns.invalidate(np.array([offset % points.count], np.uint32))
        evaluate(filter, points)
    return (time.perf_counter() - started) / rounds * 1e6


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=30_000)
    parser.add_argument("--no-oracle", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    payloads = with_places(load_pypi(options.n)[1])
    points = Points(payloads)
    oracle = {} if options.no_oracle else count_with_oracle(payloads)
    result: dict[str, Any] = {}
    print(f"{'':>18}  {'points':>7}  {'first ms':>9}  {'then us':>9}  {'oracle ms':>9}")
    for name, filter in conditions(es).items():
        started = time.perf_counter()
        found = int(np.count_nonzero(evaluate(filter, points)))
        first = (time.perf_counter() - started) * 1e3
        then = median_ms(lambda filter=filter: evaluate(filter, points)) * 1e3
        expected, theirs = oracle.get(name, (found, float("nan")))
        if found != expected:
            raise SystemExit(f"{name}: {found} points, the oracle counts {expected}")
        result[name] = {"points": found, "first ms": first, "then us": then, "oracle ms": theirs}
        print(f"{name:>18}  {found:7d}  {first:9.2f}  {then:9.1f}  {theirs:9.2f}")
    for name in ("number range", "keyword in list", "nested"):
        result[f"update, {name}"] = update_and_look(points, conditions(es)[name])
        print(f"one update and {name}: {result[f'update, {name}']:.0f} us")
    result["MB of columns"] = points.columns.nbytes / 1e6
    print(f"columns take {result['MB of columns']:.1f} MB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return result


if __name__ == "__main__":
    main()
