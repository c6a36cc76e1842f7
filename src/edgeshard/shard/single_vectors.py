"""Changes of the vectors of a single point, see :mod:`edgeshard.shard.single`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeshard._native import encode_upsert_raw
from edgeshard.models.operations import DeleteVectors, UpdateVectors, UpsertPoints
from edgeshard.segment.single_entries import entries_of
from edgeshard.shard.apply import target
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.prepare import EMPTY_PAYLOAD, prepare_vectors
from edgeshard.shard.single_steps import carry_out, find, find_writable, one, stamp
from edgeshard.storage.id_tracker import MutableIdTracker

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


def upsert(store: Store, operation: UpsertPoints) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    points = operation.points
    if len(points) != 1 or operation.condition is not None or operation.mode is not None:
        return False
    point = points[0]
    point_id = point._id
    home, offset = find(store, point_id) or (target(store.segments), None)
    entries = entries_of(home, point._vectors)
    if entries is None:
        return False
    payload = point._payload or EMPTY_PAYLOAD

    def record() -> bytes:
        vectors: list[Any] = [(name, entry.logged(), None) for name, entry in entries.items()]
        return encode_upsert_raw([point_id], vectors, [payload])

    def apply(number: int) -> None:
        at = offset
        if at is None:
            assert isinstance(home.ids, MutableIdTracker)
            at = home.ids.insert_one(point_id)
        for entry in entries.values():
            entry.put(at)
        if len(entries) < len(home.fields):
            for name, field in home.fields.items():
                if name not in entries:
                    field.forget(one(at))
        home.put_payload(at, payload)
        home.changes.points = number
        stamp(home, at, number)

    return carry_out(store, record, apply)


def update_vectors(store: Store, operation: UpdateVectors) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    points = operation.points
    if len(points) != 1 or operation.condition is not None:
        return False
    place = find_writable(store, points[0]._id)
    if place is None:
        return False
    home, offset = place
    entries = entries_of(home, points[0]._vectors)
    if entries is None:
        columns = prepare_vectors(points, store.schema).columns
        return carry_out(
            store, lambda: encode(operation), lambda number: home.put_vectors(number, one(offset), columns)
        )
    names = list(entries)

    def apply(number: int) -> None:
        for entry in entries.values():
            entry.put(offset)
        home.changes.touch_vectors(names, number)
        stamp(home, offset, number)

    return carry_out(store, lambda: encode(operation), apply)


def delete_vectors(store: Store, operation: DeleteVectors) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    ids, names = operation.ids, operation.names
    if len(ids) != 1 or not names or not all(name in store.schema for name in names):
        return False
    place = find_writable(store, ids[0])
    if place is None:
        return False
    home, offset = place
    known = [name for name in names if name in home.fields]
    return carry_out(store, lambda: encode(operation), lambda number: home.forget_vectors(number, one(offset), known))
