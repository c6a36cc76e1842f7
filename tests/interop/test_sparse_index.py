"""Sparse indexes of either engine, searched by both."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard

ENGINES = [edgeshard, qdrant_edge]
POINTS = 1500


class Shard:
    """A random shard with sparse vectors, optimised by one engine.

    Args:
        seed: of everything random.
        path: where.
        mod: the engine that writes it.
        datatype: of the weights in the index.
        indexed: whether the vectors are enough for a compressed index.
    """

    def __init__(self, seed: int, path: Path, mod: Any, datatype: str = "Float32", *, indexed: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        self.path = path
        placement: dict[str, Any] = [{}, {"on_disk": True}, {"memory": mod.Memory.Cold}, {"memory": mod.Memory.Pinned}][
            seed % 4
        ]
        params = mod.EdgeSparseVectorParams(
            modifier=mod.Modifier.Idf if seed % 2 else None,
            datatype=getattr(mod.VectorStorageDatatype, datatype),
            full_scan_threshold=[None, 50, 100_000][seed % 3],
            **placement,
        )
        path.mkdir(exist_ok=True)
        config = mod.EdgeConfig(
            sparse_vectors={"s": params},
            optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1 if indexed else 10_000),
        )
        shard = mod.EdgeShard.create(str(path), config)
        shard.update(mod.UpdateOperation.upsert_points([self.point(mod, i) for i in range(POINTS)]))
        shard.optimize()
        shard.update(mod.UpdateOperation.delete_points(list(range(0, POINTS, 17))))
        shard.update(mod.UpdateOperation.upsert_points([self.point(mod, i) for i in range(5, POINTS + 200, 90)]))
        shard.close()

    def vector(self, mod: Any, size: int) -> Any:
        indices = np.unique((300 * self.rng.random(size) ** 3).astype(int)).tolist()
        return mod.SparseVector(indices, self.rng.normal(1, 1, len(indices)).tolist())

    def point(self, mod: Any, number: int) -> Any:
        vectors = {} if self.rng.random() < 0.05 else {"s": self.vector(mod, int(self.rng.integers(0, 10)))}
        return mod.Point(number, vectors, {"a": number % 10})

    def compare(self) -> None:
        answers = {}
        seed = int(self.rng.integers(2**31))
        for mod in ENGINES:
            self.rng = np.random.default_rng(seed)
            shard = mod.EdgeShard.load(str(self.path))
            answers[mod] = [self.ask(mod, shard, number) for number in range(30)]
            answers[mod].append(self.counts(shard))
            shard.close()
        for ours, theirs in zip(answers[edgeshard][:-1], answers[qdrant_edge][:-1], strict=True):
            assert len(ours) == len(theirs)
            np.testing.assert_allclose([s for _, s in ours], [s for _, s in theirs], rtol=2e-5, atol=1e-5)
            assert same_points(ours, theirs)
        assert answers[edgeshard][-1] == answers[qdrant_edge][-1]

    @staticmethod
    def counts(shard: Any) -> tuple[int, int]:
        info = shard.info()
        return info.points_count, info.indexed_vectors_count

    def ask(self, mod: Any, shard: Any, number: int) -> list[tuple[Any, float]]:
        vector = self.vector(mod, int(self.rng.integers(1, 7)))
        condition = mod.Filter(must=[mod.FieldCondition("a", match=mod.MatchValue(number % 10))])
        filter = condition if number % 2 else None
        query = mod.Query.Nearest(vector, using="s")
        prefetches = []
        if number % 5 == 4:
            prefetches = [self.untied(mod, shard, mod.Query.Nearest(self.vector(mod, 5), using="s"), filter)]
        request = mod.QueryRequest(query=query, limit=10, filter=filter, prefetches=prefetches)
        return [(point.id, point.score) for point in shard.query(request)]

    @staticmethod
    def untied(mod: Any, shard: Any, query: Any, filter: Any) -> Any:
        """A prefetch of 40 points, or of some more where it would have to choose among equal scores, as those of byte
        weights often are: which it takes is each engine's choice."""
        found = shard.query(mod.QueryRequest(query=query, limit=100, filter=filter))
        gaps = -np.diff([point.score for point in found])
        places = np.flatnonzero(gaps[39:] > 1e-3)
        return mod.Prefetch(limit=40 + int(places[0]) if len(places) else 40, query=query)


def same_points(ours: list[tuple[Any, float]], theirs: list[tuple[Any, float]]) -> bool:
    """Whether the points are the same, but for those whose scores are as good as equal to the last."""
    if not ours:
        return True
    last = min(score for _, score in ours)
    sure = {point for point, score in ours if score > last + 1e-4}
    return sure <= {point for point, _ in theirs}


@pytest.mark.parametrize("datatype", ["Float32", "Float16", "Uint8"])
@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_optimised(seed: int, mod: Any, datatype: str, tmp_path: Path) -> None:
    shard = Shard(seed, tmp_path / "shard", mod, datatype)
    assert list((tmp_path / "shard").glob("segments/*/vector_index-s/inverted_index.dat"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shard.compare()


@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_in_memory(seed: int, mod: Any, tmp_path: Path) -> None:
    Shard(seed, tmp_path / "shard", mod, indexed=False).compare()


@pytest.mark.long
@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
def test_many(mod: Any, tmp_path: Path) -> None:
    for seed in range(100, 200):
        path = tmp_path / str(seed)
        Shard(seed, path, mod, ["Float32", "Float16", "Uint8"][seed % 3], indexed=seed % 5 > 0).compare()
        shutil.rmtree(path)


def test_same_bytes(tmp_path: Path) -> None:
    """The lists are the ones the oracle writes, padding aside; so are the small files."""
    contents = []
    for mod in ENGINES:
        Shard(2, tmp_path / mod.__name__, mod)
        (lists,) = (tmp_path / mod.__name__).glob("segments/*/vector_index-s/inverted_index.dat")
        index = lists.parent
        names = sorted(path.name for path in index.iterdir())
        files = {name: (index / name).read_bytes() for name in names}
        files["indices_tracker.json"] = bytes(sorted(files["indices_tracker.json"]))  # its order is random
        contents.append(files)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
@pytest.mark.parametrize("damage", ["version.info", "inverted_index.dat", "lists", "list", "everything"])
def test_damaged_index_is_rebuilt(damage: str, mod: Any, tmp_path: Path) -> None:
    shard = Shard(1, tmp_path / "shard", mod)
    (lists,) = (tmp_path / "shard").glob("segments/*/vector_index-s/inverted_index.dat")
    index = lists.parent
    if damage == "everything":
        shutil.rmtree(index)
    elif damage == "lists":
        lists.write_bytes(lists.read_bytes()[:-8])
    elif damage == "list":
        data = bytearray(lists.read_bytes())
        count = int.from_bytes(data[:8], "little")
        data[count : count + 4096] = b"\xff" * 4096  # the first lists, behind the headers
        lists.write_bytes(data)
    else:
        (index / damage).unlink()
    query = edgeshard.QueryRequest(query=edgeshard.Query.Nearest(shard.vector(edgeshard, 300), using="s"), limit=20)

    def search() -> list[Any]:
        opened = edgeshard.EdgeShard.load(str(tmp_path / "shard"))
        found = opened.query(query)
        opened.close()
        return found

    with pytest.warns(RuntimeWarning, match="rebuilt"):
        found = search()
    assert len(found) == 20
    if damage == "list":
        return  # found by the search, which does not write
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shard.compare()


@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize("query", [([5], [1.0]), ([5], [-1.0]), ([5, 99], [1.0, 1.0]), ([5, 7], [-1.0, 1.0])])
def test_scores_of_zero_are_no_hits(query: Any, optimised: bool, tmp_path: Path) -> None:
    found = []
    for mod in (edgeshard, qdrant_edge):
        optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1)
        config = mod.EdgeConfig(sparse_vectors={"s": mod.EdgeSparseVectorParams()}, optimizers=optimizers)
        shard = mod.EdgeShard.create(str(tmp_path / mod.__name__), config)
        rows = [([5, 8], [0.0, 1.0]), ([5, 8], [2.0, 1.0]), ([5, 7], [0.0, 3.0]), ([5], [-0.0])]
        points = [mod.Point(i, {"s": mod.SparseVector(*row)}, {}) for i, row in enumerate(rows)]
        shard.update(mod.UpdateOperation.upsert_points(points))
        if optimised:
            shard.optimize()
        asked = mod.QueryRequest(query=mod.Query.Nearest(mod.SparseVector(*query), using="s"), limit=10)
        found.append([(point.id, point.score) for point in shard.query(asked)])
        shard.close()
    assert found[0] == found[1]
    assert found[0]
