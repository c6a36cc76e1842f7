"""Merging ranked lists: reciprocal rank fusion and distribution-based score fusion.

Rules of Qdrant: RRF after Cormack, Clarke and Büttcher (2009) with weights; DBSF after Mazzeschi (2023).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
            f"RRF weights length ({len(weights)}) does not match number of prefetches ({len(parts)})"
        )
    scored = []
    for number, part in enumerate(parts):
        weight = 1.0 if weights is None else weights[number]
        positions = np.arange(1, len(part) + 1, dtype=np.float64)
        if weight > 0:
            with np.errstate(divide="ignore"):
                scored.append(1.0 / (positions / weight + (k - 1)))
        else:
            scored.append(np.zeros(len(part)))
    return _sum_up(parts, scored, limit)


def distribution_based(parts: list[Hits], limit: int) -> Hits:
    """Points by the sum of their scores, each list mapped so that mean ± 3 standard deviations is 0 to 1."""
    scored = []
    for part in parts:
        scores = part.scores.astype(np.float64)
        spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
        if spread == 0.0:
            scored.append(np.full(len(scores), 0.5))
        else:
            low = float(scores.mean()) - 3 * spread
            scored.append((scores - low) / (6 * spread))
    return _sum_up(parts, scored, limit)


def _sum_up(parts: list[Hits], scored: list[npt.NDArray[np.float64]], limit: int) -> Hits:
    if not parts:
        return empty()
    keys, inverse = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    sums = np.zeros(len(keys), np.float64)
    np.add.at(sums, inverse, np.concatenate(scored))
    return Hits(*best(keys, sums.astype(np.float32), limit))
