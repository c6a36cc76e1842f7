"""Which older graph a new one is started from, instead of linking every point anew.

Segments that are merged or vacuumed mostly hold points that a graph linked already. The graph of the input that most of
the output's points come from is taken over: its links between points that stay are copied, lists that led to points
that are gone are mended, and only the other points are inserted (native/index/hnsw/healer.hpp). Conditions:

* the output's graph is asked for with the same ``m``, ``ef_construct`` and quantization as the old one was built with
  (distance, size and type of a vector name are the same in all segments of a shard), and ``m`` is not 0;
* at most :data:`MAX_GONE_SHARE` of the points that the old graph links are gone;
* every list of the old graph is sound.

Links along payload values are always built anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard._native import HnswLinks
from edgeshard.errors import CorruptedError
from edgeshard.index.hnsw import files
from edgeshard.index.hnsw.graph import OldGraph, check
from edgeshard.segment.graph_field import Graph
from edgeshard.segment.segment import Segment
from edgeshard.shard.optimizer.source import Source

MAX_GONE_SHARE = 0.3
"""What Qdrant uses. Mending costs more and the graph gets worse the more points are gone."""

Mask = npt.NDArray[np.bool_]


class Candidate(NamedTuple):
    """The graph of one input and how much of it the output could keep."""

    graph: Graph
    kept: int
    old_points: npt.NDArray[np.uint32]
    new_offsets: npt.NDArray[np.uint32]


def old_graph(
    source: Source, name: str, options: dict[str, Any], quantization: dict[str, Any] | None, deleted: Mask
) -> OldGraph | None:
    """The graph to start from, None to build from nothing.

    Args:
        source: the points of the output, and the segments they come from.
        name: of the vectors.
        options: of the graph to build, as ``segment.json`` has them.
        quantization: of the vectors in the output.
        deleted: ``(n,)`` which points of the output have no such vector.
    """
    if not options["m"]:
        return None
    found = [
        candidate
        for number, segment in enumerate(source.segments)
        if (candidate := _candidate(source, number, segment, name, options, quantization, deleted)) is not None
    ]
    if not found:
        return None
    best = max(found, key=lambda candidate: candidate.kept)
    links = _open(best.graph, options)
    return None if links is None else OldGraph(links, best.old_points, best.new_offsets)


def _candidate(
    source: Source,
    number: int,
    segment: Segment,
    name: str,
    options: dict[str, Any],
    quantization: dict[str, Any] | None,
    deleted: Mask,
) -> Candidate | None:
    graph: Graph | None = getattr(segment.fields.get(name), "graph", None)
    if graph is None or graph.broken:
        return None
    built = segment.config.vector_data[name]
    same = all(built.index["options"].get(field) == options[field] for field in ("m", "ef_construct"))
    if not same or built.quantization != quantization:
        return None
    new_offsets = np.flatnonzero((source.number == number) & ~deleted).astype(np.uint32)
    kept = len(new_offsets)
    gone = max(graph.indexed - kept, 0)
    if not kept or gone > MAX_GONE_SHARE * (gone + kept):
        return None
    return Candidate(graph, kept, source.offset[new_offsets], new_offsets)


def _open(graph: Graph, options: dict[str, Any]) -> HnswLinks | None:
    """The links of a graph, None if its files are damaged: then it is built anew, which mends that."""
    try:
        header = files.GraphHeader.read(graph.directory / files.GRAPH)
        if header.m != options["m"]:
            return None
        links = files.open_links(graph.directory, header)
        check(links, graph.directory)
    except CorruptedError:
        return None
    _, _, *damaged_points = links.census()
    return None if max(damaged_points) >= 0 else links
