"""Which parts of a point come with a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from edgeshard.models.base import Model, abstract, json_path, put_fields, sequence, texts, variant

__all__ = [
    "Exclude",
    "Include",
    "PayloadSelector",
    "WithPayload",
    "WithVector",
    "with_payload_of",
    "with_vector_of",
]


class PayloadSelector(Model):
    """A selection of payload paths: `PayloadSelector.Include` or `PayloadSelector.Exclude`."""

    __slots__ = ("_keys",)
    __match_args__ = ("keys",)

    if TYPE_CHECKING:  # the variants below, by the names that make them types
        Include: TypeAlias = "_Include"
        Exclude: TypeAlias = "_Exclude"

    _keys: tuple[str, ...]

    def __init__(self, keys: Iterable[str]) -> None:
        if type(self) is PayloadSelector:
            raise abstract(PayloadSelector)
        put_fields(self, _keys=tuple([json_path(key, "keys") for key in sequence(keys, "keys")]))

    @property
    def keys(self) -> list[str]:
        """The paths; a fresh list."""
        return list(self._keys)


@variant
class Include(PayloadSelector):
    """Only these paths.

    Args:
        keys: payload paths; array elements need ``[]``.
    """

    __slots__ = ()


@variant
class Exclude(PayloadSelector):
    """Everything but these paths.

    Args:
        keys: payload paths.
    """

    __slots__ = ()


WithPayload: TypeAlias = bool | Iterable[str] | PayloadSelector
"""All or nothing, a list of paths to include, or a selector."""

WithVector: TypeAlias = bool | Iterable[str]
"""All or nothing, or a list of vector names."""


def with_payload_of(selection: WithPayload, name: str = "with_payload") -> bool | tuple[str, ...] | PayloadSelector:
    """`selection`, checked and immutable."""
    if isinstance(selection, PayloadSelector):
        return selection
    if isinstance(selection, (bool, np.bool_)):
        return bool(selection)
    return tuple([json_path(key, name) for key in sequence(selection, name)])


def with_vector_of(selection: WithVector, name: str = "with_vector") -> bool | tuple[str, ...]:
    """`selection`, checked and immutable."""
    return bool(selection) if isinstance(selection, (bool, np.bool_)) else texts(selection, name)


def thawed(selection: Any) -> Any:
    """The public form of a selection: a fresh list for a tuple."""
    return list(selection) if isinstance(selection, tuple) else selection


if TYPE_CHECKING:
    _Include: TypeAlias = Include
    _Exclude: TypeAlias = Exclude
