"""Query results grouped by a payload value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeshard.models.groups import GroupRequest, PointGroup
from edgeshard.models.paths import JsonPath
from edgeshard.query.hits import Hits
from edgeshard.query.projection import Projection
from edgeshard.query.result import build
from edgeshard.query.scope import Scope
from edgeshard.query.stages import check_depth, run
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment

AHEAD = 4
"""How many times as many points as the groups can hold are fetched at first; then four times as many, and so on."""


def run_groups(segments: Sequence[Segment], schema: Schema, request: GroupRequest) -> list[PointGroup]:
    """The best groups in the order of their best points.

    The ranking is fetched from its top until every group wanted is full, or nothing is left.
    """
    query = request.query
    check_depth(query)
    projection = Projection(query.with_payload, query.with_vector, schema, default_payload=False)
    scope = Scope(segments, schema)
    if not request.limit or not request.group_size:
        return []
    everything = sum(segment.live for segment in segments)
    fetched = min(request.limit * request.group_size * AHEAD, everything)
    while True:
        hits = run(scope, query, (), fetched, root=True)
        groups = _fill(_values(scope, hits, request.group_by), request)
        full = len(groups) == request.limit and all(len(g) == request.group_size for g in groups.values())
        if full or len(hits) < fetched or fetched >= everything:
            break
        fetched = min(fetched * AHEAD, everything)
    places = sorted({place for members in groups.values() for place in members})
    points = dict(zip(places, build(scope, hits.take(np.array(places, np.int64)), projection), strict=True))
    return [PointGroup(value, [points[place] for place in members]) for value, members in groups.items()]


def _values(scope: Scope, hits: Hits, path: str) -> list[list[str | int]]:
    """The values each hit is grouped by."""
    parsed = JsonPath.parse(path)
    values = []
    for payload in scope.decoded(hits.keys):
        found = parsed.lookup(payload)
        flat = [item for value in found for item in (value if isinstance(value, list) else [value])]
        values.append([v for v in flat if isinstance(v, (str, int)) and not isinstance(v, bool)])
    return values


def _fill(values: list[list[str | int]], request: GroupRequest) -> dict[str | int, list[int]]:
    """Places of the hits by group, groups in the order they first occur."""
    groups: dict[str | int, list[int]] = {}
    for place, own in enumerate(values):
        for value in dict.fromkeys(own):
            members = groups.get(value)
            if members is None:
                if len(groups) == request.limit:
                    continue
                members = groups[value] = []
            if len(members) < request.group_size:
                members.append(place)
    return groups
