"""Which points have changed since the last flush, noted in no more memory than the points need."""

from __future__ import annotations

import numpy as np

from edgeshard.segment.batch import Offsets

FEW_PARTS = 1024
"""So many notes are kept as they come; a note takes 150 bytes, however few points it is of."""
_POINTS_PER_PART = 16
"""Of what was merged before, so many points allow for another note: merging sorts them all again."""


class ChangedOffsets:
    """Offsets by the update; a process that never flushes may make millions of them."""

    __slots__ = ("_limit", "_parts", "noted")

    def __init__(self) -> None:
        self._parts: list[Offsets] = []
        self._limit = FEW_PARTS
        self.noted = 0
        """Updates so far; see :meth:`forget`."""

    def __bool__(self) -> bool:
        return bool(self._parts)

    def note(self, offsets: Offsets) -> None:
        """Take down what an update changed."""
        self._parts.append(np.array(offsets, np.uint32))
        self.noted += 1
        if len(self._parts) > self._limit:
            merged = self.all()
            self._parts, self._limit = [merged], FEW_PARTS + len(merged) // _POINTS_PER_PART

    def all(self) -> Offsets:
        """All of them, ascending; there must be some."""
        return np.unique(np.concatenate(self._parts))

    def forget(self, noted: int) -> None:
        """A flush wrote what was known when :attr:`noted` was this; what has come since makes all of it stay."""
        if noted == self.noted:
            self._parts, self._limit = [], FEW_PARTS

    @property
    def parts(self) -> int:
        """Arrays held."""
        return len(self._parts)
