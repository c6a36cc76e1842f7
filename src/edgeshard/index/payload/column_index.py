"""What indexes have in common that keep no values of their own: the payload column of the field has them."""

from __future__ import annotations

from typing import Any

from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Array, Mask
from edgeshard.models.paths import JsonPath


class ColumnIndex:
    """An indexed field whose conditions are answered from its payload column.

    Args:
        field: its schema.
        segment: has the payload columns.
    """

    __slots__ = ("_field", "_segment")

    def __init__(self, field: FieldSchema, segment: Any) -> None:
        self._field = field
        self._segment = segment

    @property
    def nested(self) -> JsonPath | None:
        """The array whose elements the index is about; None if it is about points."""
        return self._field.nested

    def changed(self, offsets: Array) -> None:
        """Points have new payloads: the column follows them."""

    def filled(self, count: int) -> Mask | None:
        """Nothing: the column knows which points have a value."""
        return None
