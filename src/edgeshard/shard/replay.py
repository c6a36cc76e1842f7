"""Bringing segments up to date with the log.

Records are applied in order under their own numbers; a point whose stored version is not lower is passed over. A
record that cannot be applied is one its writer had refused after logging it (``qdrant_edge`` logs before it validates):
it is passed over with a warning, never fatal.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeshard.errors import CorruptedError, EdgeShardError, StorageError
from edgeshard.models.operations import (
    ClearPayload,
    DeletePayload,
    DeletePoints,
    DeleteVectors,
    OverwritePayload,
    SetPayload,
    UpdateVectors,
    UpsertPoints,
)
from edgeshard.segment.fields import MultiField
from edgeshard.segment.id_order import first_at
from edgeshard.shard import apply
from edgeshard.shard.logged_names import NamesAhead, without_unknown_names
from edgeshard.shard.operations import SyncPoints, SyncPointsRaw, UpsertRaw, decode
from edgeshard.shard.prepare import prepare_raw, prepare_vectors
from edgeshard.shard.resolve import resolve, select
from edgeshard.shard.schema_changes import change_schema_replayed, is_schema_change
from edgeshard.storage.id_tracker import MutableIdTracker
from edgeshard.storage.id_tracker.mutable import VERSIONS_FILE

if TYPE_CHECKING:
    from edgeshard.segment.segment import Segment
    from edgeshard.shard.store import Store


def replay(store: Store) -> int:
    """Apply every record the segments may not hold yet.

    Returns:
        How many records were read.

    Raises:
        CorruptedError: a record in the middle of the log is damaged.
        StorageError: the disk refused; segments may hold a part of the records.
    """
    entries = _entries(store)
    ahead, count = NamesAhead(entries), 0
    for number, payload in entries():
        count += 1
        store.next_op = number + 1  # a flush on the way must not acknowledge what is still to come
        try:
            operation = without_unknown_names(decode(payload), store.schema, partial(ahead.deleted_after, number))
        except CorruptedError as error:
            _pass_over(store, number, error)
            continue
        try:
            apply_logged(store, number, operation)
        except StorageError:
            raise
        except EdgeShardError as error:
            _pass_over(store, number, error)
    if store.wal is not None:
        store.next_op = store.wal.next_index
    return count


def _entries(store: Store) -> Callable[[], Iterable[tuple[int, Any]]]:
    """Makes iterators over the records to apply."""
    wal = store.wal
    if wal is None:
        return lambda: store.unflushed
    start = _first_missing(store)
    return lambda: wal.entries(start)


def _pass_over(store: Store, number: int, error: EdgeShardError) -> None:
    text = f"log record {number} of {store.path} is passed over: {error}"
    warnings.warn(text, RuntimeWarning, stacklevel=3)


def _first_missing(store: Store) -> int:
    """The first record to apply: the one behind the acknowledged, if a segment shows that it is there.

    Qdrant acknowledges 0 when it closes a shard without any, and a segment's version may be ahead of its points.
    """
    assert store.wal is not None
    start, acknowledged = store.wal.replay_from, store.wal.ack_index
    if acknowledged and any(segment.version >= acknowledged for segment in store.segments):
        return max(start, acknowledged + 1)
    return start


def apply_logged(store: Store, number: int, operation: Any) -> None:
    """Apply one decoded record under its number."""
    if is_schema_change(operation):
        change_schema_replayed(store, number, operation)
        return
    handler = _HANDLERS.get(type(operation))
    if handler is not None:
        handler(store, number, operation)
        return
    resolved = resolve(operation, store.segments, store.schema)
    if resolved is not None:
        resolved.apply(store.segments, number)


def _upsert_raw(store: Store, number: int, operation: UpsertRaw) -> None:
    batch = prepare_raw(operation, store.schema)
    if batch is not None:
        apply.upsert(store.segments, number, batch)


def _update_vectors(store: Store, number: int, operation: UpdateVectors) -> None:
    if operation.condition is not None:
        resolved = resolve(operation, store.segments, store.schema)
        if resolved is not None:
            resolved.apply(store.segments, number)
        return
    batch = prepare_vectors(operation.points, store.schema)
    apply.update_vectors(store.segments, number, apply.older(store.segments, batch.ids, number), batch)


def _delete_points(store: Store, number: int, operation: DeletePoints) -> None:
    apply.delete_points(store.segments, number, apply.older(store.segments, list(operation.ids), number))


def _delete_vectors(store: Store, number: int, operation: DeleteVectors) -> None:
    names = [name for name in operation.names if name in store.schema]
    apply.delete_vectors(store.segments, number, apply.older(store.segments, list(operation.ids), number), names)


def _set_payload(store: Store, number: int, operation: SetPayload) -> None:
    points = _points(store, number, operation)
    apply.set_payload(store.segments, number, points, operation.payload, operation.key)


def _overwrite_payload(store: Store, number: int, operation: OverwritePayload) -> None:
    apply.overwrite_payload(store.segments, number, _points(store, number, operation), operation.payload)


def _delete_payload(store: Store, number: int, operation: DeletePayload) -> None:
    apply.delete_payload(store.segments, number, _points(store, number, operation), list(operation.keys))


def _clear_payload(store: Store, number: int, operation: ClearPayload) -> None:
    apply.clear_payload(store.segments, number, apply.older(store.segments, list(operation.ids), number))


def _points(store: Store, number: int, operation: SetPayload | OverwritePayload | DeletePayload) -> list[apply.Located]:
    ids = select(operation.filter, store.segments) if operation.ids is None else list(operation.ids)
    return apply.older(store.segments, ids, number)


def _sync_points(store: Store, number: int, operation: SyncPoints) -> None:
    """Within an id range, delete what is not listed and upsert what is."""
    listed = {point._id for point in operation.points}
    apply.delete_points(
        store.segments, number, apply.older(store.segments, _in_range(store, operation, listed), number)
    )
    apply_logged(store, number, without_unknown_names(UpsertPoints(operation.points, None, None), store.schema))


def _in_range(store: Store, operation: SyncPoints | SyncPointsRaw, listed: set[Any]) -> list[Any]:
    """Ids of the points in an operation's range that it does not list."""
    gone: list[Any] = []
    for segment in store.segments:
        offsets = segment.ids.sorted_offsets()
        if operation.from_id is not None:
            offsets = offsets[first_at(segment, offsets, operation.from_id) :]
        for point_id in segment.ids.ids_of(offsets):
            if operation.to_id is not None and _after(point_id, operation.to_id):
                break
            if point_id not in listed:
                gone.append(point_id)
    return gone


def _sync_points_raw(store: Store, number: int, operation: SyncPointsRaw) -> None:
    """:func:`_sync_points` with the points in stored form."""
    listed = set(operation.points.ids) if isinstance(operation.points.ids, list) else set(operation.points.ids.tolist())
    apply.delete_points(
        store.segments, number, apply.older(store.segments, _in_range(store, operation, listed), number)
    )
    _upsert_raw(store, number, operation.points)


def _after(left: Any, right: Any) -> bool:
    from edgeshard.models.ids import id_sort_key

    return id_sort_key(left) > id_sort_key(right)


_HANDLERS: dict[type, Callable[[Any, int, Any], None]] = {
    UpsertRaw: _upsert_raw,
    SyncPoints: _sync_points,
    SyncPointsRaw: _sync_points_raw,
    UpdateVectors: _update_vectors,
    DeletePoints: _delete_points,
    DeleteVectors: _delete_vectors,
    SetPayload: _set_payload,
    OverwritePayload: _overwrite_payload,
    DeletePayload: _delete_payload,
    ClearPayload: _clear_payload,
}


def incomplete_points(segments: Sequence[Segment]) -> list[tuple[Segment, list[Any]]]:
    """Ids without a version, by segment: of points another engine was adding when it died."""
    trackers = [(segment, segment.ids) for segment in segments if isinstance(segment.ids, MutableIdTracker)]
    return [(segment, ids.ids_of(ids.repair.unversioned)) for segment, ids in trackers if len(ids.repair.unversioned)]


def settle_uncounted(segments: Sequence[Segment], *, logged: bool) -> None:
    """See to multi-vectors in rows that the files did not count, after what the log holds was applied.

    A kill of Qdrant leaves such of points changed since its last flush, which a log brings back; without one, what is
    in those rows is all there is, and is kept.

    Raises:
        CorruptedError: the log brought one not back.
    """
    for segment in segments:
        for name, field in segment.fields.items():
            if not isinstance(field, MultiField):
                continue
            alive, _ = segment.alive(name)
            left = field.storage.uncounted[alive[field.storage.uncounted]]
            if not len(left):
                continue
            directory = field.storage.entries_directory
            reason = f"{len(left)} points, as {segment.ids.ids_of(left[:1])[0]}, refer to rows that are not counted"
            if logged:
                raise CorruptedError(directory, f"{reason}, and the log does not bring them back")
            text = f"{directory}: {reason}; without a log, what is there is kept"
            warnings.warn(text, RuntimeWarning, stacklevel=4)


def complain_of(incomplete: list[tuple[Segment, list[Any]]], segments: Sequence[Segment]) -> None:
    """Warn of points that a log with next to nothing to add did not bring back: they were complete once."""
    for segment, ids in incomplete:
        lost = [i for i in ids if all(int(other.ids.offsets_of([i])[0]) < 0 for other in segments)]
        if lost:
            text = f"{segment.path / VERSIONS_FILE}: {len(lost)} points have no version and are lost, as {lost[0]} is"
            warnings.warn(text, RuntimeWarning, stacklevel=4)
