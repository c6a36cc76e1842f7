"""Reading points: by id, in id order, and counting them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import numpy as np

from edgeshard.models.filters import Filter
from edgeshard.models.results import Record
from edgeshard.query.projection import Projection
from edgeshard.segment.batch import Offsets
from edgeshard.segment.id_order import first_by_id
from edgeshard.segment.segment import Segment
from edgeshard.storage.runs import bounds_of

Segments = Sequence[Segment]
PointId: TypeAlias = "int | UUID"


def retrieve(segments: Segments, ids: Sequence[PointId], projection: Projection) -> list[Record]:
    """Points by id in the order asked for; unknown ids are left out, repeated ones returned once."""
    if len(ids) == 1:
        return _one_record(segments, ids[0], projection)
    ids = list(dict.fromkeys(ids))
    found: list[Record | None] = [None] * len(ids)
    for segment in segments:
        offsets = segment.ids.offsets_of(ids)
        places = np.flatnonzero(offsets >= 0)
        if not len(places):
            continue
        records = make_records(segment, offsets[places].astype(np.uint32), projection)
        if len(records) == len(ids):
            return records
        for place, record in zip(places.tolist(), records, strict=True):
            found[place] = record
    return [record for record in found if record is not None]


def _one_record(segments: Segments, point_id: PointId, projection: Projection) -> list[Record]:
    for segment in segments:
        offset = segment.ids.offset_of(point_id)
        if offset is not None:
            payload, vectors = projection.payload_of(segment, offset), projection.vectors_of(segment, offset)
            return [Record._make(point_id, payload, vectors, None)]
    return []


def retrieve_one(segments: Segments, point_id: PointId) -> list[Record]:
    """One point with its payload and without vectors, or nothing: :func:`retrieve` without its overhead."""
    for segment in segments:
        offset = segment.ids.offset_of(point_id)
        if offset is not None:
            return [Record._make(point_id, segment.payload.get(offset) or b"{}", None, None)]
    return []


def make_records(segment: Segment, offsets: Offsets, projection: Projection) -> list[Record]:
    """Records of points of one segment."""
    return Record._make_many(len(offsets), *projection.columns(segment, offsets))


def scroll(
    segments: Segments, start: PointId | None, limit: int, condition: Filter | None, projection: Projection
) -> tuple[list[Record], PointId | None]:
    """Points in id order, and the id of the first one not returned.

    Args:
        segments: all segments.
        start: first id to return; it need not exist.
        limit: how many.
        condition: only points it matches.
        projection: what to return of each.
    """
    pages = [
        first_by_id(segment, None if condition is None else segment.select(condition), limit + 1, start)
        for segment in segments
    ]
    if not limit:  # the first point is looked at all the same, so that a wrong name of a vector is found
        for segment, page in zip(segments, pages, strict=True):
            projection.vectors(segment, page)
    if sum(map(bool, map(len, pages))) < 2:
        return _one_page(segments, pages, limit, projection)
    order = _merge(segments, pages, limit + 1)
    following: PointId | None = None
    if len(order) > limit:
        index, place = order[limit]
        following = segments[index].ids.ids_of(pages[index][place : place + 1])[0]
        order = order[:limit]
    taken = [0] * len(segments)
    for index, _ in order:
        taken[index] += 1
    records = [
        iter(make_records(segment, page[:count], projection))
        for segment, page, count in zip(segments, pages, taken, strict=True)
    ]
    return [next(records[index]) for index, _ in order], following


def _one_page(
    segments: Segments, pages: list[Offsets], limit: int, projection: Projection
) -> tuple[list[Record], PointId | None]:
    """What :func:`scroll` returns when at most one segment has a page."""
    for segment, page in zip(segments, pages, strict=True):
        if len(page):
            following = segment.ids.ids_of(page[limit : limit + 1])[0] if len(page) > limit else None
            return make_records(segment, page[:limit], projection), following
    return [], None


def _merge(segments: Segments, pages: list[Offsets], limit: int) -> list[tuple[int, int]]:
    """``(segment, place in its page)`` of the first ids over all pages."""
    low, high, are_uuids = map(
        np.concatenate,
        zip(*(segment.ids.parts_of(page) for segment, page in zip(segments, pages, strict=True)), strict=True),
    )
    chosen = np.lexsort((low, high, are_uuids))[:limit]  # pages are sorted, which makes this a merge
    starts = bounds_of([len(page) for page in pages])
    indices = np.searchsorted(starts, chosen, side="right") - 1
    return list(zip(indices.tolist(), (chosen - starts[indices]).tolist(), strict=True))


def count(segments: Segments, condition: Filter | None, *, exact: bool = True) -> int:
    """How many points a filter matches, all for None; otherwise than `exact`, an estimate from the indexes."""
    if condition is None:
        return sum(segment.live for segment in segments)
    if exact:
        return sum(len(segment.select(condition)) for segment in segments)
    from edgeshard.query.estimate import estimate

    return sum(estimate((condition,), segment) for segment in segments)
