"""One query at a time, and walks over lists of fixed length: the same answers as the general way."""

import numpy as np
import pytest

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.hnsw import HnswGraph, files
from edgeshard.index.hnsw.graph import held_share, make_codes
from edgeshard.storage.convert import to_stored

COSINE, EUCLID, DOT = range(3)
N, DIM = 2000, 48


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    rows = to_stored(rng.normal(size=(N + 20, DIM)).astype(np.float32), COSINE, np.float32)
    return np.ascontiguousarray(rows[:N]), np.ascontiguousarray(rows[N:])


@pytest.mark.parametrize("distance", [COSINE, EUCLID, DOT])
@pytest.mark.parametrize("share", [None, 0.6, 0.1])
def test_one_query_finds_what_many_do(data, distance, share):
    rows, queries = data
    graph = HnswGraph.build([rows], distance, threads=1)
    fast = graph.attach([rows], distance, make_codes([rows]), fast=True)
    mask = None if share is None else np.random.default_rng(1).random(N) < share
    selectivity = 1.0 if mask is None else float(mask.mean())
    for coded in (graph, graph.attach([rows], distance, make_codes([rows])), fast):
        offsets, sims, counts = coded.search(queries, 10, 50, mask)
        for i, query in enumerate(queries):
            one = coded.search_one(query[None], 10, 50, mask, selectivity, None, False)
            assert one[0].tolist() == offsets[i, : counts[i]].tolist()
            np.testing.assert_array_equal(one[1], sims[i, : counts[i]])
            np.testing.assert_array_equal(one[1][None], _native.score_matrix(query[None], [rows], one[0], distance))


def test_lists_of_fixed_length_change_no_answer(data):
    rows, queries = data
    graph = HnswGraph.build([rows], COSINE, threads=1, blocks=[np.arange(0, N, 3, dtype=np.uint32)])
    codes = make_codes([rows])
    slow, fast = (graph.attach([rows], COSINE, codes, fast=fast) for fast in (False, True))
    mask = np.arange(N) % 3 == 0
    for chosen in (None, mask):
        for left, right in zip(slow.search(queries, 10, 40, chosen), fast.search(queries, 10, 40, chosen), strict=True):
            np.testing.assert_array_equal(left, right)


def test_rescoring_only_the_hopeful_loses_nothing(data):
    rows, queries = data
    graph = HnswGraph.build([rows], COSINE, threads=1, codes=make_codes([rows]))
    found = graph.search(queries, 10, 200)[0]
    truth = _native.scan_topk(queries, [rows], None, 10, COSINE)[0]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]) > 9.9


def test_a_damaged_list_is_told_with_lists_of_fixed_length(data, tmp_path):
    rows, queries = data
    graph = HnswGraph.build([rows], COSINE, threads=1)
    graph.save(tmp_path)
    files.write(tmp_path, graph.links_table, files.GraphHeader.read(tmp_path / files.GRAPH), files.PLAIN)
    path = tmp_path / "links.bin"
    raw = bytearray(path.read_bytes())
    links = np.frombuffer(raw, np.uint32)
    first = graph.links(0)
    at = next(i for i in range(len(links) - len(first)) if (links[i : i + len(first)] == first).all())
    raw[4 * at : 4 * at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    codes = make_codes([rows])
    damaged = HnswGraph.load(tmp_path, [rows], COSINE).attach([rows], COSINE, codes, fast=True)
    with pytest.raises(CorruptedError):
        damaged.search_one(rows[:1], N, N, None, 1.0, None, False)
    with pytest.raises(CorruptedError):
        damaged.search(queries, N, N)


@pytest.mark.parametrize(
    ("query", "error"),
    [(np.zeros((1, DIM + 1), np.float32), ValueError), (np.zeros((2, DIM), np.float32), ValueError)],
)
def test_one_query_of_a_wrong_shape_is_refused(data, query, error):
    graph = HnswGraph.build([data[0]], COSINE, threads=1)
    with pytest.raises(error):
        graph.search_one(query, 10, 50, None, 1.0, None, False)


@pytest.mark.parametrize("distance", [COSINE, EUCLID])
@pytest.mark.parametrize(("dtype", "element"), [(np.float32, 0), (np.float16, 1), (np.uint8, 2)])
def test_a_query_row_is_in_stored_form(distance, dtype, element):
    vector = np.random.default_rng(2).normal(size=33).astype(np.float32) * 20
    row = _native.query_row(vector, distance == COSINE, element)
    assert row.dtype == dtype
    np.testing.assert_array_equal(row, to_stored(vector[None], distance, dtype))


def test_objects_are_made_of_slots_only():
    class Slotted:
        __slots__ = ("a", "b")

        @property
        def c(self):
            return 1

    made = _native.ObjectMaker(Slotted, ("a", "b"))(([1, 2], "same"), 2)
    assert [(one.a, one.b) for one in made] == [(1, "same"), (2, "same")]
    numbers = np.array([7, 2**63, 9], np.uint64)
    made = _native.ObjectMaker(Slotted, ("a", "b"))(((numbers, np.array([1, 0], np.uint32)), [3, 4]), 2)
    assert [(one.a, one.b) for one in made] == [(2**63, 3), (7, 4)]
    with pytest.raises(IndexError, match="3 is out of range"):
        _native.ObjectMaker(Slotted, ("a",))(((numbers, np.array([3], np.uint32)),), 1)
    for name in ("c", "__init__"):
        with pytest.raises(TypeError):
            _native.ObjectMaker(Slotted, ("a", name))(([1], [2]), 1)


def test_beams_behind_filters_are_wide_enough(data):
    shares = np.linspace(0.05, 1, 96)
    held = [held_share(share) for share in shares]
    assert held_share(1.0) == 1.0
    assert all(share <= part <= 1 for share, part in zip(shares, held, strict=True))
    assert all(np.diff(held[20:]) > 0)
    rows, queries = data
    graph = HnswGraph.build([rows], COSINE, threads=1)
    unfiltered = overlap(graph.search(queries, 10, 64)[0], _native.scan_topk(queries, [rows], None, 10, COSINE)[0])
    for share in (0.3, 0.5, 0.8):
        mask = np.random.default_rng(7).random(N) < share
        truth = _native.scan_topk(queries, [rows], mask, 10, COSINE)[0]
        assert overlap(graph.search(queries, 10, 64, mask)[0], truth) >= unfiltered - 0.03


def overlap(found, truth):
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)])


@pytest.mark.parametrize("distance", [COSINE, EUCLID, DOT])
def test_listed_rows_are_ranked_as_by_a_mask(data, distance):
    rows, queries = data
    offsets = np.sort(np.random.default_rng(4).choice(N, 60, replace=False)).astype(np.uint32)
    mask = np.zeros(N, np.bool_)
    mask[offsets] = True
    for k in (0, 7, 100):
        listed = _native.topk_listed(queries, [rows[:900], rows[900:]], offsets, k, distance)
        masked = _native.scan_topk(queries, [rows], mask, min(k, 60), distance)
        for left, right in zip(listed, masked, strict=True):
            np.testing.assert_array_equal(left, right)
    with pytest.raises(IndexError):
        _native.topk_listed(queries, [rows], np.array([N], np.uint32), 3, distance)


def test_beams_widen_where_few_of_the_nearest_are_wanted(data):
    rows, queries = data
    graph = HnswGraph.build([rows], COSINE, threads=1)
    near, far = [], []
    for query in queries:
        sims = rows @ query
        for found, wanted in ((near, sims > np.quantile(sims, 0.5)), (far, sims < np.quantile(sims, 0.95))):
            truth = _native.scan_topk(query[None], [rows], wanted, 10, COSINE)[0]
            found.append(overlap(graph.search(query[None], 10, 32, wanted, selectivity=0.5)[0], truth))
    assert np.mean(far) > np.mean(near) - 0.1
