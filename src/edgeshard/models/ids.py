"""Point ids: integers from 0 to 2^64 - 1, or UUIDs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

import numpy as np

from edgeshard._native import are_numbers
from edgeshard.errors import ArgumentError, quoted
from edgeshard.models.base import sequence

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["ParsedId", "PointId", "id_sort_key", "parse_id", "parse_ids"]

PointId: TypeAlias = Union[int, str, "UUID"]
"""What callers may pass as an id."""

ParsedId: TypeAlias = Union[int, "UUID"]
"""An id as it is kept and returned."""

_UUID_FORMS = re.compile(
    r"(?:urn:uuid:)?(H{8}-(?:H{4}-){3}H{12})|\{(H{8}-(?:H{4}-){3}H{12})\}|(H{32})".replace("H", "[0-9a-fA-F]")
)
_ID_MAX = 2**64 - 1


def parse_id(value: PointId) -> ParsedId:
    """The id `value` stands for: an int, or a `uuid.UUID` for UUIDs and their text in any usual form.

    Raises:
        TypeError: neither an integer from 0 to 2^64 - 1 nor a UUID.
        ValidationError: text that is not a UUID.
    """
    if type(value) is int and 0 <= value <= _ID_MAX:
        return value
    if isinstance(value, str):
        return _parse_uuid(value)
    return _parse_other(value)


def _parse_other(value: Any) -> ParsedId:
    from uuid import UUID

    if isinstance(value, UUID):
        return value
    try:
        number = index(value)
    except TypeError:
        number = -1
    if 0 <= number <= _ID_MAX:
        return number
    raise TypeError(f"expected a point id: an integer from 0 to 2**64 - 1 or a UUID, got {quoted(value)}")


def parse_ids(values: Iterable[PointId], name: str = "point_ids") -> list[ParsedId]:
    """The ids of a list, set, array..., in its order."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "u" and values.ndim == 1:
        return values.tolist()  # type: ignore[no-any-return]
    items = sequence(values, name)
    if are_numbers(items):
        return cast("list[ParsedId]", items)
    return [parse_id(value) for value in items]


def id_sort_key(point_id: ParsedId) -> tuple[bool, int]:
    """The key that sorts ids as the engine does: integers first, then UUIDs by their bytes."""
    return (False, point_id) if isinstance(point_id, int) else (True, point_id.int)


def _parse_uuid(text: str) -> UUID:
    from uuid import UUID

    match = _UUID_FORMS.fullmatch(text)
    if match is None:
        raise ArgumentError(
            f"failed to parse {text[:200]} as UUID: expected 32 hexadecimal digits, plain or grouped 8-4-4-4-12"
        )
    return UUID(match[1] or match[2] or match[3])
