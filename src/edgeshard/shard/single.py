"""Changes of one point: the same steps as any update, without arrays of length one.

Robots and apps write points one at a time; the general path costs about twice as much for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
from edgeshard.shard.operations.encode import encode
from edgeshard.shard.single_payloads import clear_payload, delete_payload, overwrite_payload, set_payload
from edgeshard.shard.single_steps import carry_out, find, one
from edgeshard.shard.single_vectors import delete_vectors, update_vectors, upsert

if TYPE_CHECKING:
    from edgeshard.shard.store import Store


def change_single(store: Store, operation: object) -> bool:
    """Log and apply an operation that changes one point in an appendable segment, or deletes one.

    Returns:
        False, and nothing is done, for any other, and for one that cannot be applied: the general path refuses it.

    Raises:
        ValidationError: a vector does not fit the shard.
        StorageError: the disk refused; nothing changed.
    """
    change = _CHANGES.get(type(operation))
    return change is not None and change(store, operation)


def _delete_points(store: Store, operation: DeletePoints) -> bool:
    if len(operation.ids) != 1:
        return False
    place = find(store, operation.ids[0])
    if place is None:  # which is no mistake, and nothing to log
        return True
    home, offset = place
    return carry_out(store, lambda: encode(operation), lambda number: home.delete(number, one(offset)))


_CHANGES: dict[type, Callable[[Store, Any], bool]] = {
    UpsertPoints: upsert,
    DeletePoints: _delete_points,
    UpdateVectors: update_vectors,
    DeleteVectors: delete_vectors,
    SetPayload: set_payload,
    OverwritePayload: overwrite_payload,
    DeletePayload: delete_payload,
    ClearPayload: clear_payload,
}
