"""Short arrays of numbers: a list is looked through in a fraction of the time that one call into numpy takes."""

from __future__ import annotations

from operator import lt
from typing import Any

import numpy as np
import numpy.typing as npt

FEW = 64
"""So many numbers are looked at as a list."""

Numbers = npt.NDArray[np.integer[Any]]


def highest(numbers: Numbers) -> int:
    """The highest of some numbers, of which there is at least one."""
    return max(numbers.tolist()) if len(numbers) <= FEW else int(numbers.max())


def is_range(numbers: Numbers) -> bool:
    """Whether these are 0, 1, 2 and so on."""
    count = len(numbers)
    if count <= FEW:
        return bool(numbers.tolist() == list(range(count)))
    return np.array_equal(numbers, np.arange(count))


def ascending(numbers: Numbers) -> bool:
    """Whether every number is higher than the one before."""
    if len(numbers) <= FEW:
        listed = numbers.tolist()
        return all(map(lt, listed, listed[1:]))
    return bool((numbers[1:] > numbers[:-1]).all())
