"""Pages over many segments come in the order of ids: numbers, then UUIDs by their bytes."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import pytest

import edgeshard as es


@pytest.mark.parametrize("page", [1, 7, 50, 1000])
def test_pages_over_many_segments_are_in_the_order_of_ids(tmp_path: Path, page: int) -> None:
    optimizers = es.EdgeOptimizersConfig(default_segment_number=8, indexing_threshold=1)
    vectors = es.EdgeVectorParams(size=32, distance=es.Distance.Dot)
    rng = random.Random(5)
    numbers = [*rng.sample(range(1000), 100), *(rng.getrandbits(64) for _ in range(50))]
    uuids = [UUID(int=rng.getrandbits(128)) for _ in range(100)] + [UUID(int=n) for n in range(10)]
    ids: list[int | UUID] = [*numbers, *uuids]
    rng.shuffle(ids)
    with es.EdgeShard.create(tmp_path / "s", es.EdgeConfig(vectors=vectors, optimizers=optimizers)) as shard:
        for start in range(0, len(ids), 20):
            points = [es.Point(point_id, [1.0] * 32) for point_id in ids[start : start + 20]]
            shard.update(es.UpdateOperation.upsert_points(points))
            shard.optimize()
        assert shard.info().segments_count > 4
        found: list[object] = []
        offset = None
        while True:
            records, offset = shard.scroll(es.ScrollRequest(limit=page, offset=offset))
            found += [record.id for record in records]
            if offset is None:
                break
        assert found == [*sorted(set(numbers)), *sorted(uuids)]
