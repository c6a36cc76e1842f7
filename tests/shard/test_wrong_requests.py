"""Requests of another type than a method takes: a TypeError, as in Qdrant Edge, before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge
from small_shards import small_config, upsert

import edgeshard


@pytest.fixture(scope="module", params=[edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    mod = request.param
    shard = mod.EdgeShard.create(str(tmp_path_factory.mktemp("shard")), small_config(mod))
    shard.update(upsert(mod, range(3), "x"))
    return mod, shard


@pytest.mark.parametrize("method", ["query", "search", "query_batch", "facet", "scroll", "count", "update"])
@pytest.mark.parametrize("wrong", [None, {}, 5, "k", "other"], ids=str)
def test_requests_of_another_type(method: str, wrong: Any, opened: tuple[Any, Any]) -> None:
    mod, shard = opened
    if wrong == "other":
        wrong = mod.CountRequest() if method != "count" else mod.QueryRequest(limit=1)
    with pytest.raises(TypeError, match=r"expected|not an instance|must be an UpdateOperation"):
        getattr(shard, method)(wrong)


@pytest.mark.parametrize(
    "arguments",
    [("12", True, False), ([1], True, "s"), ([1], True, [5]), ([1], "n", False)],
    ids=str,
)
def test_arguments_of_retrieve(arguments: Any, opened: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError):
        opened[1].retrieve(*arguments)


@pytest.mark.parametrize("method", ["query_groups", "search_matrix_pairs", "search_matrix_offsets", "explain"])
def test_methods_that_only_edgeshard_has(method: str, tmp_path: Path) -> None:
    with (
        edgeshard.EdgeShard.create(tmp_path, small_config(edgeshard)) as shard,
        pytest.raises(TypeError, match="expected"),
    ):
        getattr(shard, method)(edgeshard.CountRequest())


def test_bytes_are_vectors_of_numbers(opened: tuple[Any, Any]) -> None:
    mod, shard = opened
    for number, vector in enumerate([b"\x00\x01\x02\xff", bytearray(b"\x00\x01\x02\xff")]):
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(10 + number, vector)]))
    records = shard.retrieve([10, 11], False, True)
    np.testing.assert_array_equal([record.vector for record in records], [[0, 1, 2, 255]] * 2)
