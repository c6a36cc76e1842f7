"""Batches and tables of a graph that has settled give what the same queries give one by one."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import edgeshard as es

POINTS, SIZE, QUERIES = 7_000, 12, 40
BEAM = es.SearchParams(hnsw_ef=60)
Floats = npt.NDArray[np.float32]


def make(
    path: Path, distance: es.Distance, datatype: es.VectorStorageDatatype | None, uuids: bool, codes: Any = None
) -> es.EdgeShard:
    rng = np.random.default_rng(5)
    rows = (rng.random((POINTS, SIZE)) * 200).astype(np.float32)
    params = es.EdgeVectorParams(SIZE, distance, datatype=datatype, quantization_config=codes)
    config = es.EdgeConfig(
        vectors=params,
        hnsw_config=es.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = es.EdgeShard.create(path, config)
    ids: Any = [uuid.UUID(int=n + 1) for n in range(POINTS)] if uuids else np.arange(POINTS, dtype=np.uint64)
    payloads = [{"n": number} for number in range(POINTS)]
    shard.update(es.UpdateOperation.upsert_batch(ids, rows, payloads))
    shard.optimize()
    return shard


def settle(shard: es.EdgeShard, queries: Floats) -> None:
    """Ask until the graph has its codes and the lists laid out for walks."""
    for _ in range(3):
        shard.query_arrays(queries, limit=5, params=BEAM)
    assert "graph" in shard.explain(requests(queries, limit=5)[0]).draw()


def requests(queries: Floats, **settings: Any) -> list[es.QueryRequest]:
    return [es.QueryRequest(query=es.Query.Nearest(row.tolist()), params=BEAM, **settings) for row in queries]


@pytest.fixture(scope="module")
def queries() -> Floats:
    return (np.random.default_rng(6).random((QUERIES, SIZE)) * 200).astype(np.float32)


@pytest.mark.parametrize(
    ("distance", "datatype", "uuids"),
    [
        (es.Distance.Cosine, None, False),
        (es.Distance.Euclid, es.VectorStorageDatatype.Float16, True),
        (es.Distance.Dot, None, True),
        (es.Distance.Manhattan, es.VectorStorageDatatype.Uint8, False),
    ],
)
def test_batches_and_tables_give_what_single_queries_give(
    distance: es.Distance, datatype: Any, uuids: bool, queries: Floats, tmp_path: Path
) -> None:
    with make(tmp_path, distance, datatype, uuids) as shard:
        settle(shard, queries)
        for deleted in (False, True):  # some points are not wanted: the walk needs a mask
            if deleted:
                gone: Any = [uuid.UUID(int=n + 1) for n in range(0, 900, 3)] if uuids else list(range(0, 900, 3))
                shard.update(es.UpdateOperation.delete_points(gone))
            for settings in (
                {"limit": 10},
                {"limit": 7, "offset": 3, "with_payload": True},
                {"limit": 10, "with_payload": ["n"], "with_vector": True},
                {"limit": 400},
                {"limit": 1_200, "with_payload": True},
            ):
                asked = requests(queries, **settings)
                batch = shard.query_batch(es.QueryBatchRequest(asked))
                assert batch == [shard.query(request) for request in asked], settings
            ids, scores = shard.query_arrays(queries, limit=10, params=BEAM)
            assert ids.shape == scores.shape == (QUERIES, 10)
            for row, some_ids, some_scores in zip(queries, ids, scores, strict=True):
                one = shard.query_arrays(row, limit=10, params=BEAM)
                assert one[0].tolist() == some_ids.tolist()
                assert one[1].tolist() == some_scores.tolist()
                lone = shard.query_arrays(row[None], limit=10, params=BEAM)
                assert lone[0].dtype == ids.dtype
                assert [part.tolist() for part in lone] == [[some_ids.tolist()], [some_scores.tolist()]]


@pytest.mark.parametrize(
    "codes",
    [es.ScalarQuantizationConfig(es.ScalarType.Int8), es.TurboQuantQuantizationConfig(), es.BinaryQuantizationConfig()],
)
def test_what_a_settled_graph_over_codes_finds_is_what_a_filter_that_leaves_all_finds(
    codes: Any, queries: Floats, tmp_path: Path
) -> None:
    """The filter has the general way taken, which these searches are to agree with."""
    everything = es.Filter(must=[es.FieldCondition(key="n", range=es.RangeFloat(gte=0))])
    with make(tmp_path, es.Distance.Cosine, None, False, codes) as shard:
        settle(shard, queries)
        for quantization in (
            None,
            es.QuantizationSearchParams(ignore=True),
            es.QuantizationSearchParams(rescore=False),
            es.QuantizationSearchParams(rescore=True, oversampling=3.0),
        ):
            for k in (1, 10, 200):
                params = es.SearchParams(hnsw_ef=60, quantization=quantization)
                ids, scores = shard.query_arrays(queries, limit=k, params=params)
                wanted_ids, wanted_scores = shard.query_arrays(queries, limit=k, params=params, filter=everything)
                np.testing.assert_array_equal(ids, wanted_ids)
                np.testing.assert_array_equal(scores, wanted_scores)
                one = [shard.query_arrays(row, limit=k, params=params) for row in queries]
                np.testing.assert_array_equal(ids, [found[0] for found in one])
                np.testing.assert_array_equal(scores, [found[1] for found in one])


def test_mixed_batches_keep_their_order(queries: Floats, tmp_path: Path) -> None:
    with make(tmp_path, es.Distance.Euclid, None, False) as shard:
        settle(shard, queries)
        bar = shard.query(requests(queries[:1], limit=5)[0])[3].score
        asked = [
            *requests(queries[:4], limit=5),
            *requests(queries[4:8], limit=5, score_threshold=bar),
            *requests(queries[8:12], limit=5, with_payload=True),
            *requests(queries[12:16], limit=2, offset=3),
            *requests(queries[16:20], limit=0 + 1),
        ]
        order = np.random.default_rng(7).permutation(len(asked)).tolist()
        mixed = [asked[place] for place in order]
        assert shard.query_batch(es.QueryBatchRequest(mixed)) == [shard.query(request) for request in mixed]


def test_more_than_there_are(queries: Floats, tmp_path: Path) -> None:
    """A walk finds fewer points than asked for where the graph does not reach all: rows are filled up."""
    with make(tmp_path, es.Distance.Cosine, None, False) as shard:
        settle(shard, queries)
        ids, scores = shard.query_arrays(queries[:3], limit=POINTS + 5, params=BEAM)
        assert ids.shape == scores.shape
        assert ids.shape[0] == 3
        assert POINTS - 50 <= ids.shape[1] <= POINTS
        for row, row_scores in zip(ids, scores, strict=True):
            found = row[~np.isnan(row_scores)]
            assert len(set(found.tolist())) == len(found)


@pytest.mark.parametrize(
    ("limit", "error"), [(2**64, OverflowError), (-1, OverflowError), ("5", TypeError), (1.0, TypeError)]
)
def test_wrong_limits(limit: Any, error: type[Exception], queries: Floats, tmp_path: Path) -> None:
    with make(tmp_path, es.Distance.Cosine, None, False) as shard:
        settle(shard, queries)
        for vectors in (queries[0], queries[:3]):
            with pytest.raises(error, match="limit"):
                shard.query_arrays(vectors, limit=limit)
        assert len(shard.query_arrays(queries[0], limit=2**64 - 1)[0]) > POINTS - 50
        assert len(shard.query_arrays(queries[0], limit=0)[0]) == 0


@pytest.mark.parametrize("row", [np.zeros(SIZE + 1, np.float32), np.zeros((2, SIZE), np.float32)])
def test_a_wrong_vector_among_right_ones_is_told(row: Floats, queries: Floats, tmp_path: Path) -> None:
    with make(tmp_path, es.Distance.Cosine, None, False) as shard:
        settle(shard, queries)
        wrong = es.QueryRequest(query=es.Query.Nearest(row.tolist()), params=BEAM, limit=5)
        with pytest.raises((es.VectorDimensionError, es.WrongVectorKindError)) as single:
            shard.query(wrong)
        batch = es.QueryBatchRequest([*requests(queries[:3], limit=5), wrong])
        with pytest.raises(type(single.value)) as error:
            shard.query_batch(batch)
        assert str(error.value) == str(single.value)
