"""The spelling of enumeration members in JSON and CBOR: ``OneAndHalfBits`` is ``one_and_half_bits``."""

from __future__ import annotations

import re
from enum import Enum
from typing import TypeVar

from edgeshard.errors import ValidationError, quoted
from edgeshard.models.enums import Distance

__all__ = ["from_wire", "to_wire"]

E = TypeVar("E", bound=Enum)

_spelled: dict[Enum, str] = {}
_by_spelling: dict[type[Enum], dict[str, Enum]] = {}


def to_wire(member: Enum) -> str:
    """The spelling of `member` in stored and logged JSON."""
    try:
        return _spelled[member]
    except KeyError:
        _learn(type(member))
        return _spelled[member]


def from_wire(cls: type[E], spelling: str) -> E:
    """The member of `cls` that is spelled so.

    Raises:
        ValidationError: there is none.
    """
    if cls not in _by_spelling:
        _learn(cls)
    try:
        return _by_spelling[cls][spelling]  # type: ignore[return-value]
    except (KeyError, TypeError):
        known = ", ".join(sorted(_by_spelling[cls]))
        raise ValidationError(f"expected a {cls.__name__} ({known}), got {quoted(spelling)}") from None


def _learn(cls: type[Enum]) -> None:
    spellings = {_spell(cls, member): member for member in cls}
    _by_spelling[cls] = spellings
    _spelled.update({member: spelling for spelling, member in spellings.items()})


def _spell(cls: type[Enum], member: Enum) -> str:
    """Distances keep their capital; everything else is snake case with digits attached."""
    if cls is Distance:
        return member.name
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", member.name).lower()
