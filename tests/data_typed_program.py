"""A program of a user, for the type checker only: `test_types.py` says what is done with it.

Lines that end in ``# wrong`` must be refused, all others accepted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

import edgeshard as es
from edgeshard import aio

if TYPE_CHECKING:
    from typing_extensions import assert_type

Rows = npt.NDArray[np.float32]
ops = es.UpdateOperation


def write(path: Path, rows: Rows) -> None:
    vectors = {"image": es.EdgeVectorParams(size=4, distance=es.Distance.Cosine)}
    shard = es.EdgeShard.create(path, es.EdgeConfig(vectors, {"words": es.EdgeSparseVectorParams()}))
    points = [es.Point(n, {"image": rows[n], "words": es.SparseVector([1], [0.5])}, {"n": n}) for n in range(3)]
    shard.update(ops.upsert_points(points))
    shard.update(ops.upsert_points(es.Point(str(uuid4()), [0.5, 1]) for _ in range(3)))


def write_columns(rows: Rows) -> None:
    ops.upsert_batch(np.arange(3), rows, [{"a": 1}, None, '{"b": 2}'])
    ops.upsert_batch([1, "ab", uuid4()], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], ({"n": n} for n in range(3)))
    ops.upsert_batch(range(3), {"words": ([0, 1, 2, 3], [1, 2, 3], [0.5, 0.5, 0.1]), "image": rows})
    ops.upsert_batch([1], {"tokens": [np.zeros((2, 3))], "lists": [[[0.1, 0.2]]]})
    ops.upsert_batch((1, 2), {"tokens": (np.array([0, 2, 3]), np.zeros((3, 3)))})
    ops.upsert_batch([1], [row.tolist() for row in rows])
    ops.upsert_batch(5, rows)  # wrong
    ops.upsert_batch([1.5], rows)  # wrong
    ops.upsert_batch([1], "abc")  # wrong
    ops.upsert_batch([1], 3)  # wrong
    ops.upsert_batch([1], rows, 7)  # wrong


def read(shard: es.EdgeShard, rows: Rows) -> None:
    hits = shard.query(es.QueryRequest(query=es.Query.Nearest(rows[0], using="image"), limit=3))
    assert_type(hits, list[es.ScoredPoint])
    for hit in hits:
        assert_type(hit.id, int | UUID)
        assert_type(hit.payload, dict[str, object] | None)  # wrong
        assert_type(hit.vector, es.VectorStructOutput | None)
        hit.vector["image"]  # wrong
        if isinstance(hit.vector, dict):
            assert_type(hit.vector["image"], es.VectorOutput)
        if hit.vector is not None:
            shard.update(ops.upsert_points([es.Point(hit.id, hit.vector, hit.payload)]))
    records, following = shard.scroll(es.ScrollRequest(limit=10, offset=hits[0].id))
    assert_type(records, list[es.Record])
    assert_type(following, int | UUID | None)
    ids, scores = shard.query_arrays(rows, limit=2, using="image")
    assert_type(ids, npt.NDArray[np.uint64] | npt.NDArray[np.object_])
    assert_type(scores, npt.NDArray[np.float32])


def keep(shard: es.EdgeShard, wanted: bool) -> None:
    assert_type(shard.optimize(), bool)
    assert_type(shard.optimize(background=True), es.BackgroundOptimize)
    assert_type(shard.optimize(background=wanted), bool | es.BackgroundOptimize)
    assert_type(shard.measure_recall(100, ef=8), es.RecallReport)
    with es.EdgeShard.load("shop") as writer:
        assert_type(writer, es.EdgeShard)
        writer.refresh()  # wrong
    with es.EdgeShard.load("shop", read_only=True) as reader:
        assert_type(reader, es.ReadOnlyShard)
        assert_type(reader.refresh(), bool)
    es.options.codes_limit_bytes = 1 << 20
    es.options.keep_codes = "yes"  # wrong


def match(point: es.Point, record: es.Record, query: es.Query.Nearest) -> None:
    match point:
        case es.Point(id, vector, payload):
            assert_type(id, int | UUID)
            assert_type(vector, es.VectorStructOutput)
            assert_type(payload, es.Payload | None)
    match record:
        case es.Record(id=id, order_value=value):
            assert_type(value, int | float | None)
    assert_type(query.query, es.VectorOutput)


def refuse() -> None:
    es.Point(1, "abc")  # wrong
    es.Point(1, [1.0], [1])  # wrong
    es.QueryRequest(limit="3")  # wrong
    es.EdgeVectorParams(size=3, distance="Cosine")  # wrong
    es.FieldCondition("a", match="x")  # wrong
    es.FieldCondition("a", match=es.MatchValue(1.5))  # wrong
    es.Filter(must=es.HasIdCondition([1]))  # wrong


async def wait() -> None:
    async with await aio.EdgeShard.load("shop", threads=2) as shard:
        assert_type(await shard.count(es.CountRequest()), int)
        assert_type(await shard.optimize(), bool)
        assert_type(await shard.optimize(background=True), es.BackgroundOptimize)
