"""The main job on real data: 4,000 Python packages, searched by meaning, with and without filters.

Run it with ``make demo``. It creates a shard in a temporary directory (or the one given), writes the points, asks the
shipped questions, closes the shard, opens it again and checks that the answers are the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import edgeshard as es

DATA = Path(__file__).parent / "data"
BATCH = 500


def load_data() -> tuple[np.ndarray, list[dict[str, object]], list[str], np.ndarray]:
    """Vectors (4000, 384) float32, payloads, questions and their vectors (40, 384) float32."""
    vectors = np.load(DATA / "vectors.npy").astype(np.float32)
    with gzip.open(DATA / "payloads.jsonl.gz", "rt", encoding="utf-8") as lines:
        payloads = [json.loads(line) for line in lines]
    questions = json.loads((DATA / "queries.json").read_text(encoding="utf-8"))
    texts = [entry if isinstance(entry, str) else entry["text"] for entry in questions]
    return vectors, payloads, texts, np.load(DATA / "queries.npy").astype(np.float32)


def show_progress(done: int, total: int, started: float) -> None:
    """One line that fills up on terminals; in logs, the last state of it."""
    if done < total and not sys.stdout.isatty():
        return
    width = 40
    filled = width * done // total
    rate = done / max(time.perf_counter() - started, 1e-9)
    end = "\n" if done == total else ""
    start = "\r" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{start}  [{'#' * filled}{'.' * (width - filled)}] {done}/{total} points, {rate:,.0f}/s{end}")
    sys.stdout.flush()


def ingest(shard: es.EdgeShard, vectors: np.ndarray, payloads: list[dict[str, object]]) -> None:
    """Write everything in batches."""
    started = time.perf_counter()
    for start in range(0, len(vectors), BATCH):
        chosen = slice(start, start + BATCH)
        ids = [int(payload["id"]) for payload in payloads[chosen]]  # type: ignore[call-overload]
        shard.update(es.UpdateOperation.upsert_batch(ids, vectors[chosen], payloads[chosen]))
        show_progress(min(start + BATCH, len(vectors)), len(vectors), started)


def ask(shard: es.EdgeShard, vector: np.ndarray, condition: es.Filter | None) -> tuple[list[es.ScoredPoint], float]:
    """The three best packages for a question, and the milliseconds it took."""
    request = es.QueryRequest(query=es.Query.Nearest(vector), filter=condition, limit=3, with_payload=True)
    started = time.perf_counter()
    hits = shard.query(request)
    return hits, (time.perf_counter() - started) * 1e3


def ask_all(
    shard: es.EdgeShard, texts: list[str], queries: np.ndarray, condition: es.Filter | None, shown: int
) -> list[list[int]]:
    """Ask every question; print some of them with their hits, and the timings of all."""
    answers, times = [], []
    for number, (text, vector) in enumerate(zip(texts, queries, strict=True)):
        hits, took = ask(shard, vector, condition)
        answers.append([int(hit.id) for hit in hits])
        times.append(took)
        if number < shown:
            print(f"  {text}   ({took:.2f} ms)")
            for hit in hits:
                payload = hit.payload or {}
                print(
                    f"    {hit.score:.3f}  {payload['name']:<28} rank {payload['rank']:<6} "
                    f"{str(payload['month'])[:7]}  {', '.join(payload['tags'][:4])}"
                )
    print(f"  {len(times)} questions: median {np.median(times):.2f} ms, slowest {max(times):.2f} ms")
    return answers


def main() -> None:
    """Create, ingest, search, close, reopen, search again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", help="where to keep the shard (default: a temporary directory)")
    parser.add_argument("--questions", type=int, default=5, help="how many questions to print")
    options = parser.parse_args()
    vectors, payloads, texts, queries = load_data()
    popular = es.Filter(
        must=[
            es.FieldCondition(key="rank", range=es.RangeFloat(lte=1000)),
            es.FieldCondition(key="month", range=es.RangeDateTime(gte="2026-01-01T00:00:00Z")),
        ]
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(options.path) if options.path else Path(scratch) / "packages"
        config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=vectors.shape[1], distance=es.Distance.Cosine))
        print(f"Writing {len(vectors)} packages into {path.name}/")
        with es.EdgeShard.create(path, config) as shard:
            ingest(shard, vectors, payloads)
            print("Nearest packages")
            before = ask_all(shard, texts, queries, None, options.questions)
            print("Among the 1,000 most downloaded, released in 2026")
            ask_all(shard, texts, queries, popular, options.questions)
        started = time.perf_counter()
        with es.EdgeShard.load(path) as shard:
            print(f"Closed and opened again in {(time.perf_counter() - started) * 1e3:.1f} ms: {shard.info()}")
            after = ask_all(shard, texts, queries, None, 0)
        if before != after:
            raise SystemExit("the answers changed after reopening")
        print("Same answers as before.")


if __name__ == "__main__":
    main()
