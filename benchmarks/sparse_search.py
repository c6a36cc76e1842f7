"""Sparse search on BM25 vectors of the 30,000 summaries of pypi30k, beside qdrant-edge-py.

Queries are 200 other texts: the questions of the data set, and the names of packages for short ones. Both engines get
the same vectors. What it does not show: learned sparse vectors (hundreds of elements), or corpora larger than the
caches.
"""

from __future__ import annotations

import gzip
import json
import statistics
import time
from pathlib import Path
from typing import Any

import qdrant_edge

import edgeshard
from harness import ROOT, Table, data_directory, load_pypi, scratch

BATCH = 1000
QUERIES = 200
ROUNDS = 5


def config(mod: Any, datatype: str | None = None, indexed: bool = True) -> Any:
    params = mod.EdgeSparseVectorParams(
        modifier=mod.Modifier.Idf,
        datatype=None if datatype is None else getattr(mod.VectorStorageDatatype, datatype),
    )
    return mod.EdgeConfig(
        sparse_vectors={"text": params},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1 if indexed else 1_000_000),
    )


def fill(mod: Any, path: Path, documents: list[Any], categories: list[int], **options: Any) -> Any:
    shard = mod.EdgeShard.create(str(path), config(mod, **options))
    for start in range(0, len(documents), BATCH):
        points = [
            mod.Point(i, {"text": mod.SparseVector(*documents[i])}, {"category": categories[i]})
            for i in range(start, min(start + BATCH, len(documents)))
        ]
        shard.update(mod.UpdateOperation.upsert_points(points))
    shard.update(mod.UpdateOperation.create_field_index("category", mod.PayloadSchemaType.Integer))
    if options.get("indexed", True):
        shard.optimize()
    return shard


def requests(mod: Any, queries: list[Any], share: int | None, limit: int) -> list[Any]:
    condition = None
    if share is not None:
        condition = mod.Filter(must=[mod.FieldCondition("category", range=mod.RangeFloat(lt=share))])
    return [
        mod.QueryRequest(query=mod.Query.Nearest(mod.SparseVector(*query), using="text"), limit=limit, filter=condition)
        for query in queries
    ]


def median_us(shards: dict[Any, Any], asked: dict[Any, list[Any]]) -> dict[Any, float]:
    """Median time of one query, the engines in turn; every query counts with the best of its rounds."""
    best: dict[Any, list[float]] = {mod: [float("inf")] * len(asked[mod]) for mod in shards}
    for _ in range(ROUNDS):
        for mod, shard in shards.items():
            for place, request in enumerate(asked[mod]):
                started = time.perf_counter()
                shard.query(request)
                best[mod][place] = min(best[mod][place], time.perf_counter() - started)
    return {mod: statistics.median(times) * 1e6 for mod, times in best.items()}


def agree(shards: dict[Any, Any], asked: dict[Any, list[Any]]) -> None:
    """Refuse to time engines that answer differently."""
    for place in range(0, QUERIES, 7):
        ours, theirs = (
            [point.score for point in shards[mod].query(asked[mod][place])] for mod in (edgeshard, qdrant_edge)
        )
        assert len(ours) == len(theirs)
        assert all(abs(a - b) <= 1e-4 * max(1, abs(b)) for a, b in zip(ours, theirs, strict=True)), (ours, theirs)


def texts() -> list[str]:
    source = data_directory() / "pypi30k" / "queries.jsonl.gz"
    if not source.exists():
        questions = json.loads((ROOT / "examples" / "data" / "queries.json").read_text())
        return [q if isinstance(q, str) else q["text"] for q in questions][:QUERIES]
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["text"] if isinstance(row, dict) else row for row in rows][:QUERIES]


def packed(vectors: list[Any]) -> list[tuple[list[int], list[float]]]:
    return [(vector.indices, vector.values) for vector in vectors]


def main() -> None:
    _, payloads, _ = load_pypi()
    bm25 = edgeshard.Bm25()
    documents = packed([bm25.embed_document(p["summary"] or "") for p in payloads])
    queries = packed([bm25.embed_query(text) for text in texts()])
    categories = [(i * 2654435761) % 1000 for i in range(len(documents))]
    elements = sum(len(indices) for indices, _ in documents) / len(documents)
    print(f"{len(documents)} documents of {elements:.1f} elements, {len(queries)} queries of "
          f"{sum(len(q[0]) for q in queries) / len(queries):.1f}")  # fmt: skip
    table = Table("sparse_search")
    with scratch() as root:
        for name, options in (
            ("compressed", {}),
            ("compressed, uint8", {"datatype": "Uint8"}),
            ("in memory", {"indexed": False}),
        ):
            shards = {
                mod: fill(mod, Path(root) / f"{mod.__name__}-{name}", documents, categories, **options)
                for mod in (edgeshard, qdrant_edge)
            }
            for what, share, limit in (
                ("top 10", None, 10), ("top 100", None, 100), ("top 10, filter 50 %", 500, 10),
                ("top 10, filter 1 %", 10, 10),
            ):  # fmt: skip
                asked = {mod: requests(mod, queries, share, limit) for mod in shards}
                agree(shards, asked)
                times = median_us(shards, asked)
                table.row(f"{name}: {what}", times[edgeshard], times[qdrant_edge], "us", ">= 2x")
            for shard in shards.values():
                shard.close()
    table.save()


if __name__ == "__main__":
    main()
