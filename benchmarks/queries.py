"""Every kind of request beside qdrant-edge-py: filters, text, facets, orderings, fusion, formulas, diversity.

Searches are exact (no graph has been built): what is compared is planning, filtering, re-scoring and making results.
What it does not show: approximate search (graph.py), cold caches (each request is asked again and again, so that
columns extracted from payloads without an index are warm after the first one).
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, data_directory, gain_of_threads, load_pypi, paired_ms, scratch

MODULES = (edgeshard, qdrant_edge)
Request = Callable[[Any], tuple[str, Any]]
"""What to ask a module's shard: a method and its argument."""


def config(mod: Any) -> Any:
    return mod.EdgeConfig(
        vectors={"": mod.EdgeVectorParams(384, mod.Distance.Cosine)},
        sparse_vectors={"words": mod.EdgeSparseVectorParams(modifier=mod.Modifier.Idf)},
    )


def extended(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payloads with a place and a list of objects, for geo and nested conditions."""
    rng = random.Random(1)
    made = []
    for payload in payloads:
        place = {"lon": rng.uniform(-180, 180), "lat": rng.uniform(-80, 80)}
        parts = [{"kind": rng.choice("abc"), "size": rng.randrange(100)} for _ in range(3)]
        made.append({**payload, "place": place, "parts": parts})
    return made


def fill(mod: Any, path: Path, vectors: np.ndarray, payloads: list[dict[str, Any]], *, indexed: bool) -> Any:
    """A shard with everything, with or without payload indexes."""
    shard = mod.EdgeShard.create(str(path), config(mod))
    embedder = mod.Bm25(mod.Bm25Config())
    for start in range(0, len(vectors), 1000):
        points = [
            mod.Point(p["id"], {"": vectors[p["id"]], "words": embedder.embed_document(p["summary"])}, p)
            for p in payloads[start : start + 1000]
        ]
        shard.update(mod.UpdateOperation.upsert_points(points))
    create = mod.UpdateOperation.create_field_index
    types = mod.PayloadSchemaType
    kinds = {"month": types.Datetime, "rank": types.Integer, "bucket": types.Integer, "place": types.Geo}
    scoring = mod.TextIndexParams(scoring=True)
    if indexed:
        for field in ("name", "first", "tags"):
            shard.update(create(field, types.Keyword))
        for field, kind in kinds.items():
            shard.update(create(field, kind))
        shard.update(create("summary", scoring))
        shard.update(create("parts[].size", types.Integer))
    return shard


def within(mod: Any, **bounds: float) -> Any:
    return mod.Filter(must=[mod.FieldCondition("bucket", range=mod.RangeFloat(**bounds))])


def requests(queries: np.ndarray, words: list[str]) -> dict[str, Request]:
    """The requests by name; all work with and without indexes but those marked with a star."""
    vector, other = queries[0].tolist(), queries[1].tolist()

    def search(condition: Callable[[Any], Any] | None, **rest: Any) -> Request:
        def make(mod: Any) -> tuple[str, Any]:
            chosen = None if condition is None else condition(mod)
            return "query", mod.QueryRequest(limit=10, query=mod.Query.Nearest(vector), filter=chosen, **rest)

        return make

    def field(key: str, **clauses: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def make(mod: Any) -> Any:
            made = {name: clause(mod) for name, clause in clauses.items()}
            return mod.Filter(must=[mod.FieldCondition(key, **made)])

        return make

    def nested(mod: Any) -> Any:
        inner = mod.Filter(
            must=[
                mod.FieldCondition("kind", match=mod.MatchValue("a")),
                mod.FieldCondition("size", range=mod.RangeFloat(lt=5)),
            ]
        )
        return mod.Filter(must=[mod.NestedCondition("parts", inner)])

    def sparse(mod: Any) -> Any:
        return mod.Query.Nearest(mod.Bm25(mod.Bm25Config()).embed_query(" ".join(words)), "words")

    def staged(query: Callable[[Any], Any], *below: Callable[[Any], Any], limit: int = 10, deep: int = 100) -> Request:
        def make(mod: Any) -> tuple[str, Any]:
            prefetches = [mod.Prefetch(deep, stage(mod)) for stage in below]
            return "query", mod.QueryRequest(limit=limit, query=query(mod), prefetches=prefetches)

        return make

    def dense(mod: Any) -> Any:
        return mod.Query.Nearest(vector)

    def formula(mod: Any) -> Any:
        e = mod.Expression
        recent = e.Decay(mod.DecayKind.Exp, e.DatetimeKey("month"), e.Datetime("2026-10-01"), 0.5, 3e7)
        popular = e.Condition(mod.FieldCondition("rank", range=mod.RangeFloat(lt=5000)))
        return mod.Formula(e.Sum([e.Variable("$score"), e.Mult([e.Constant(0.2), recent]), popular]), {})

    def recommend(kind: str) -> Callable[[Any], tuple[str, Any]]:
        def make(mod: Any) -> tuple[str, Any]:
            examples = mod.RecommendQuery([vector, other], [queries[2].tolist()])
            return "query", mod.QueryRequest(limit=10, query=getattr(mod.Query, kind)(examples))

        return make

    longitudes = itertools.count(-100.0, 0.01)

    def elsewhere(mod: Any) -> Any:
        return mod.GeoRadius(mod.GeoPoint(next(longitudes), 50.0), 5e5)

    first = field("first", match=lambda mod: mod.MatchValue("django"))
    return {
        "nearest": search(None),
        "nearest, with payload": search(None, with_payload=True),
        "filter 10 %": search(lambda mod: within(mod, lt=10)),
        "filter 1 %": search(lambda mod: within(mod, gte=7, lt=8)),
        "filter 1 %, with payload": search(lambda mod: within(mod, gte=7, lt=8), with_payload=True),
        "filter 0.1 %": search(field("rank", range=lambda mod: mod.RangeFloat(lt=30))),
        "keyword django (2.3 %)": search(first),
        "MatchText 'django framework'": search(field("summary", match=lambda m: m.MatchText("django framework"))),
        "geo radius 1,000 km": search(
            field("place", geo_radius=lambda mod: mod.GeoRadius(mod.GeoPoint(10.0, 50.0), 1e6))
        ),
        "datetime range": search(field("month", range=lambda mod: mod.RangeDateTime(gte="2026-06-01"))),
        "nested": search(nested),
        "filter 1 %, made anew": search(lambda mod: within(mod, gte=7, lt=8)),
        "MatchText 'django framework', made anew": search(
            field("summary", match=lambda m: m.MatchText("django framework"))
        ),
        "geo radius 500 km, elsewhere each time, made anew": search(field("place", geo_radius=elsewhere)),
        "count, estimated": lambda mod: ("count", mod.CountRequest(exact=False, filter=first(mod))),
        "count, keyword": lambda mod: ("count", mod.CountRequest(filter=first(mod))),
        "scroll, filter": lambda mod: ("scroll", mod.ScrollRequest(limit=10, filter=first(mod))),
        "scroll, filter 10 %, from an id on": lambda mod: (
            "scroll",
            mod.ScrollRequest(offset=15_000, limit=50, filter=within(mod, lt=10)),
        ),
        "* facet, approximate": lambda mod: ("facet", mod.FacetRequest("tags", 20)),
        "* facet, exact": lambda mod: ("facet", mod.FacetRequest("tags", 20, exact=True)),
        "* facet, exact, filter": lambda mod: ("facet", mod.FacetRequest("tags", 20, True, within(mod, lt=10))),
        "* order_by scroll": lambda mod: ("scroll", mod.ScrollRequest(limit=10, order_by=mod.OrderBy("rank"))),
        "* order_by scroll, from a value on": lambda mod: (
            "scroll",
            mod.ScrollRequest(limit=10, order_by=mod.OrderBy("rank", start_from=1000)),
        ),
        "* order_by scroll, descending dates, filter": lambda mod: (
            "scroll",
            mod.ScrollRequest(limit=10, order_by=mod.OrderBy("month", mod.Direction.Desc), filter=within(mod, lt=10)),
        ),
        "* TextQuery": lambda mod: (
            "query",
            mod.QueryRequest(limit=10, query=mod.TextQuery("summary", " ".join(words))),
        ),
        "sparse BM25": lambda mod: ("query", mod.QueryRequest(limit=10, query=sparse(mod))),
        "RRF of dense and sparse": staged(lambda mod: mod.Fusion.Rrf(2), dense, sparse),
        "DBSF of dense and sparse": staged(lambda mod: mod.Fusion.Dbsf(), dense, sparse),
        "formula over 1,000": staged(formula, dense, deep=1000),
        "rescoring 1,000": staged(lambda mod: mod.Query.Nearest(other), dense, deep=1000),
        "MMR of 200": lambda mod: ("query", mod.QueryRequest(limit=10, query=mod.Mmr(vector, 0.5, 200))),
        "recommend, best score": recommend("RecommendBestScore"),
        "recommend, sum": recommend("RecommendSumScores"),
    }


def same_answer(ours: Any, theirs: Any) -> bool:
    """Whether both engines found the same number of things."""
    if isinstance(ours, tuple):
        ours, theirs = ours[0], theirs[0]
    return ours == theirs if isinstance(ours, int) else len(ours) == len(theirs)


def measure(table: Table, shards: list[Any], asked: dict[str, Request], *, indexed: bool, repeat: int) -> None:
    """A row per request."""
    for name, make in asked.items():
        if name.startswith("*") and not indexed:
            continue
        calls = []
        for mod, shard in zip(MODULES, shards, strict=True):
            method, request = make(mod)
            calls.append(lambda method=method, request=request, shard=shard: getattr(shard, method)(request))
            if name.endswith("made anew"):
                calls[-1] = lambda mod=mod, method=method, make=make, shard=shard: getattr(shard, method)(make(mod)[1])
        assert "estimated" in name or same_answer(calls[0](), calls[1]()), name
        target = "50x" if name == "* facet, exact" else "2x" if "payload" in name else "1x"
        table.row(f"{name}{'' if indexed else ', no index'}", *paired_ms(*calls, repeat=repeat), "ms", target)


def measure_many(table: Table, shards: list[Any], queries: np.ndarray, *, seconds: float) -> None:
    """Many queries at once, beside one after the other, and what a second thread adds."""
    shard = shards[0]
    matrix = queries[:100]
    each = [edgeshard.QueryRequest(10, query=edgeshard.Query.Nearest(row)) for row in matrix]
    arrays, loop = paired_ms(
        lambda: shard.query_arrays(matrix, limit=10), lambda: [shard.query(request) for request in each], repeat=5
    )
    table.row("query_arrays of 100, beside 100 queries", arrays, loop, "ms")
    gains = []
    for mod, each_shard in zip(MODULES, shards, strict=True):
        asked = [mod.QueryRequest(limit=10, query=mod.Query.Nearest(row)) for row in matrix]
        search = each_shard.query
        gains.append(gain_of_threads(lambda at, s=search, a=asked: s(a[at % len(a)]), seconds=seconds))
    table.row("two threads beside one, nearest", *gains, "x", "1.7 x", more_is_better=True)


def main(limit: int | None = None, repeat: int = 15) -> None:
    if not (data_directory() / "pypi30k").is_dir():
        raise SystemExit("this benchmark needs pypi30k: set EDGESHARD_DATA to the directory that holds it")
    vectors, payloads, queries = load_pypi(limit)
    payloads = extended(payloads)
    words = ["library", "for", "building", "django", "web", "applications"]
    table = Table("queries")
    with scratch() as root:
        for indexed in (True, False):
            shards = [
                fill(mod, Path(root, f"{mod.__name__}{indexed}"), vectors, payloads, indexed=indexed) for mod in MODULES
            ]
            asked = requests(queries, words)
            measure(table, shards, asked, indexed=indexed, repeat=repeat)
            if indexed:
                measure_many(table, shards, queries, seconds=min(0.7, 0.05 * repeat))
            for shard in shards:
                shard.close()
    table.save()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
