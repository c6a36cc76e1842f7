"""Vector names in the log that the shard does not have: deleted since, or never there.

``qdrant_edge`` logs before it validates, so a record may name what never was; its caller got an error. Deleting a name
takes effect in its files at once, while points logged before may reach them with the log only: such a record names what
was there. Which of the two it is tells the rest of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any

from edgeshard.errors import CorruptedError
from edgeshard.models.operations import (
    CreateDenseVector,
    CreateSparseVector,
    DeleteVectorName,
    UpdateVectors,
    UpsertPoints,
)
from edgeshard.models.points import Point, PointVectors
from edgeshard.segment.schema import Schema
from edgeshard.shard.operations import UpsertRaw, decode
from edgeshard.shard.prepare import by_name


class NamesAhead:
    """Which vector names records delete; the log is read on when that is first asked.

    Args:
        entries: a new iterator over ``(number, payload)`` of the records that are replayed, at each call.
    """

    __slots__ = ("_changes", "_entries")

    def __init__(self, entries: Callable[[], Iterable[tuple[int, Any]]]) -> None:
        self._entries = entries
        self._changes: list[tuple[int, str, bool]] | None = None

    def deleted_after(self, number: int) -> set[str]:
        """Names that a record after ``number`` deletes without one before it creating them: those were there."""
        if self._changes is None:
            self._changes = list(self._read())
        first: dict[str, bool] = {}
        for later, name, deleted in self._changes:
            if later > number:
                first.setdefault(name, deleted)
        return {name for name, deleted in first.items() if deleted}

    def _read(self) -> Iterable[tuple[int, str, bool]]:
        for number, payload in self._entries():
            try:
                operation = decode(payload)
            except CorruptedError:  # told when its turn comes
                continue
            if isinstance(operation, (DeleteVectorName, CreateDenseVector, CreateSparseVector)):
                yield number, operation.name, isinstance(operation, DeleteVectorName)


def without_unknown_names(operation: Any, schema: Schema, deleted: Callable[[], Set[str]] = frozenset) -> Any:
    """A logged operation without the vector names that the shard does not have.

    A point all of whose names are unknown is one that the writer had refused, and left out, unless all of them were
    deleted later.

    Args:
        operation: as decoded.
        schema: the names there are.
        deleted: tells the names that were deleted later; called only if that matters.
    """
    if isinstance(operation, UpsertRaw):
        names = operation.vectors.keys()
        if names and names.isdisjoint(schema) and names <= deleted():
            return UpsertRaw(operation.ids, {}, operation.payloads)
        return operation
    if not isinstance(operation, (UpsertPoints, UpdateVectors)):
        return operation
    kept: list[Any] = []
    for point in operation.points:
        named = by_name(point._vectors)
        known = {name: vector for name, vector in named.items() if name in schema}
        if named and not known and not (isinstance(point, Point) and named.keys() <= deleted()):
            continue
        if len(known) == len(named):
            kept.append(point)
        elif isinstance(point, Point):
            kept.append(Point._make(point._id, known, point._payload))
        else:
            kept.append(PointVectors(point._id, known))
    if isinstance(operation, UpsertPoints):
        return UpsertPoints(kept, operation.condition, operation.mode)
    return UpdateVectors(kept, operation.condition)
