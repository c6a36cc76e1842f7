"""Merging ranked lists: reciprocal rank fusion and distribution-based score fusion.

Rules of Qdrant: RRF after Cormack, Clarke and Büttcher (2009) with weights; DBSF after Mazzeschi (2023). Both are
computed in single precision there: ranks may depend on the last digit, so every step is here, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError
from edgeshard.query.hits import Hits, best, empty

Weights = list[float]


def reciprocal_rank(parts: list[Hits], k: int, weights: Weights | None, limit: int) -> Hits:
    """Points by the sum over the lists of ``1 / ((position + 1) / weight + k - 1)``, positions from 0.

    Raises:
        ValidationError: the number of weights is not that of the lists.
    """
    if weights is not None and len(weights) != len(parts):
        raise ValidationError(
            f"Validation failed: RRF weights length ({len(weights)}) does not match number of prefetches ({len(parts)})"
        )
    with np.errstate(divide="ignore", over="ignore"):  # weights may be huge, or tiny
        single = np.ones(len(parts), np.float32) if weights is None else np.array(weights).astype(np.float32)
        scored = [_by_place(len(part), np.float32(k), weight) for part, weight in zip(parts, single, strict=True)]
    return _sum_up(parts, scored, limit)


def _by_place(count: int, k: np.float32, weight: np.float32) -> npt.NDArray[np.float32]:
    if not weight > 0:
        return np.zeros(count, np.float32)
    scores: npt.NDArray[np.float32] = 1 / (np.arange(1, count + 1, dtype=np.float32) / weight + k - np.float32(1.0))
    return scores


def distribution_based(parts: list[Hits], limit: int) -> Hits:
    """Points by the sum of their scores, each list mapped so that mean ± 3 standard deviations is 0 to 1.

    As in Qdrant, points that an ordering stage below gave a value come first, by that value, largest first.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities, and what comes near
        scored = [_by_distribution(part.scores) for part in parts]
    fused = _sum_up(parts, scored, sum(map(len, parts)) if _order_values(parts) else limit)
    if fused.order_values is not None:
        ranks = [(value is None, -value if value else 0) for value in fused.order_values]
        fused = fused.take(np.array(sorted(range(len(fused)), key=ranks.__getitem__)[:limit], np.int64))
    return fused


def _by_distribution(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    halves = np.full(len(scores), 0.5, np.float32)
    if len(scores) < 2:
        return halves
    mean, variance = map(np.float32, _native.mean_and_variance(np.ascontiguousarray(scores)))
    spread = np.float32(3.0) * np.sqrt(variance)
    mapped: npt.NDArray[np.float32]
    if np.isfinite(spread):
        low, high = mean - spread, mean + spread
        mapped = halves if low == high else (scores - low) / (high - low)
    else:  # beyond single precision, where Qdrant's answers are no numbers
        wide = scores.astype(np.float64)
        spread = 3 * np.std(wide, ddof=1)
        mapped = ((wide - wide.mean() + spread) / (2 * spread)).astype(np.float32)
    return mapped


def first_of_each(parts: list[Hits]) -> Hits:
    """The points of all lists, each as the first list that has it shows it."""
    if not parts:
        return empty()
    _, first = np.unique(np.concatenate([part.keys for part in parts]), return_index=True)
    first.sort()
    merged = Hits(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.scores for part in parts]),
        _order_values(parts),
        versioned=_versioned(parts),
    )
    return merged.take(first)


def _order_values(parts: list[Hits]) -> list[Any] | None:
    """The values the points of all lists were ordered by, None if they were not."""
    if all(part.order_values is None for part in parts):
        return None
    return [value for part in parts for value in part.order_values or [None] * len(part)]


def _versioned(parts: list[Hits]) -> bool | npt.NDArray[np.bool_]:
    """Which points of all lists show their versions; True if all do."""
    if all(part.versioned is True for part in parts):
        return True
    return np.concatenate([np.broadcast_to(part.versioned, len(part)) for part in parts])


def _sum_up(parts: list[Hits], scored: list[npt.NDArray[np.float32]], limit: int) -> Hits:
    """Points by the sum of their scores; order value and version are those the first list that names a point shows."""
    if not parts:
        return empty()
    everything = np.concatenate([part.keys for part in parts])
    keys, first, inverse = np.unique(everything, return_index=True, return_inverse=True)
    sums = np.zeros(len(keys), np.float32)
    np.add.at(sums, inverse, np.concatenate(scored))
    fused = Hits(*best(keys, sums, limit))
    values, versioned = _order_values(parts), _versioned(parts)
    if values is not None or versioned is not True:
        shown = first[np.searchsorted(keys, fused.keys)]
        if values is not None:
            fused.order_values = [values[at] for at in shown.tolist()]
        if not isinstance(versioned, bool):
            fused.versioned = versioned[shown]
    return fused
