"""Points of one segment in the order of their ids."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from edgeshard.filter.selections import Selection
from edgeshard.models.ids import ParsedId, id_sort_key
from edgeshard.segment.batch import Offsets
from edgeshard.segment.segment import Segment

_FEW = 256
"""So few points are sorted by id; of more the first ones are soon met walking all points in id order."""
_STEP = 512
"""Points looked at first on such a walk."""


def first_by_id(segment: Segment, chosen: Selection | None, limit: int, start: ParsedId | None = None) -> Offsets:
    """Offsets of the first points in id order.

    Args:
        segment: the segment.
        chosen: which of its points, None for all.
        limit: how many at most.
        start: leave out those with smaller ids; it need not exist.
    """
    if chosen is not None and len(chosen) <= _FEW:
        return _sorted(segment, chosen.offsets, start)[:limit]
    ordered = segment.ids.sorted_offsets()
    at = 0 if start is None else first_at(segment, ordered, start)
    if chosen is None:
        return ordered[at:][:limit]
    found: list[Offsets] = []
    missing, step = limit, _STEP
    while missing > 0 and at < len(ordered):
        some = ordered[at : at + step]
        some = some[chosen.mask[some]][:missing]
        found.append(some)
        missing -= len(some)
        at, step = at + step, step * 4
    if len(found) == 1:
        return found[0]
    return np.concatenate(found) if found else ordered[:0]


def first_at(segment: Segment, offsets: Offsets, start: ParsedId) -> int:
    """Place of the first of some offsets in id order whose id is not before ``start``."""
    wanted = id_sort_key(start)
    return bisect_left(range(len(offsets)), wanted, key=lambda n: id_sort_key(segment.ids.id_at(int(offsets[n]))))


def _sorted(segment: Segment, offsets: Offsets, start: ParsedId | None) -> Offsets:
    """Some offsets in the order of their ids, from an id on."""
    keys = list(map(id_sort_key, segment.ids.ids_of(offsets)))
    places = sorted(range(len(keys)), key=keys.__getitem__)
    if start is not None:
        places = places[bisect_left(places, id_sort_key(start), key=keys.__getitem__) :]
    return offsets[places]
