"""Callers of 0.9.0 can only tell its errors by their words: those of the requests below are in ours, in front."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard


class Opened:
    """A shard of one engine with a dense, a multi and a sparse vector, a text index and a field without one."""

    def __init__(self, mod: Any, path: Path) -> None:
        self.m, self.path, ops = mod, path, mod.UpdateOperation
        multi = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
        self.shard = mod.EdgeShard.create(
            str(path),
            mod.EdgeConfig(
                vectors={
                    "a": mod.EdgeVectorParams(2, mod.Distance.Dot),
                    "m": mod.EdgeVectorParams(3, mod.Distance.Dot, multivector_config=multi),
                },
                sparse_vectors={"s": mod.EdgeSparseVectorParams()},
            ),
        )
        self.shard.update(ops.upsert_points([mod.Point(1, {"a": [1, 1]}, {"k": "a", "txt": "one"})]))
        self.shard.update(ops.create_field_index("txt", mod.PayloadSchemaType.Text))

    def ask(self, query: Any = None, *prefetches: Any, **settings: Any) -> Any:
        return self.shard.query(self.m.QueryRequest(1, query=query, prefetches=list(prefetches) or None, **settings))

    def near(self, vector: Any, name: str | None = "a") -> Any:
        return self.m.Query.Nearest(vector, name)

    def update(self, name: str, *arguments: Any, **settings: Any) -> Any:
        return self.shard.update(getattr(self.m.UpdateOperation, name)(*arguments, **settings))

    def vector(self, number: int, vectors: Any) -> Any:
        return self.update("update_vectors", [self.m.PointVectors(number, vectors)])

    def nested(self, depth: int) -> Any:
        stage = None
        for _ in range(depth):
            stage = self.m.Prefetch(1, query=self.near([1, 2]), prefetches=stage and [stage])
        return self.ask(self.near([1, 2]), stage)

    def other_log(self) -> Any:
        self.shard.close()
        config = self.m.EdgeConfig(vectors={"a": self.m.EdgeVectorParams(2, self.m.Distance.Dot)}, wal_enabled=False)
        return self.m.EdgeShard.load(str(self.path), config)


CALLS: dict[str, Callable[[Opened], Any]] = {
    "no name": lambda o: o.ask(o.near([1, 2], None)),
    "unknown name": lambda o: o.ask(o.near([1, 2], "zz")),
    "dimension": lambda o: o.ask(o.near([1])),
    "dense for sparse": lambda o: o.ask(o.near([1, 2], "s")),
    "sparse for dense": lambda o: o.ask(o.near(o.m.SparseVector([1], [1.0]))),
    "multi for dense": lambda o: o.ask(o.near([[1, 2]])),
    "returned name": lambda o: o.ask(with_vector=["zz"]),
    "order without an index": lambda o: o.ask(o.m.OrderBy("k")),
    "facet without an index": lambda o: o.shard.facet(o.m.FacetRequest("k")),
    "text without an index": lambda o: o.ask(o.m.TextQuery("k", "x")),
    "text without scoring": lambda o: o.ask(o.m.TextQuery("txt", "x")),
    "weights": lambda o: o.ask(o.m.Fusion.Rrf(2, [1.0, 2.0]), o.m.Prefetch(1)),
    "no weights": lambda o: o.ask(o.m.Fusion.Rrf(2, []), o.m.Prefetch(1)),
    "fusion of nothing": lambda o: o.ask(o.m.Fusion.Rrf(2)),
    "formula of nothing": lambda o: o.ask(o.m.Formula(o.m.Expression.Constant(1))),
    "prefetches for nothing": lambda o: o.ask(None, o.m.Prefetch(1)),
    "too deep": lambda o: o.nested(70),
    "idf": lambda o: o.ask(o.near([1, 2]), params=o.m.SearchParams(idf=o.m.IdfParams())),
    "order and offset": lambda o: o.shard.scroll(o.m.ScrollRequest(offset=1, order_by=o.m.OrderBy("k"))),
    "other parameters": lambda o: o.update("create_dense_vector", "a", 3, o.m.Distance.Dot),
    "unknown point": lambda o: o.update("set_payload", [99], {"a": 1}),
    "vector of unknown point": lambda o: o.vector(99, {"a": [1, 2]}),
    "vector of unknown name": lambda o: o.vector(1, {"zz": [1, 2]}),
    "stored dimension": lambda o: o.vector(1, {"a": [1, 2, 3]}),
    "stored kind": lambda o: o.vector(1, {"s": [1, 2]}),
    "stored multi": lambda o: o.vector(1, {"a": [[1, 2]]}),
    "another log": lambda o: o.other_log(),
    "no directory": lambda o: o.m.EdgeShard.load("/nonexistent/shard"),
}


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Opened]]:
    opened = [Opened(mod, tmp_path / mod.__name__) for mod in (qdrant_edge, edgeshard)]
    yield opened
    for one in opened:
        one.shard.close()


@pytest.mark.parametrize("what", CALLS)
def test_the_words_are_those_of_the_other_engine(what: str, both: list[Opened]) -> None:
    said = []
    for one in both:
        with pytest.raises(Exception) as caught:
            CALLS[what](one)
        said.append(str(caught.value).removeprefix("Service runtime error: "))
    words = re.split(r"\. Please|; delete it", said[0])[0]  # what to do about it is said in our own words
    assert said[1].startswith(words.rstrip())
