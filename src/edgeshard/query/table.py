"""The points nearest to many vectors as one table: what most batches ask, without what only the others need.

The same answers as :func:`edgeshard.query.vector_search.search_many`, for as long as all points of a shard are in one
graph: a list of hits for each query would cost a tenth of the walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard.query.kinds import shown
from edgeshard.segment.batch import Offsets
from edgeshard.segment.graph_field import GraphField
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment
from edgeshard.storage.convert import to_stored


class Table(NamedTuple):
    """What many queries found in one segment.

    Attributes:
        segment: where the points are.
        number: of the segment.
        offsets: ``(n,)`` of all points found, query by query, best first.
        scores: ``(n,) float32`` as shown to the caller.
        counts: ``(q,)`` points of each query.
    """

    segment: Segment
    number: int
    offsets: Offsets
    scores: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]


def search_table(
    segments: Sequence[Segment], schema: Schema, name: str, rows: npt.NDArray[np.float32], limit: int, params: Any
) -> Table | None:
    """The points nearest to each of some vectors, among all; None if this is not such a search: ask the general way.

    Args:
        segments: all segments of the shard.
        schema: its vectors.
        name: of the vectors.
        rows: ``(q, size)``, at least one.
        limit: how many for each.
        params: search parameters, or None.
    """
    if params is not None and (params.idf is not None or params.indexed_only):
        return None
    peopled = [(number, segment) for number, segment in enumerate(segments) if segment.count]
    if len(peopled) != 1:
        return None
    number, segment = peopled[0]
    field, spec = segment.fields[name], schema[name]
    if type(field) is not GraphField:
        return None
    plan = field.graph.plan_whole(segment.alive(name), limit, params)
    if plan is None:
        return None
    graph, k, ef = plan
    offsets, sims, counts = graph.search(to_stored(rows, spec.distance, spec.dtype), k, ef)
    if int(counts.min()) < offsets.shape[1]:
        filled = np.arange(offsets.shape[1]) < counts[:, None]
        offsets, sims = offsets[filled], sims[filled]
    return Table(segment, number, offsets.reshape(-1), shown(sims.reshape(-1), spec), counts)
