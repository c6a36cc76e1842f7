"""``check`` reads every posting list, and ``repair`` builds indexes anew of which one cannot be read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import edgeshard
from edgeshard import EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeSparseVectorParams, SparseVector, UpdateOperation

WORDS = [f"word{number}" for number in range(200)]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A closed shard without checksums: a text index and a sparse index, both in files."""
    rng = random.Random(7)
    path = tmp_path / "shard"
    config = EdgeConfig(
        sparse_vectors={"s": EdgeSparseVectorParams()}, optimizers=EdgeOptimizersConfig(indexing_threshold=1)
    )
    with EdgeShard.create(path, config) as made:
        made.update(UpdateOperation.create_field_index("t", edgeshard.PayloadSchemaType.Text))
        points = []
        for number in range(800):
            vector = SparseVector(sorted(rng.sample(range(300), 20)), [rng.random() for _ in range(20)])
            points.append(edgeshard.Point(number, {"s": vector}, {"t": " ".join(rng.choices(WORDS, k=12))}))
        made.update(UpdateOperation.upsert_points(points))
        assert made.optimize()
    (path / "edgeshard.checksums").unlink()
    assert EdgeShard.check(path) == []
    return path


def hits(path: Path) -> list[int]:
    """Points that need both indexes to be found."""
    match = edgeshard.FieldCondition("t", match=edgeshard.MatchText("word3"))
    query = edgeshard.Query.Nearest(SparseVector([1, 2, 3], [1.0, 0.5, 0.25]), using="s")
    with EdgeShard.load(path) as shard:
        found = shard.query(edgeshard.QueryRequest(query=query, limit=50, filter=edgeshard.Filter(must=[match])))
    return [hit.id for hit in found]  # type: ignore[misc]


@pytest.mark.parametrize("name", ["inverted_index.dat", "postings.dat"])
def test_a_list_that_cannot_be_read(name: str, shard: Path) -> None:
    before = hits(shard)
    assert before
    (shard / "edgeshard.checksums").unlink(missing_ok=True)
    (file,) = shard.glob(f"segments/*/**/{name}")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes([255] * 400)
    file.write_bytes(content)
    found = EdgeShard.check(shard)
    assert len(found) == 1
    assert str(file) in found[0]
    assert EdgeShard.check(shard, "fast") == []
    done = EdgeShard.repair(shard)
    assert any("set aside" in line for line in done)
    assert not [line for line in done if line.startswith("still wrong")]
    assert EdgeShard.check(shard) == []
    assert hits(shard) == before
