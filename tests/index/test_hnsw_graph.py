"""Recall, filters, determinism and limits of HNSW graphs, against brute force."""

import os
import threading
from pathlib import Path

import instruction_sets
import numpy as np
import pytest

from edgeshard import _native
from edgeshard.errors import CancelledError, CorruptedError
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import ACORN, THROUGH, WALLS, make_codes

COSINE, EUCLID, DOT, MANHATTAN = range(4)
DATA = Path(os.environ.get("EDGESHARD_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def clustered(n, dim, seed=0, clusters=40):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dim))
    return (centres[rng.integers(0, clusters, n)] + 0.4 * rng.normal(size=(n, dim))).astype(np.float32)


def stored(x, distance, dtype):
    if dtype == np.uint8:
        return np.clip(x * 30 + 128, 0, 255).astype(np.uint8)
    if distance == COSINE:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(dtype)


def truth(queries, rows, distance, k, mask=None):
    return _native.scan_topk(queries, [rows], mask, k, distance)[0]


def recall(found, expected):
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, expected, strict=True)]
    return sum(hits) / expected.size


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("distance", [COSINE, EUCLID, DOT, MANHATTAN])
def test_recall_of_every_distance_and_type(distance, dtype):
    x = stored(clustered(3000, 40), distance, dtype)
    rows, queries = x[:2900], x[2900:]
    graph = HnswGraph.build([rows[:1000], rows[1000:2000], rows[2000:]], distance, threads=1)
    offsets, sims, counts = graph.search(queries, 10, 64)
    assert counts.tolist() == [10] * 100
    assert recall(offsets, truth(queries, rows, distance, 10)) > 0.97
    np.testing.assert_array_equal(sims[:1], _native.score_matrix(queries[:1], [rows], offsets[0], distance))
    assert (np.diff(sims, axis=1) <= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("distance", [COSINE, EUCLID, DOT])
def test_codes_lose_no_recall_and_similarities_stay_exact(distance, dtype):
    x = stored(clustered(3000, 100, seed=1), distance, dtype)
    rows, queries = x[:2900], x[2900:]
    graph = HnswGraph.build([rows], distance, codes=make_codes([rows]), threads=1)
    plain = HnswGraph.build([rows], distance, threads=1)
    expected = truth(queries, rows, distance, 10)
    offsets, sims, _ = graph.search(queries, 10, 64)
    assert recall(offsets, expected) > recall(plain.search(queries, 10, 64)[0], expected) - 0.01
    np.testing.assert_array_equal(sims[3:4], _native.score_matrix(queries[3:4], [rows], offsets[3], distance))


def test_overlapping_clusters_are_found_from_above():
    """Following one point only through the upper levels ends in a wrong cluster: recall 0.78."""
    rng = np.random.default_rng(7)
    n, dim, clusters, directions = 20000, 128, 50, 16
    member = rng.integers(0, clusters, n + 300)
    x = np.empty((n + 300, dim), np.float32)
    for cluster in range(clusters):
        chosen = np.flatnonzero(member == cluster)
        basis = rng.normal(size=(directions, dim)) / np.sqrt(directions)
        x[chosen] = 0.5 * rng.normal(size=dim) + rng.normal(size=(len(chosen), directions)) @ basis
    x = stored(x + 0.1 * rng.normal(size=x.shape), COSINE, np.float32)
    rows, queries = x[:n], x[n:]
    graph = HnswGraph.build([rows], COSINE, m=8, ef_construct=32, threads=1, codes=make_codes([rows], 1))
    assert recall(graph.search(queries, 10, 16)[0], truth(queries, rows, COSINE, 10)) > 0.83


def test_random_data_with_more_effort():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3000, 16)).astype(np.float32)
    queries = rng.normal(size=(50, 16)).astype(np.float32)
    graph = HnswGraph.build([rows], EUCLID)
    assert recall(graph.search(queries, 10, 200)[0], truth(queries, rows, EUCLID, 10)) > 0.99


@pytest.mark.parametrize("on_codes", [False, True])
def test_multi_vectors_by_max_sim(on_codes):
    rng = np.random.default_rng(3)
    rows = stored(clustered(4000, 32, seed=3), COSINE, np.float32)
    count = rng.integers(1, 4, 1500).astype(np.uint32)
    first = (np.cumsum(count) - count).astype(np.uint32)
    rows = rows[: int(count.sum())]
    codes = make_codes([rows]) if on_codes else None
    graph = HnswGraph.build([rows], COSINE, row_table=(first, count), codes=codes)
    query = stored(clustered(60, 32, seed=4), COSINE, np.float32)
    bounds = np.arange(0, 61, 3)
    offsets, sims, _ = graph.search(query, 10, 128, bounds=bounds)
    hits = 0
    for i in range(20):
        best, best_sims = _native.maxsim_topk(query[3 * i : 3 * i + 3], [rows], first, count, None, 10, COSINE)
        hits += len(np.intersect1d(best, offsets[i]))
        assert sims[i, 0] <= best_sims[0] * (1 + 1e-5)
    assert hits / 200 > 0.93


@pytest.mark.parametrize(("share", "mode"), [(0.5, None), (0.5, THROUGH), (0.1, ACORN), (0.1, None), (0.01, THROUGH)])
def test_filtered_recall(share, mode):
    x = stored(clustered(5000, 32, seed=5), COSINE, np.float32)
    rows, queries = x[:4900], x[4900:]
    mask = np.random.default_rng(6).random(4900) < share
    graph = HnswGraph.build([rows], COSINE, codes=make_codes([rows]))
    offsets, _, counts = graph.search(queries, 10, 64, mask, mode=mode)
    assert mask[offsets[offsets != 2**32 - 1]].all()
    assert recall(offsets, truth(queries, rows, COSINE, 10, mask)) > 0.93
    assert (counts == 10).all()


def test_payload_links_keep_blocks_connected():
    x = stored(clustered(4000, 32, seed=7), COSINE, np.float32)
    rows, queries = x[:3900], x[3900:]
    colour = np.random.default_rng(8).integers(0, 30, 3900)
    blocks = [np.flatnonzero(colour == c).astype(np.uint32) for c in range(30)]
    plain = HnswGraph.build([rows], COSINE, threads=1)
    linked = HnswGraph.build([rows], COSINE, threads=1, blocks=blocks)
    mask = colour == 3
    expected = truth(queries, rows, COSINE, 10, mask)
    assert recall(linked.search(queries, 10, 64, mask, mode=WALLS)[0], expected) > 0.98
    assert recall(plain.search(queries, 10, 64, mask, mode=WALLS)[0], expected) < 0.5
    np.testing.assert_array_equal(linked.search(queries, 10, 64)[0], plain.search(queries, 10, 64)[0])
    assert len(linked.entry_points) == 31
    for point in range(0, 3900, 100):
        links = linked.links(point)
        own = plain.links(point)
        np.testing.assert_array_equal(links[: len(own)], own)
        assert len(np.unique(links)) == len(links)
        assert point not in links


def test_blocks_alone_without_a_main_graph():
    rows = stored(clustered(1000, 16, seed=9), COSINE, np.float32)
    tenant = np.arange(1000) % 5
    blocks = [np.flatnonzero(tenant == t).astype(np.uint32) for t in range(5)]
    graph = HnswGraph.build([rows], COSINE, m=0, payload_m=16, blocks=blocks)
    mask = tenant == 2
    found = graph.search(rows[:50], 5, 64, mask, mode=WALLS)[0]
    assert recall(found, truth(rows[:50], rows, COSINE, 5, mask)) > 0.98


def test_one_thread_gives_the_same_graph_again():
    rows = clustered(1500, 24, seed=10)
    graphs: list[list[bytes]] = [[], [], []]
    for pieces, seed in zip(graphs, (1, 1, 2), strict=True):
        HnswGraph.build([rows], EUCLID, threads=1, seed=seed).links_table.encode(pieces.append, 2)
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


def test_two_threads_give_as_good_a_graph():
    x = clustered(6000, 24, seed=11)
    rows, queries = x[:5900], x[5900:]
    expected = truth(queries, rows, EUCLID, 10)
    one, two = (HnswGraph.build([rows], EUCLID, threads=t) for t in (1, 2))
    two.verify()
    assert recall(two.search(queries, 10, 64)[0], expected) > recall(one.search(queries, 10, 64)[0], expected) - 0.02


def test_lists_obey_the_limits_and_levels_follow_the_distribution():
    rows = clustered(8000, 8, seed=12)
    graph = HnswGraph.build([rows], EUCLID, m=8, ef_construct=40)
    populations = graph.links_table.populations
    assert populations[0] == 8000
    assert 0.10 < populations[1] / 8000 < 0.15  # 1 / m
    assert max(len(graph.links(p)) for p in range(8000)) <= 16
    point, level = graph.entry_points[0]
    assert level == len(populations) - 1
    assert len(graph.links(point, level)) <= 8
    assert len(graph.links(point, level + 1)) == 0


def test_deleted_points_get_no_links_and_are_not_named():
    rows = clustered(2000, 16, seed=13)
    deleted = np.zeros(2000, bool)
    deleted[::3] = True
    graph = HnswGraph.build([rows], EUCLID, deleted=deleted)
    named = np.concatenate([graph.links(p) for p in range(2000)])
    assert not deleted[named].any()
    assert all(len(graph.links(p)) == 0 for p in np.flatnonzero(deleted))
    found = graph.search(rows[:60], 10, 64)[0]
    assert recall(found, truth(rows[:60], rows, EUCLID, 10, ~deleted)) > 0.98


@pytest.mark.parametrize("n", [0, 1, 2, 17])
def test_small_graphs(n):
    rows = clustered(20, 4, seed=14)[:n]
    graph = HnswGraph.build([rows], EUCLID)
    offsets, _, counts = graph.search(clustered(1, 4), 30, 10)
    assert counts.tolist() == [n]
    assert sorted(offsets[0].tolist()) == list(range(n))


def test_equal_points_and_odd_values():
    rows = np.ones((600, 5), np.float32)
    rows[7] = np.nan
    rows[8] = np.inf
    graph = HnswGraph.build([rows], EUCLID, codes=make_codes([rows]))
    graph.verify()
    assert graph.search(rows[:1], 10, 50)[2].tolist() == [10]


def test_building_reports_progress_and_can_be_cancelled():
    rows = clustered(5000, 8, seed=15)
    seen = []
    HnswGraph.build([rows], EUCLID, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 5000)
    assert seen[-1] == (5000, 5000)
    assert seen == sorted(seen)
    with pytest.raises(CancelledError):
        HnswGraph.build([rows], EUCLID, cancel=lambda: True)


def test_an_error_in_a_callback_is_the_callers():
    def fail(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        HnswGraph.build([clustered(100, 8)], EUCLID, progress=fail)


def test_searches_from_several_threads_agree():
    x = clustered(3000, 16, seed=16)
    graph = HnswGraph.build([x], EUCLID)
    expected = graph.search(x[:100], 10, 50)[0]
    results = []
    workers = [threading.Thread(target=lambda: results.append(graph.search(x[:100], 10, 50)[0])) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in [*results, graph.search(x[:100], 10, 50, threads=2)[0]]:
        np.testing.assert_array_equal(result, expected)


def test_wrong_arguments_are_refused():
    rows = clustered(50, 8)
    graph = HnswGraph.build([rows], EUCLID)
    with pytest.raises(ValueError, match="dimension"):
        graph.search(rows[:1, :4].copy(), 5, 10)
    with pytest.raises(ValueError, match="dtype"):
        graph.search(rows[:1].astype(np.float16), 5, 10)
    with pytest.raises(ValueError, match="mask"):
        graph.search(rows[:1], 5, 10, np.ones(49, bool))
    with pytest.raises(ValueError, match="bounds"):
        graph.search(rows[:1], 5, 10, bounds=np.array([0, 2]))
    with pytest.raises(ValueError, match="twice"):
        HnswGraph.build([rows], EUCLID, np.array([1, 1], np.uint32))
    with pytest.raises(IndexError):
        HnswGraph.build([rows], EUCLID, np.array([50], np.uint32))
    with pytest.raises(CorruptedError, match="50 points, the vectors 49"):
        graph.attach([rows[:49]], EUCLID)


def test_every_instruction_set_scores_alike():
    """EDGESHARD_CPU is read once a process, so each set builds its graph in one of its own."""
    import subprocess
    import sys

    program = (
        "import numpy as np, zlib; from edgeshard.index.hnsw import HnswGraph\n"
        "from edgeshard.index.hnsw.graph import make_codes\n"
        "x = np.random.default_rng(0).integers(-127, 128, (400, 70)).astype(np.float32); x[:, 0] = 127\n"
        "g = HnswGraph.build([x], 2, codes=make_codes([x]), threads=1)\n"
        "pieces = []; g.links_table.encode(pieces.append, 2)\n"
        "print(zlib.crc32(b''.join(pieces)), g.search(x[:9], 5, 30)[0].tolist())"
    )
    answers = set()
    for isa in instruction_sets.ALL:
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"EDGESHARD_CPU": isa},
            capture_output=True,
            check=True,
        )
        answers.add(run.stdout)
    assert len(answers) == 1


@pytest.mark.skipif(not (DATA / "pypi30k").exists(), reason="shared data set pypi30k is not there")
def test_recall_on_real_embeddings():
    rows = np.load(DATA / "pypi30k" / "vectors.npy")[:8000].astype(np.float32)
    queries = np.load(DATA / "pypi30k" / "queries.npy")[:200].astype(np.float32)
    graph = HnswGraph.build([rows], COSINE, codes=make_codes([rows]))
    expected = truth(queries, rows, COSINE, 10)
    assert recall(graph.search(queries, 10, 64)[0], expected) > 0.96
    assert recall(graph.search(queries, 10, 128)[0], expected) > 0.985
