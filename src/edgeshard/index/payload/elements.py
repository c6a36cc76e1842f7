"""Numbers of array elements: nested indexes hold one entry per object in an array instead of one per point.

An appendable segment keeps the numbers of each point in a gridstore next to every index of the field. A
point keeps its numbers for its first elements; more are taken from those freed last, then from the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload.values import Array, Offsets, Packed
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.runs import bounds_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeshard.models.paths import Step
    from edgeshard.storage.flush import FlushPlan

_PAGE_BYTES, _BLOCK_BYTES = 4 << 20, 16
_ALWAYS_POSSIBLE = 1 << 20
"""Numbers up to here are believed without a reason."""


def find_elements(
    data: Array, bounds: Array, steps: tuple[Step, ...], where: Callable[[int], str]
) -> tuple[Offsets, Packed]:
    """The objects of an array in a batch of payloads.

    Returns:
        Objects per payload, and the JSON of the objects.

    Raises:
        CorruptedError: a payload is not valid JSON.
    """
    failure, counts, starts, ends = _native.extract_objects(data, bounds, steps)
    if failure is not None:
        raise CorruptedError(where(failure[0]), f"malformed JSON: {failure[2]}", failure[1])
    if counts is None:
        counts = np.zeros(len(bounds) - 1, np.uint32)
    if starts is None:
        return counts, (np.zeros(0, np.uint8), np.zeros(1, np.int64))
    return counts, _native.gather_slices(data, starts, ends)


class ElementNumbers:
    """Which numbers the elements of each point have.

    Args:
        stores: the same gridstore several times, once for each index of the field.
        known: numbers below this are believed whatever the stores hold.

    Raises:
        CorruptedError: a number occurs twice, or is far above how many there are.
    """

    __slots__ = ("_free", "_next", "_of_point", "stores")

    def __init__(self, stores: list[Gridstore], known: int = 0) -> None:
        self.stores = stores
        self._of_point: dict[int, Array] = {}
        data, bounds = stores[0].get_batch()
        numbers = data[: len(data) // 4 * 4].view("<u4")
        if (bounds % 4).any() or len(np.unique(numbers)) != len(numbers):
            raise CorruptedError(stores[0].directory, "element numbers are cut short or occur twice")
        self._next = int(numbers.max()) + 1 if len(numbers) else 0
        # Numbers that were freed are used first, so one far above the count is damage, which would cost gigabytes.
        if self._next > max(known, 16 * len(numbers) + _ALWAYS_POSSIBLE):
            raise CorruptedError(stores[0].directory, f"element number {self._next - 1} among {len(numbers)} elements")
        edges = (bounds // 4).tolist()
        for point in np.flatnonzero(np.diff(bounds)).tolist():
            self._of_point[point] = numbers[edges[point] : edges[point + 1]]
        self._free: list[int] = np.setdiff1d(np.arange(self._next, dtype=np.uint32), numbers)[::-1].tolist()

    @classmethod
    def create(cls, directories: list[Path]) -> ElementNumbers:
        """The numbers of an empty index."""
        return cls([Gridstore.create(path, _PAGE_BYTES, _BLOCK_BYTES, "None") for path in directories])

    @classmethod
    def open(cls, directories: list[Path], known: int) -> ElementNumbers:
        """The numbers an index has, those below ``known`` being believed.

        Raises:
            CorruptedError: a file is missing or damaged.
        """
        return cls([Gridstore.open(path) for path in directories], known)

    def assign(self, points: Offsets, counts: Offsets) -> tuple[Offsets, Offsets]:
        """Give points numbers for their elements.

        Args:
            points: ``(n,)``, each once.
            counts: ``(n,)`` elements they have now.

        Returns:
            The numbers, point by point, and those that no element has any more.
        """
        numbers, freed = np.empty(int(counts.sum()), np.uint32), []
        at = 0
        for point, count in zip(points.tolist(), counts.tolist(), strict=True):
            old = self._of_point.get(point)
            kept = 0 if old is None else min(len(old), count)
            if old is not None:
                numbers[at : at + kept] = old[:kept]
                freed += old[kept:].tolist()
                self._free += old[kept:].tolist()
            for place in range(at + kept, at + count):
                numbers[place] = self._take()
            if count:
                self._of_point[point] = numbers[at : at + count]
            elif old is not None:
                del self._of_point[point]
            at += count
        self._store(points, counts, numbers)
        gone = np.array(sorted(set(freed) - set(numbers.tolist())), np.uint32)
        return numbers, gone

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self._next += 1
        return self._next - 1

    def _store(self, points: Offsets, counts: Offsets, numbers: Offsets) -> None:
        filled = counts > 0
        bounds = bounds_of(counts[filled])
        for store in self.stores:
            if len(bounds) > 1:
                store.put_batch(points[filled], (numbers.view(np.uint8), bounds * 4))
            if not bool(filled.all()):
                store.remove_batch(points[~filled])

    def collect(self, plan: FlushPlan) -> None:
        """Hand changes to a flush."""
        for store in self.stores:
            store.collect(plan)

    def close(self) -> None:
        """Release files."""
        for store in self.stores:
            store.close()
