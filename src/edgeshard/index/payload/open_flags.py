"""Flag files: which points hold true and false, which hold values and nulls."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard.index.payload.conditions import Question, wanted_values
from edgeshard.index.payload.mutable import FLAG_NAMES
from edgeshard.index.payload.values import Array, Mask, Offsets
from edgeshard.models.matches import MatchExcept
from edgeshard.storage.flags import Flags


def _opened(directory: Path, kind: str) -> tuple[Flags, Flags]:
    first, second = FLAG_NAMES[kind]
    return Flags.open(directory / first, read_only=True), Flags.open(directory / second, read_only=True)


class BoolFiles:
    """Which points have true, and which false.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment, or elements of a nested index.

    Raises:
        CorruptedError: a file is missing or damaged.
    """

    __slots__ = ("_falses", "_points", "_trues")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._points = points
        self._trues, self._falses = _opened(directory, kind)

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points that match booleans, or have another one than is excluded."""
        wanted = set(wanted_values(asked.clause))
        if isinstance(asked.clause, MatchExcept):
            wanted = {True, False} - wanted
        mask = np.zeros(count, np.bool_)
        for value in wanted:
            mask |= (self._trues if value else self._falses).mask(count)
        return mask

    def groups(self) -> tuple[Array, Offsets, Offsets]:
        """False and true; pairs of a point and the number, 0 or 1, of a value it has."""
        owners = [np.flatnonzero(flags.mask(self._points)) for flags in (self._falses, self._trues)]
        numbers = np.repeat(np.arange(2, dtype=np.uint32), [len(some) for some in owners])
        return np.array([False, True]), np.concatenate(owners).astype(np.uint32), numbers

    def filled(self, count: int) -> Mask:
        """Points with a boolean."""
        return self._trues.mask(count) | self._falses.mask(count)


class NullFiles:
    """Which points have values, and which nulls.

    Args:
        directory: of the index.
        kind: of the index.
        points: offsets of the segment, or elements of a nested index.

    Raises:
        CorruptedError: a file is missing or damaged.
    """

    __slots__ = ("_is_null", "_values")

    def __init__(self, directory: Path, kind: str, points: int) -> None:
        self._values, self._is_null = _opened(directory, kind)

    def mask(self, asked: Question, count: int) -> Mask | None:
        """Points whose values are all empty (or not), or that have a null (or not)."""
        empty = asked.name == "is_empty"
        held = (self._values if empty else self._is_null).mask(count)
        return np.logical_not(held) if empty == bool(asked.clause) else np.array(held)

    def filled(self, count: int) -> Mask:
        """Points with a value."""
        return self._values.mask(count)
