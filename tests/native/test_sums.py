"""Sums above a bar: every instruction set against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshard import _native


@pytest.mark.parametrize("least", [-np.inf, -0.5, 0.0, 0.7, np.inf, np.nan])
def test_sums_above_a_bar_that_are_not_zero(isa: str, least: float) -> None:
    rng = np.random.default_rng(3)
    sums = rng.normal(0, 1, 64 * 9).astype(np.float32)
    sums[rng.integers(0, len(sums), 200)] = 0.0
    sums[rng.integers(0, len(sums), 50)] = -0.0
    sums[rng.integers(0, len(sums), 20)] = np.inf
    sums[rng.integers(0, len(sums), 20)] = np.nan
    with np.errstate(invalid="ignore"):
        expected = (sums > np.float32(least)) & (sums != 0)
    np.testing.assert_array_equal(_native.sums_above(sums, least, isa).astype(np.bool_), expected)


def test_only_whole_words_are_taken() -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        _native.sums_above(np.zeros(63, np.float32), 0.0)
