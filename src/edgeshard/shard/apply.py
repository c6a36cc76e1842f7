"""Applying a logged operation to the segments.

Every function takes the operation's number and the points it touches where they live. Replay takes those alone whose
stored version is lower (:func:`older`), so that an operation whose effect is already there changes nothing; the number
of a new operation is above every version. An id lives in one segment at a time: a point of an immutable segment is
written to an appendable one before it is deleted where it was (copy-on-write).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter import mutate
from edgeshard.models.paths import parse_path
from edgeshard.models.payload import decode_payload, encode_payload
from edgeshard.segment.batch import Batch, Ids, Offsets
from edgeshard.segment.segment import Segment
from edgeshard.shard.prepare import EMPTY_PAYLOAD
from edgeshard.storage.few import FEW
from edgeshard.storage.gridstore import Packed

Positions = npt.NDArray[np.int64]
Located = tuple[Segment, Positions, Offsets]
"""A segment, positions in the operation's list of ids, and the offsets of those points in the segment."""
_NONE: Positions = np.zeros(0, np.int64)
_FIRST: Positions = np.zeros(1, np.int64)
_FIRST.flags.writeable = False


def locate(segments: Sequence[Segment], ids: Ids, before: int | None = None) -> tuple[list[Located], Positions]:
    """Where points live.

    Args:
        segments: all segments of the shard.
        ids: the points.
        before: leave out points whose version is not lower than this operation number.

    Returns:
        The points found, by segment, and the positions of the ids that live nowhere.
    """
    if len(ids) == 1:
        return _locate_one(segments, ids, before)
    located: list[Located] = []
    missing: Positions = np.arange(len(ids), dtype=np.int64)
    for segment in segments:
        if not len(missing):
            break
        found = segment.ids.offsets_of(ids)
        if len(ids) <= FEW and not located:  # mostly one segment has all of them
            listed = found.tolist()
            if max(listed, default=-1) < 0:
                continue
            if min(listed) >= 0 and (before is None or max(segment.ids.versions[found].tolist()) < before):
                return [(segment, missing, found.astype(np.uint32))], _NONE
        places = np.flatnonzero(found >= 0)
        if not len(places):
            continue
        missing = missing[found[missing] < 0]
        offsets = found[places].astype(np.uint32)
        if before is not None:
            older = segment.ids.versions[offsets] < before
            if not bool(older.all()):
                places, offsets = places[older], offsets[older]
        if len(places):
            located.append((segment, places, offsets))
    return located, missing


def _locate_one(segments: Sequence[Segment], ids: Ids, before: int | None) -> tuple[list[Located], Positions]:
    """:func:`locate` of one point without arrays of length one on the way: apps write points one at a time."""
    point_id = ids.tolist()[0] if isinstance(ids, np.ndarray) else ids[0]
    for segment in segments:
        offset = segment.ids.offset_of(point_id)
        if offset is None:
            continue
        if before is not None and segment.ids.versions[offset] >= before:
            return [], _NONE
        return [(segment, _FIRST, np.array([offset], np.uint32))], _NONE
    return [], _FIRST


def older(segments: Sequence[Segment], ids: Ids, op_number: int) -> list[Located]:
    """Where the points live that an operation has not changed yet."""
    return locate(segments, ids, op_number)[0]


def upsert(segments: Sequence[Segment], op_number: int, batch: Batch) -> None:
    """Insert points, replacing those that exist."""
    located, new = locate(segments, batch.ids, op_number)
    moved: list[Located] = []
    for segment, places, offsets in located:
        if segment.appendable:
            segment.replace(op_number, offsets, batch.take(places))
        else:
            moved.append((segment, places, offsets))
    if moved:
        new = np.sort(np.concatenate([new, *(places for _, places, _ in moved)]))
    if len(new):
        target(segments).insert(op_number, batch.take(new))
    for segment, _, offsets in moved:
        segment.delete(op_number, offsets)


def delete_points(segments: Sequence[Segment], op_number: int, found: Sequence[Located]) -> None:
    """Delete points."""
    for segment, _, offsets in found:
        segment.delete(op_number, offsets)


def update_vectors(segments: Sequence[Segment], op_number: int, found: Sequence[Located], batch: Batch) -> None:
    """Replace the named vectors of existing points; places are those in the batch."""
    for segment, places, offsets in writable(segments, op_number, found):
        segment.put_vectors(op_number, offsets, batch.take(places).columns)


def delete_vectors(segments: Sequence[Segment], op_number: int, found: Sequence[Located], names: Sequence[str]) -> None:
    """Remove named vectors from existing points."""
    for segment, _, offsets in writable(segments, op_number, found):
        segment.forget_vectors(op_number, offsets, [name for name in names if name in segment.fields])


def set_payload(
    segments: Sequence[Segment], op_number: int, found: Sequence[Located], payload: bytes, key: str | None
) -> None:
    """Merge a payload into those of existing points.

    A point whose payload was cleared takes the payload as it is, nulls included, as in Qdrant.
    """
    if key is not None:
        change_payloads(segments, op_number, found, mutate.merger(decode_payload(payload), key), EMPTY_PAYLOAD)
        return
    for segment, _, offsets in writable(segments, op_number, found):
        stored = segment.payload.get_batch(offsets)
        _put_merged(segment, op_number, offsets, stored, _merged(segment, stored, payload, absent=payload))


def overwrite_payload(segments: Sequence[Segment], op_number: int, found: Sequence[Located], payload: bytes) -> None:
    """Replace the payloads of existing points."""
    for segment, _, offsets in writable(segments, op_number, found):
        segment.put_payloads(op_number, offsets, [payload] * len(offsets))


def delete_payload(segments: Sequence[Segment], op_number: int, found: Sequence[Located], keys: Sequence[str]) -> None:
    """Delete keys from the payloads of existing points."""
    nulls = nulls_of(keys)
    if nulls is None:
        change_payloads(segments, op_number, found, mutate.remover(keys), b"")
        return
    for segment, _, offsets in writable(segments, op_number, found):
        stored = segment.payload.get_batch(offsets)
        there = stored[1][1:] > stored[1][:-1]
        if not bool(there.all()):
            empty, offsets = offsets[~there], offsets[there]
            segment.put_payloads(op_number, empty, [None] * len(empty))
            stored = segment.payload.get_batch(offsets)
        _put_merged(segment, op_number, offsets, stored, _merged(segment, stored, nulls, absent=b""))


def nulls_of(keys: Sequence[str]) -> bytes | None:
    """The JSON object that removes keys when it is merged into a payload; None if one of them is deeper inside."""
    steps = [parse_path(key).steps for key in keys]
    if any(len(path) > 1 for path in steps):
        return None
    return encode_payload(dict.fromkeys(str(path[0]) for path in steps))


def clear_payload(segments: Sequence[Segment], op_number: int, found: Sequence[Located]) -> None:
    """Remove the payloads of existing points; one that comes from an immutable segment is left an empty payload."""
    known = {id(segment): segment.count for segment in segments}
    for segment, _, offsets in writable(segments, op_number, found):
        moved = int(offsets[0]) >= known[id(segment)]
        segment.put_payloads(op_number, offsets, [EMPTY_PAYLOAD if moved else None] * len(offsets))


def change_payloads(
    segments: Sequence[Segment], op_number: int, found: Sequence[Located], change: mutate.Change, missing: bytes
) -> None:
    """Change payloads by a function; a point without one is taken to have `missing`, and stays as it is for ``b""``."""
    for segment, _, offsets in writable(segments, op_number, found):
        stored = segment.payloads(offsets, missing)
        source = segment.payload.directory
        segment.put_payloads(
            op_number, offsets, [changed_payload(raw, change, source) if raw else None for raw in stored]
        )


def _put_merged(segment: Segment, op_number: int, offsets: Offsets, stored: Packed, merged: Packed) -> None:
    """Put payloads in place of those stored; what is the same of all points is not written again."""
    same = len(merged[0]) == len(stored[0]) and bool((merged[1] == stored[1]).all() and (merged[0] == stored[0]).all())
    segment.put_payloads(op_number, offsets, None if same else merged)


def _merged(segment: Segment, stored: Packed, patch: bytes, absent: bytes) -> Packed:
    """Payloads after the members of the JSON object ``patch`` were merged into them as :func:`mutate.merger` does."""
    failure, text, bounds = _native.merge_payloads(*stored, patch, absent)
    if failure is not None:
        raise _unreadable(segment, failure[2])
    return text, bounds


def merged_payload(segment: Segment, stored: bytes, patch: bytes) -> bytes:
    """:func:`_merged` for the payload of one point."""
    failure, text = _native.merge_payload(stored, patch)
    if text is None:
        raise _unreadable(segment, failure)
    return text


def _unreadable(segment: Segment, reason: str | None) -> CorruptedError:
    return CorruptedError(segment.payload.directory, f"a payload cannot be read: {reason}")


def changed_payload(raw: bytes, change: mutate.Change, source: Path | None = None) -> bytes:
    """A payload after a function changed it."""
    payload = decode_payload(raw, source)
    change(payload)
    return encode_payload(payload)


def writable(segments: Sequence[Segment], op_number: int, found: Sequence[Located]) -> Iterator[Located]:
    """The points where they can be changed; those in immutable segments are moved first."""
    for segment, places, offsets in found:
        if segment.appendable:
            yield segment, places, offsets
            continue
        places, offsets = _distinct(places, offsets)
        moved = segment.extract(offsets)
        home = target(segments)
        home.insert(op_number, moved)
        segment.delete(op_number, offsets)
        yield home, places, home.ids.offsets_of(moved.ids).astype(np.uint32)


def _distinct(places: Positions, offsets: Offsets) -> tuple[Positions, Offsets]:
    """The points without those named before: twice moved, a point would have two offsets in its new segment."""
    first = np.unique(offsets, return_index=True)[1]
    if len(first) == len(offsets):
        return places, offsets
    first.sort()
    return places[first], offsets[first]


def target(segments: Sequence[Segment]) -> Segment:
    """The smallest appendable segment: where new points go."""
    return min((segment for segment in segments if segment.appendable), key=lambda segment: segment.count)
