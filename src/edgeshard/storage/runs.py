"""Runs of items of different lengths, kept one after the other in one array."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.storage.few import FEW

Bounds: TypeAlias = "npt.NDArray[np.int64]"


def bounds_of(counts: npt.NDArray[Any] | Sequence[int]) -> Bounds:
    """``(n + 1,)`` where each of ``n`` runs starts and the last one ends when laid end to end."""
    if len(counts) <= FEW:
        return np.array([0, *accumulate(counts.tolist() if isinstance(counts, np.ndarray) else counts)], np.int64)
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=bounds[1:])
    return bounds


def row_numbers(firsts: npt.NDArray[np.int64], bounds: Bounds) -> npt.NDArray[np.int64]:
    """The numbers of all rows of runs that start at ``firsts`` and are as long as ``bounds`` says."""
    shift = np.repeat(firsts - bounds[:-1], np.diff(bounds))
    return shift + np.arange(len(shift))


def consecutive(values: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """``(first, length)`` of every run of consecutive numbers in an ascending array."""
    if len(values) <= FEW:
        runs: list[tuple[int, int]] = []
        for value in values.tolist():
            if runs and value == runs[-1][0] + runs[-1][1]:
                runs[-1] = runs[-1][0], runs[-1][1] + 1
            else:
                runs.append((value, 1))
        return runs
    starts = np.flatnonzero(np.diff(values.astype(np.int64), prepend=-2) != 1)
    lengths = np.diff(starts, append=len(values))
    return list(zip(values[starts].tolist(), lengths.tolist(), strict=True))
