"""Scored points on their way through a query.

A point is known by its key: segment number in the high 32 bits, offset in the low ones. An id lives in one segment,
so equal keys are equal points and no ids are looked at before the result is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Scores = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.uint32]
T = TypeVar("T")
_Places = TypeVar("_Places", Keys, Offsets)


class Hits:
    """Points in rank order.

    Args:
        keys: ``(n,) uint64``; None for points given by ``place``.
        scores: ``(n,) float32`` as shown to the caller.
        order_values: for results of an ordering, the value each was ordered by.
        versioned: whether results show the points' versions (scored stages) or 0 (listing stages); ``(n,) bool`` where
            that is not the same for all of them, as in what was fused.
        vectors: the vector name whose vectors the result carries unasked (MMR), None for none.
        place: ``(segment number, offsets)`` of points that all live in one segment: what most queries of most shards
            find, which then never become keys.
    """

    __slots__ = ("_keys", "order_values", "place", "scores", "vectors", "versioned")

    def __init__(
        self,
        keys: Keys | None,
        scores: Scores,
        order_values: list[Any] | None = None,
        *,
        versioned: bool | npt.NDArray[np.bool_] = True,
        vectors: str | None = None,
        place: tuple[int, Offsets] | None = None,
    ) -> None:
        self._keys = keys
        self.place = place
        self.scores = scores
        self.order_values = order_values
        self.versioned = versioned
        self.vectors = vectors

    @property
    def keys(self) -> Keys:
        """``(n,) uint64``."""
        if self._keys is None:
            assert self.place is not None
            self._keys = make_keys(*self.place)
        return self._keys

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: slice | npt.NDArray[Any]) -> Hits:
        """Some of the points: a slice, places in the order wanted, or a mask."""
        values = self.order_values
        versioned = self.versioned if isinstance(self.versioned, bool) else self.versioned[chosen]
        if self.place is not None and isinstance(chosen, slice) and values is None:
            number, offsets = self.place
            return Hits(
                None,
                self.scores[chosen],
                versioned=versioned,
                vectors=self.vectors,
                place=(number, offsets[chosen]),
            )
        if not isinstance(chosen, slice) and chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        if values is not None:
            values = values[chosen] if isinstance(chosen, slice) else [values[i] for i in chosen.tolist()]
        return Hits(self.keys[chosen], self.scores[chosen], values, versioned=versioned, vectors=self.vectors)

    def versions(self, stored: npt.NDArray[Any], places: npt.NDArray[np.int64] | None = None) -> Any:
        """What to show for the stored versions of points, those at ``places`` or all: a list, or 0 for all of them."""
        if isinstance(self.versioned, bool):
            return stored.tolist() if self.versioned else 0
        shown = self.versioned if places is None else self.versioned[places]
        return np.where(shown, stored, 0).tolist()


def empty() -> Hits:
    """No points."""
    return Hits(np.zeros(0, np.uint64), np.zeros(0, np.float32))


def make_keys(segment: int, offsets: npt.NDArray[Any]) -> Keys:
    """Keys of points of one segment."""
    keys: Keys = offsets.astype(np.uint64) | np.uint64(segment << 32)
    return keys


def by_segment(keys: Keys) -> Iterator[tuple[int, npt.NDArray[np.int64], Offsets]]:
    """``(segment number, places in keys, offsets)`` for each segment that occurs."""
    if not len(keys):
        return
    numbers = (keys >> np.uint64(32)).astype(np.int64)
    offsets = keys.astype(np.uint32)
    first = int(numbers[0])
    if bool((numbers == first).all()):
        yield first, np.arange(len(keys)), offsets
        return
    for number in np.unique(numbers).tolist():
        places = np.flatnonzero(numbers == number)
        yield number, places, offsets[places]


def in_order(keys: Keys, make: Callable[[int, npt.NDArray[np.int64], Offsets], list[T]]) -> list[T]:
    """One object for each key, in the order of the keys, made segment by segment.

    Args:
        keys: of the points.
        make: given what :func:`by_segment` yields, the objects of those points.
    """
    result: list[Any] = [None] * len(keys)
    for number, places, offsets in by_segment(keys):
        made = make(number, places, offsets)
        if len(made) == len(result):
            return made
        for place, one in zip(places.tolist(), made, strict=True):
            result[place] = one
    return result


def union(parts: list[Hits]) -> Keys:
    """Keys of all points of several results, each once, ascending."""
    return np.unique(np.concatenate([part.keys for part in parts])) if parts else np.zeros(0, np.uint64)


def best(keys: _Places, scores: Scores, limit: int) -> tuple[_Places, Scores]:
    """The ``limit`` highest scores in descending order; equal scores by key (or offset); NaN scores are left out."""
    valid = ~np.isnan(scores)
    if not bool(valid.all()):
        keys, scores = keys[valid], scores[valid]
    if 0 < limit < len(scores):
        bar = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        kept = np.flatnonzero(scores >= bar)
        keys, scores = keys[kept], scores[kept]
    order = np.lexsort((keys, -scores))[:limit]
    return keys[order], scores[order]
