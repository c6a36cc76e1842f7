"""What filters leave of a segment, remembered until the segment changes.

A filter is an immutable object, so an application that asks the same one again is answered from here; what is known of
a filter is found by the object itself, as comparing two filters costs more than evaluating most of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard.models.filters import Filter

__all__ = ["Selection", "Selections"]

Mask: TypeAlias = "NDArray[np.bool_]"
Offsets: TypeAlias = "NDArray[np.uint32]"

MAX_BYTES = 4 << 20
"""Memory that the remembered selections of a segment may take."""
MAX_FILTERS = 64
"""Filters remembered for a segment."""


class Selection:
    """Some points of a segment. Both arrays are read-only: they are shared by everyone who asks.

    Args:
        mask: ``(count,) bool``, not to be changed by the caller any more.
    """

    __slots__ = ("_count", "_offsets", "_within", "mask")

    def __init__(self, mask: Mask) -> None:
        mask.flags.writeable = False
        self.mask = mask
        self._count = -1
        self._offsets: Offsets | None = None
        self._within: dict[str, Selection] | None = None

    def __len__(self) -> int:
        """How many points."""
        if self._count < 0:
            self._count = int(np.count_nonzero(self.mask))
        return self._count

    @property
    def offsets(self) -> Offsets:
        """``(len,) uint32``, ascending."""
        if self._offsets is None:
            offsets = self.mask.nonzero()[0].astype(np.uint32)
            offsets.flags.writeable = False
            self._offsets = offsets
        return self._offsets

    def within(self, name: str, known: Mask) -> Selection:
        """Those of the points that another mask marks.

        Args:
            name: what the mask is known by as long as the segment does not change.
            known: ``(count,) bool``.
        """
        parts = self._within
        if parts is None:
            parts = self._within = {}
        part = parts.get(name)
        if part is None:
            part = parts[name] = Selection(self.mask & known)
        return part

    @property
    def nbytes(self) -> int:
        """Bytes held once both forms were asked for."""
        return len(self.mask) + 4 * len(self)


class Selections:
    """The selections of one segment by filter, those not asked for longest dropped first. Safe to use from threads."""

    __slots__ = ("_bytes", "_known", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[Filter, Selection]] = {}
        self._bytes = 0

    def of(self, filter: Filter, make: Callable[[Filter], Selection]) -> Selection:
        """What is known of a filter, or else what `make` finds out about it.

        The segment must not change between the start of `make` and the end of this call.
        """
        key = id(filter)
        with self._lock:
            known = self._known.pop(key, None)
            if known is not None:
                self._known[key] = known  # now the one asked for last
                return known[1]
        found = make(filter)
        with self._lock:
            if key not in self._known and found.nbytes <= MAX_BYTES:
                self._known[key] = filter, found
                self._bytes += found.nbytes
                while self._bytes > MAX_BYTES or len(self._known) > MAX_FILTERS:
                    oldest = next(iter(self._known))
                    self._bytes -= self._known.pop(oldest)[1].nbytes
        return found

    def clear(self) -> None:
        """Forget everything: the segment changed."""
        with self._lock:
            self._known, self._bytes = {}, 0
