"""Short arrays are looked at as lists: what is found is what numpy finds in long ones."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard.storage.few import FEW, ascending, highest, is_range
from edgeshard.storage.runs import bounds_of


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1, 1000])
def test_short_and_long_arrays_are_judged_alike(count: int) -> None:
    rng = np.random.default_rng(count)
    numbers = rng.permutation(3 * count)[:count].astype(np.uint32)
    assert highest(numbers) == numbers.max()
    assert ascending(numbers) == (np.sort(numbers).tolist() == numbers.tolist())
    assert ascending(np.sort(numbers))
    repeated = np.sort(np.append(numbers, numbers[0]))
    assert not ascending(repeated)
    assert is_range(np.arange(count))
    assert not is_range(np.arange(count) + 1)
    assert count == 1 or not is_range(np.arange(count)[::-1])
    counts = rng.integers(0, 5, count)
    wanted = [0, *np.cumsum(counts).tolist()]
    for given in (counts, counts.tolist(), counts.astype(np.uint32)):
        bounds = bounds_of(given)
        assert (bounds.tolist(), bounds.dtype) == (wanted, np.int64)


def test_nothing_is_in_order() -> None:
    nothing = np.zeros(0, np.int64)
    assert ascending(nothing)
    assert is_range(nothing)
    assert bounds_of(nothing).tolist() == bounds_of([]).tolist() == [0]
