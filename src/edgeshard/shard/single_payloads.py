"""Changes of the payload of a single point, see :mod:`edgeshard.shard.single`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from edgeshard.filter import mutate
from edgeshard.models.operations import ClearPayload, DeletePayload, OverwritePayload, SetPayload
from edgeshard.models.payload import decode_payload
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.segment import Segment
from edgeshard.shard.apply import changed_payload, merged_payload, nulls_of
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.prepare import EMPTY_PAYLOAD
from edgeshard.shard.single_steps import carry_out, find_writable, stamp

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

Change: TypeAlias = "Callable[[Segment, bytes], bytes]"
"""From the payload that a point has to the one it shall have."""


def set_payload(store: Store, operation: SetPayload) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    patch, key = operation.payload, operation.key
    if key is None:
        return _change(store, operation, lambda home, stored: merged_payload(home, stored, patch), lambda: patch)

    def merge(home: Segment, stored: bytes) -> bytes:
        return changed_payload(stored, mutate.merger(decode_payload(patch), key), home.payload.directory)

    def merge_into_none() -> bytes:
        return changed_payload(EMPTY_PAYLOAD, mutate.merger(decode_payload(patch), key))

    return _change(store, operation, merge, merge_into_none)


def delete_payload(store: Store, operation: DeletePayload) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    keys = operation.keys
    if not keys:
        return False

    def remove(home: Segment, stored: bytes) -> bytes:
        nulls = nulls_of(keys)
        if nulls is None:
            return changed_payload(stored, mutate.remover(keys), home.payload.directory)
        return merged_payload(home, stored, nulls)

    return _change(store, operation, remove, lambda: None)


def overwrite_payload(store: Store, operation: OverwritePayload) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    payload = operation.payload
    record = operation if operation.key is None else OverwritePayload(payload, operation.ids)
    return _carry_out(store, record, operation.ids, lambda home, offset: home.put_payload(offset, payload))


def clear_payload(store: Store, operation: ClearPayload) -> bool:
    """See :func:`edgeshard.shard.single.change_single`."""
    return _carry_out(store, operation, operation.ids, lambda home, offset: home.put_payload(offset, None))


def _change(
    store: Store, operation: SetPayload | DeletePayload, change: Change, absent: Callable[[], bytes | None]
) -> bool:
    """Change the payload of the only point of an operation; it becomes ``absent`` if there is none."""

    def write(home: Segment, offset: int) -> None:
        stored = home.payload.get(offset)
        payload = change(home, stored) if stored else absent()
        if payload != stored:
            home.put_payload(offset, payload)

    return _carry_out(store, operation, operation.ids, write)


def _carry_out(
    store: Store,
    record: UpdateOperation,
    ids: Sequence[int | UUID] | None,
    write: Callable[[Segment, int], None],
) -> bool:
    if ids is None or len(ids) != 1:
        return False
    place = find_writable(store, ids[0])
    if place is None:
        return False
    home, offset = place

    def apply(number: int) -> None:
        write(home, offset)
        home.changes.payload = number
        stamp(home, offset, number)

    return carry_out(store, lambda: encode(record), apply)
