"""Which parts of a segment the operations since its load changed, for the versions of files in a manifest."""

from __future__ import annotations

from collections.abc import Iterable


class LastChanges:
    """Numbers of the last operations that changed a part; None where none did since the load.

    Attributes:
        points: whole points were written: every vector and the payload.
        payload: payloads alone.
        schema: a payload index was added or removed.
        vectors: single vectors, by name.
    """

    __slots__ = ("payload", "points", "schema", "vectors")

    def __init__(self) -> None:
        self.points: int | None = None
        self.payload: int | None = None
        self.schema: int | None = None
        self.vectors: dict[str, int] = {}

    def touch_vectors(self, names: Iterable[str], number: int) -> None:
        """Vectors of these names changed."""
        for name in names:
            self.vectors[name] = number

    def of_vector(self, name: str) -> int | None:
        """The last change of a vector name."""
        return _latest(self.vectors.get(name), self.points)

    def of_payload(self) -> int | None:
        """The last change of a payload."""
        return _latest(self.payload, self.points)


def _latest(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)
