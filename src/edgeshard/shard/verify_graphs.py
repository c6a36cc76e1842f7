"""Looking for damage to graphs that checksums do not cover: lists that can be read, but are not those of a graph.

What is compared was found to hold for every graph either engine builds: no list names itself, or a point that was
left out of the graph; none names a point twice, but for those that Qdrant carries over from an older graph where
nearness is not mutual, under Dot and with MaxSim; entry points are on the level they are said to be on, those behind
the first, which are of the blocks of a payload index, on that or a higher one; as many points have lists as
``hnsw_config.json`` counts; every point with a vector has one. With ``m`` 0 only the points of blocks are linked, and
nobody knows afterwards which these are, so the last two are not asked. A list that was overwritten with noise shows
in two ways at once: hardly a point it names names it back, and these points are no nearer than any others. Either
alone also happens to sound lists: points far from all others are named by none, and points with many near ones name
others for the way. Where nearness is not mutual both happen to the same list: under Dot a long vector is near to all,
but names the few as long as itself, so lists are looked at together only; with MaxSim so it is with every point of
many rows, or few, and nothing is concluded.

A changed bit of a list may name another point: one link of thousands, which no check finds and no search misses.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError
from edgeshard.segment.segment import Segment
from edgeshard.storage.convert import DOT

if TYPE_CHECKING:
    from edgeshard._native import HnswLinks
    from edgeshard.index.hnsw.graph import HnswGraph
    from edgeshard.segment.graph_field import Graph

LEAST_LINKS = 4
"""Shorter lists say too little."""
MOST_POINTS = 1 / 4
"""A list that names more of all points says too little: most others are no farther away."""
MUTUAL_SHARE = 1 / 3
"""Lists of which more links are mutual are not looked at one by one."""
FARTHER_SHARE = 0.35
"""Of pairs of a linked point and any point, how many may have the linked one farther away: 0.5 for noise, at most 0.15
in sound lists of few mutual links."""
LOOKED_AT = 2000
"""Lists looked at one by one, those with the fewest mutual links first."""
SAMPLE = 100
"""Lists whose mean is looked at."""
OTHERS = 64
"""Points that those of a list are compared with."""


def damaged_graphs(segment: Segment) -> Iterator[tuple[Graph, str]]:
    """The graphs of a segment of which something is wrong, and what; a graph may come up more than once."""
    for name, field in segment.fields.items():
        graph: Graph | None = getattr(field, "graph", None)
        if graph is None or graph.indexed_vectors == 0:  # of no point: there is nothing to be found
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is said below
            opened = graph.load()
        if opened is None:
            yield graph, graph.damage or f"{graph.directory}: the graph of vector {name!r} is missing"
            continue
        try:
            opened.verify()
        except CorruptedError as error:
            yield graph, str(error)
            continue
        for reason in _findings(opened, graph.indexed_vectors, field, segment.alive(name)[0]):
            yield graph, f"{graph.directory}: the graph of vector {name!r} {reason}"


def _findings(graph: HnswGraph, announced: int | None, field: Any, alive: npt.NDArray[np.bool_]) -> Iterator[str]:
    links, mutual, repeated, itself, stranger, misplaced = graph.links_table.census()
    first = {
        "names a point twice": -1 if _is_one_sided(field) else repeated,
        "names its own point": itself,
        "names a point that is not in the graph": stranger,
    }
    for what, point in first.items():
        if point >= 0:
            yield f"is damaged: a list of point {point} {what}"
    if misplaced >= 0 and graph.links_table.m:  # else the first entry point is of a block, too
        yield f"is damaged: entry point {misplaced} is not on the level it is said to be on"
    linked = int(np.count_nonzero(links))
    if not graph.links_table.m:
        announced, alive = None, alive[:0]
    if announced is not None and linked != announced and max(linked, announced) > 1:
        yield f"links {linked} points, but was made of {announced}"
    left_out = int(np.count_nonzero(alive[: len(links)] & (links[: len(alive)] == 0)))
    if linked and left_out:
        yield f"leaves out {left_out} points that have such a vector: deletion flags may be damaged"
    noise = _noise(graph.links_table, links, mutual, field)
    if noise:
        yield f"is damaged: {len(noise)} lists name any points, not near ones, as that of point {noise[0]} does"


def _is_one_sided(field: Any) -> bool:
    """Whether a point may be near to another that is not near to it, as far as scores go."""
    return bool(field.spec.kind == "multi" or field.spec.distance == DOT)


def _noise(table: HnswLinks, links: npt.NDArray[np.uint32], mutual: npt.NDArray[np.uint32], field: Any) -> list[int]:
    """Points whose lists hold noise: single ones, or a sample of all if these are of other vectors altogether."""
    if field.spec.kind == "multi":
        return []
    known = np.flatnonzero(links).astype(np.uint32)
    long = np.flatnonzero((links >= LEAST_LINKS) & (links <= MOST_POINTS * len(known)))
    if not len(long):
        return []
    draw = np.random.default_rng(len(links))
    sample: list[int] = np.sort(draw.choice(long, min(SAMPLE, len(long)), replace=False)).tolist()
    if float(np.mean([_farther(table, point, known, field, draw) for point in sample])) > FARTHER_SHARE:
        return sample
    if field.spec.distance == DOT:
        return []
    shares = mutual[long] / links[long]
    doubtful = long[np.argsort(shares, kind="stable")][: min(np.count_nonzero(shares < MUTUAL_SHARE), LOOKED_AT)]
    return [point for point in sorted(doubtful.tolist()) if _farther(table, point, known, field, draw) > FARTHER_SHARE]


def _farther(
    table: HnswLinks, point: int, known: npt.NDArray[np.uint32], field: Any, draw: np.random.Generator
) -> float:
    """Share of pairs of a point in a list and any point in which the first is farther away."""
    own = table.links(point, 0)
    assert own is not None, "the graph was verified"
    offsets = np.concatenate([own, draw.choice(known, OTHERS)])
    sims = field.sims(field.as_queries(np.array([point], np.uint32)), offsets)[0]
    near, others = sims[: len(own)], sims[len(own) :]
    return float(np.mean(near[:, None] < others[None]))
