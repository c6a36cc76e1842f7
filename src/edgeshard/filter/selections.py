"""What filters leave of a segment, remembered until the segment changes.

A filter is an immutable object, so an application that asks the same one again is answered from here. The object itself
is looked up first, then what it says, for those who make their filters anew for every query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.models.filters import Filter

__all__ = ["Selection", "Selections"]

Mask: TypeAlias = "NDArray[np.bool_]"
Offsets: TypeAlias = "NDArray[np.uint32]"

MAX_BYTES = 4 << 20
"""Memory that the remembered selections of a segment may take."""
MAX_FILTERS = 64
"""Filters remembered for a segment."""
_KEPT_SHARE = 0.75
"""What stays of either once it is reached."""


class Selection:
    """Some points of a segment, as a mask or as offsets; the other form is made when it is asked for.

    Arrays are read-only: they are shared by everyone who asks. Make one of offsets with :meth:`listed`.

    Args:
        mask: ``(count,) bool``, not to be changed by the caller any more.
    """

    __slots__ = ("_beside", "_count", "_mask", "_offsets", "_total", "_within")

    def __init__(self, mask: Mask) -> None:
        mask.flags.writeable = False
        self._mask: Mask | None = mask
        self._total = len(mask)
        self._count = -1
        self._offsets: Offsets | None = None
        self._within: dict[str, Selection] | None = None
        self._beside: dict[Any, Any] | None = None

    @classmethod
    def listed(cls, offsets: Offsets, total: int) -> Selection:
        """Points given one by one.

        Args:
            offsets: ascending and below ``total``, not to be changed by the caller any more.
            total: offsets of the segment.
        """
        new = object.__new__(cls)
        offsets.flags.writeable = False
        new._mask, new._offsets, new._within, new._beside = None, offsets, None, None
        new._total, new._count = total, len(offsets)
        return new

    def __len__(self) -> int:
        """How many points."""
        if self._count < 0:
            self._count = int(np.count_nonzero(self.mask))
        return self._count

    @property
    def total(self) -> int:
        """Offsets of the segment."""
        return self._total

    @property
    def mask(self) -> Mask:
        """``(total,) bool``."""
        mask = self._mask
        if mask is None:
            mask = np.zeros(self._total, np.bool_)
            mask[self._offsets] = True
            mask.flags.writeable = False
            self._mask = mask
        return mask

    @property
    def offsets(self) -> Offsets:
        """``(len,) uint32``, ascending."""
        offsets = self._offsets
        if offsets is None:
            offsets = _native.mask_offsets(self.mask)
            offsets.flags.writeable = False
            self._offsets = offsets
        return offsets

    @property
    def beside(self) -> dict[Any, Any]:
        """What others keep as long as this stands for the same points."""
        beside = self._beside
        if beside is None:
            beside = self._beside = {}
        return beside

    def within(self, name: str, known: Mask) -> Selection:
        """Those of the points that another mask marks.

        Args:
            name: what the mask is known by as long as the segment does not change.
            known: ``(total,) bool``.
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
        return self._total + 4 * len(self)


class _Known:
    """A remembered selection and when it was last asked for."""

    __slots__ = ("forgotten", "nbytes", "selection", "used")

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.nbytes = selection.nbytes
        self.used = 0
        self.forgotten = False


class Selections:
    """The selections of one segment by filter, those not asked for longest dropped first. Safe to use from threads."""

    __slots__ = ("_by_object", "_bytes", "_clock", "_known", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Any, _Known] = {}
        self._by_object: dict[int, tuple[Filter, _Known]] = {}
        self._bytes = 0
        self._clock = 0

    def of(self, filter: Filter, make: Callable[[Filter], Selection]) -> Selection:
        """What is known of a filter, or else what `make` finds out about it.

        The segment must not change between the start of `make` and the end of this call.
        """
        with self._lock:
            same = self._by_object.get(id(filter))
            if same is not None:
                return self._use(same[1])
        key = filter._key()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._link(filter, known)
                return self._use(known)
        found = make(filter)
        with self._lock:
            if key not in self._known and found.nbytes <= MAX_BYTES:
                known = self._known[key] = _Known(found)
                self._bytes += known.nbytes
                self._link(filter, known)
                self._use(known)
                if self._bytes > MAX_BYTES or len(self._known) > MAX_FILTERS:
                    self._drop_oldest()
        return found

    def _use(self, known: _Known) -> Selection:
        self._clock += 1
        known.used = self._clock
        return known.selection

    def _link(self, filter: Filter, known: _Known) -> None:
        """Find a selection by this object the next time; the object is kept, so that its id stays its own."""
        if len(self._by_object) >= MAX_FILTERS:
            self._by_object.clear()
        self._by_object[id(filter)] = filter, known

    def _drop_oldest(self) -> None:
        """Make room for more than one, so that an application whose filters are all new seldom pays for it."""
        kept = int(MAX_FILTERS * _KEPT_SHARE)
        oldest = sorted(self._known.items(), key=lambda entry: entry[1].used)
        for at, (key, known) in enumerate(oldest[:-1]):
            if len(oldest) - at <= kept and self._bytes <= MAX_BYTES * _KEPT_SHARE:
                break
            del self._known[key]
            self._bytes -= known.nbytes
            known.forgotten = True
        self._by_object = {at: entry for at, entry in self._by_object.items() if not entry[1].forgotten}

    def clear(self) -> None:
        """Forget everything: the segment changed."""
        with self._lock:
            self._known, self._by_object, self._bytes = {}, {}, 0
