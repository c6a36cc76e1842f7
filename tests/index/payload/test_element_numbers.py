"""Numbers of array elements: a damaged one costs no memory, and the numbers of a changed segment are believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard import CorruptedError
from edgeshard.index.payload.elements import ElementNumbers

OPS = es.UpdateOperation


def spoil(page: Path, place: int, bit: int) -> None:
    """Flip a bit of the number in a block of 16 bytes."""
    data = bytearray(page.read_bytes())
    data[16 * place + bit // 8] ^= 1 << bit % 8
    page.write_bytes(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shard"
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))
    with es.EdgeShard.create(path, config) as shard:
        shard.update(OPS.create_field_index("arr[].k", es.KeywordIndexParams(nested="arr")))
        points = [es.Point(number, [1.0, 2.0], {"arr": [{"k": "a"}]}) for number in range(10)]
        shard.update(OPS.upsert_points(points))
    return path


@pytest.mark.parametrize("bit", [21, 31])
def test_a_number_far_above_the_count_is_refused(path: Path, bit: int) -> None:
    directories = sorted(path.glob("segments/*/payload_index/*-elements"))
    ElementNumbers.open(directories, 0).close()
    for directory in directories:
        spoil(directory / "page_0.dat", 9, bit)
    with pytest.raises(CorruptedError, match="among 10 elements"):
        ElementNumbers.open(directories, 0)
    (path / "edgeshard.checksums").unlink()
    with es.EdgeShard.load(path) as shard:
        shard.update(OPS.upsert_points([es.Point(100, [1.0, 2.0], {"arr": [{"k": "a"}]})]))
        with pytest.warns(RuntimeWarning, match="rebuilt"):
            shard.flush()
        condition = es.FieldCondition("arr[].k", match=es.MatchValue("a"))
        assert shard.count(es.CountRequest(filter=es.Filter(must=[condition]))) == 11


def test_numbers_of_many_elements_that_were_removed(path: Path) -> None:
    with es.EdgeShard.load(path) as shard:
        many = [{"k": str(number)} for number in range(3)]
        ids = np.arange(1000, 1000 + 500)
        shard.update(OPS.upsert_points([es.Point(int(point), [1.0, 2.0], {"arr": many}) for point in ids]))
        shard.update(OPS.delete_points(ids[:-1].tolist()))
    with es.EdgeShard.load(path) as shard:
        shard.update(OPS.upsert_points([es.Point(5000, [1.0, 2.0], {"arr": many})]))
        last = es.Filter(must=[es.FieldCondition("arr[].k", match=es.MatchValue("2"))])
        assert [record.id for record in shard.scroll(es.ScrollRequest(filter=last))[0]] == [1499, 5000]
