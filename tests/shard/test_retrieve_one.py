"""One point is read in a way of its own: it must look as it does among others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es

POINTS, DIM = 40, 8
TYPES = {"": None, "half": "Float16", "byte": "Uint8", "turbo": "Turbo4"}


def config() -> es.EdgeConfig:
    vectors = {
        name: es.EdgeVectorParams(
            DIM, es.Distance.Dot, datatype=None if kind is None else getattr(es.VectorStorageDatatype, kind)
        )
        for name, kind in TYPES.items()
    }
    max_sim = es.MultiVectorConfig(es.MultiVectorComparator.MaxSim)
    for name, kind in (("many", None), ("many turbo", es.VectorStorageDatatype.Turbo8)):
        vectors[name] = es.EdgeVectorParams(DIM, es.Distance.Dot, multivector_config=max_sim, datatype=kind)
    optimizers = es.EdgeOptimizersConfig(indexing_threshold=1)
    return es.EdgeConfig(vectors, {"sparse": es.EdgeSparseVectorParams()}, optimizers=optimizers)


def point(number: int, rng: np.random.Generator) -> es.Point:
    """A point that lacks every vector whose place among the names divides its number."""
    every: dict[str, Any] = {name: rng.integers(0, 200, DIM).astype(float).tolist() for name in TYPES}
    every |= {name: rng.normal(size=(1 + number % 3, DIM)).tolist() for name in ("many", "many turbo")}
    every["sparse"] = es.SparseVector([3, number + 10], [1.0, 0.5])
    chosen = {name: vector for place, (name, vector) in enumerate(every.items(), 2) if number % place}
    return es.Point(number, chosen, {"n": number, "deep": {"a": 1, "b": 2}} if number % 4 else {})


@pytest.fixture(params=["appendable", "optimised"])
def shard(request, tmp_path: Path):
    with es.EdgeShard.create(tmp_path / "shard", config()) as made:
        rng = np.random.default_rng(0)
        made.update(es.UpdateOperation.upsert_points([point(number, rng) for number in range(POINTS)]))
        made.update(es.UpdateOperation.delete_vectors([7, 11], ["", "many", "sparse"]))
        made.update(es.UpdateOperation.delete_points([13]))
        if request.param == "optimised":
            made.optimize()
            assert not any(segment.appendable and segment.live for segment in made._store.segments)
        yield made


@pytest.mark.parametrize("with_vector", [True, False, None, [""], ["sparse", "many"], ["half", "turbo", "many turbo"]])
@pytest.mark.parametrize("with_payload", [True, False, None, ["deep.a"]])
def test_one_point_looks_as_it_does_among_others(shard, with_vector, with_payload):
    among = {record.id: record for record in shard.retrieve(range(POINTS), with_payload, with_vector)}
    assert len(among) == POINTS - 1
    for number in range(POINTS):
        alone = shard.retrieve([number], with_payload, with_vector)
        assert alone == ([among[number]] if number in among else [])
        assert repr(alone) == repr([among[number]] if number in among else [])


def test_it_is_a_copy(shard):
    (record,) = shard.retrieve([5], with_vector=True)
    before = repr(record)
    shard.update(es.UpdateOperation.upsert_points([point(5, np.random.default_rng(9))]))
    assert repr(record) == before
    assert repr(shard.retrieve([5], with_vector=True)[0]) != before


def test_a_name_nobody_has_is_an_error_where_there_is_the_point(shard):
    with pytest.raises(es.VectorNameNotFoundError, match="nope"):
        shard.retrieve([5], with_vector=["nope"])
    assert shard.retrieve([10**6], with_vector=["nope"]) == []
