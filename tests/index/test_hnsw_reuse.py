"""Graphs started from older ones: recall beside a graph built anew, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeshard import _native
from edgeshard.errors import CancelledError
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import OldGraph, make_codes

COSINE, K, EF = 0, 10, 48


def clustered(count: int, dim: int = 48, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(60, dim))
    rows = centres[rng.integers(0, 60, count)] + 0.6 * rng.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def recall(graph: HnswGraph, queries: np.ndarray, rows: np.ndarray) -> float:
    truth = _native.scan_topk(queries, [rows], None, K, COSINE)[0]
    found = graph.search(queries, K, EF)[0]
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def rebuilt(old: HnswGraph, before: np.ndarray, kept: np.ndarray, added: np.ndarray, **options: Any) -> Any:
    """The rows that stay and some new ones, ``(rows, graph from the old one, graph from nothing)``."""
    rows = np.concatenate([before[kept], added])
    shuffled = np.random.default_rng(5).permutation(len(rows))
    rows = np.ascontiguousarray(rows[shuffled])
    place = np.argsort(shuffled)
    reuse = OldGraph(old.links_table, kept.astype(np.uint32), place[: len(kept)].astype(np.uint32))
    codes = make_codes([rows])
    return (
        rows,
        HnswGraph.build([rows], COSINE, codes=codes, old=reuse, **options),
        HnswGraph.build([rows], COSINE, codes=codes, **options),
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("gone", "new"), [(0.0, 0.05), (0.15, 0.0), (0.3, 0.0), (0.2, 0.5), (0.0, 0.0)], ids=lambda share: f"{share}"
)
def test_recall_is_that_of_a_graph_built_anew(gone: float, new: float, threads: int) -> None:
    before, queries = clustered(8000), clustered(300, seed=1)
    old = HnswGraph.build([before], COSINE, codes=make_codes([before]), threads=threads)
    kept = np.flatnonzero(np.random.default_rng(2).random(len(before)) >= gone)
    added = clustered(int(new * len(before)), seed=3)
    rows, reused, anew = rebuilt(old, before, kept, added, threads=threads)
    assert recall(reused, queries, rows) >= recall(anew, queries, rows) - 0.01
    reused.verify()
    assert reused.points == len(rows)


def test_recall_when_whole_regions_are_gone() -> None:
    before, queries = clustered(8000), clustered(300, seed=1)
    old = HnswGraph.build([before], COSINE, codes=make_codes([before]), threads=1)
    towards = before @ clustered(1, seed=7)[0]
    kept = np.flatnonzero(towards < np.quantile(towards, 0.75))
    rows, reused, anew = rebuilt(old, before, kept, before[:0], threads=1)
    assert recall(reused, queries, rows) >= recall(anew, queries, rows) - 0.01


def test_recall_after_many_rounds() -> None:
    rows, queries = clustered(6000), clustered(300, seed=1)
    graph = HnswGraph.build([rows], COSINE, codes=make_codes([rows]), threads=1)
    for step in range(6):
        kept = np.flatnonzero(np.random.default_rng(step).random(len(rows)) >= 0.2)
        added = clustered(len(rows) - len(kept), seed=10 + step)
        rows, graph, anew = rebuilt(graph, rows, kept, added, threads=1)
    assert recall(graph, queries, rows) >= recall(anew, queries, rows) - 0.01


def test_a_graph_from_files_is_taken_over(tmp_path: Path) -> None:
    before, queries = clustered(4000), clustered(200, seed=1)
    HnswGraph.build([before], COSINE, threads=1).save(tmp_path)
    kept = np.arange(0, 3500)
    old = HnswGraph.load(tmp_path, [before], COSINE)
    rows, reused, anew = rebuilt(old, before, kept, clustered(100, seed=3), threads=1)
    assert recall(reused, queries, rows) >= recall(anew, queries, rows) - 0.01


def test_every_point_is_found_though_all_its_neighbours_are_gone() -> None:
    before = clustered(3000)
    old = HnswGraph.build([before], COSINE, threads=1)
    kept = np.arange(0, 3000, 37)  # a point keeps about one neighbour
    rows, reused, _ = rebuilt(old, before, kept, before[:0], threads=1)
    found = reused.search(rows, 1, EF)[0][:, 0]
    assert np.mean(found == np.arange(len(rows))) > 0.99


def test_nothing_changes_when_nothing_is_gone_or_new() -> None:
    rows = clustered(1500)
    old = HnswGraph.build([rows], COSINE, threads=1)
    every = np.arange(1500, dtype=np.uint32)
    same = HnswGraph.build([rows], COSINE, threads=1, old=OldGraph(old.links_table, every, every))
    for point in range(1500):
        np.testing.assert_array_equal(np.sort(same.links(point)), np.sort(old.links(point)))
    assert same.links_table.populations == old.links_table.populations
    assert same.entry_points == old.entry_points


def test_it_is_the_same_again_with_one_thread() -> None:
    before = clustered(2000)
    old = HnswGraph.build([before], COSINE, threads=1)
    first, second = (rebuilt(old, before, np.arange(300, 2000), clustered(90, seed=3), threads=1)[1] for _ in range(2))
    written: tuple[list[bytes], list[bytes]] = ([], [])
    for pieces, graph in zip(written, (first, second), strict=True):
        graph.links_table.encode(pieces.append, 1)
    assert written[0] == written[1]


def test_graphs_with_other_list_lengths_are_not_taken_over() -> None:
    before, queries = clustered(2000), clustered(200, seed=1)
    old = HnswGraph.build([before], COSINE, m=4, threads=1)
    rows, other, anew = rebuilt(old, before, np.arange(1900), clustered(50, seed=3), threads=1, m=16)
    assert max(len(other.links(point)) for point in range(len(rows))) > 8
    assert recall(other, queries, rows) >= recall(anew, queries, rows) - 0.01


def test_payload_links_are_made_anew() -> None:
    before = clustered(3000)
    colour = np.random.default_rng(8).integers(0, 20, 3000)
    blocks = [np.flatnonzero(colour == c).astype(np.uint32) for c in range(20)]
    old = HnswGraph.build([before], COSINE, threads=1, blocks=blocks)
    every = np.arange(3000, dtype=np.uint32)
    same = HnswGraph.build([before], COSINE, threads=1, blocks=blocks, old=OldGraph(old.links_table, every, every))
    mask, queries = colour == 3, clustered(100, seed=1)
    truth = _native.scan_topk(queries, [before], mask, K, COSINE)[0]
    found = same.search(queries, K, EF, mask, mode=0)[0]
    assert sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size > 0.97


def test_cancelled_while_it_is_taken_over() -> None:
    before = clustered(3000)
    old = HnswGraph.build([before], COSINE, threads=1)
    calls: list[int] = []
    with pytest.raises(CancelledError):
        rebuilt(old, before, np.arange(2500), before[:0], threads=1, cancel=lambda: calls.append(1) or len(calls) > 1)
    assert len(calls) == 2


def test_wrong_points_are_refused() -> None:
    rows = clustered(300)
    old = HnswGraph.build([rows], COSINE, threads=1).links_table
    every = np.arange(300, dtype=np.uint32)
    with pytest.raises(ValueError, match="named twice"):
        HnswGraph.build([rows], COSINE, old=OldGraph(old, np.zeros(2, np.uint32), every[:2]))
    with pytest.raises(IndexError):
        HnswGraph.build([rows], COSINE, old=OldGraph(old, every[:1] + 300, every[:1]))
