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
from edgeshard.query.single import peopled
from edgeshard.segment.batch import Offsets
from edgeshard.segment.segment import Segment


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
    segments: Sequence[Segment], name: str, rows: npt.NDArray[np.float32], limit: int, params: Any
) -> Table | None:
    """The points nearest to each of some vectors, among all; None if this is not such a search: ask the general way.

    Args:
        segments: all segments of the shard.
        name: of the vectors.
        rows: ``(q, size)``, at least one.
        limit: how many for each.
        params: search parameters, or None.
    """
    place = peopled(segments)
    if place is None:
        return None
    number, segment = place
    walk = segment.whole_walk(name)
    found = None if walk is None else walk.find_many(rows, limit, params)
    if walk is None or found is None:
        return None
    offsets, sims, counts = found
    if int(counts.min()) < offsets.shape[1]:
        filled = np.arange(offsets.shape[1]) < counts[:, None]
        offsets, sims = offsets[filled], sims[filled]
    return Table(segment, number, offsets.reshape(-1), shown(sims.reshape(-1), walk.spec), counts)
