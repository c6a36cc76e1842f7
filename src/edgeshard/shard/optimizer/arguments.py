"""What callers hand to ``optimize()``, checked before anything is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any

from edgeshard.errors import ArgumentError, quoted
from edgeshard.models.base import f64

MAX_THREADS = 1024
"""More are a mistake."""


def question(cancel: Any) -> Callable[[], bool]:
    """What is asked whether to stop.

    Args:
        cancel: a function, an event (anything with ``is_set``), or None for never.

    Raises:
        TypeError: it is none of them.
    """
    if cancel is None:
        return _never
    asked = getattr(cancel, "is_set", cancel)
    if not callable(asked):
        raise TypeError(f"cancel: expected an event or a function without arguments, got {quoted(cancel)}")
    return lambda: bool(asked())  # a function that returns nothing says no


def check_progress(on_progress: Any) -> Callable[[str, float], None] | None:
    """A function to be told how far the work is, or None.

    Raises:
        TypeError: it cannot be called.
    """
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"on_progress: expected a function (step, share), got {quoted(on_progress)}")
    return on_progress  # type: ignore[no-any-return]


def check_threads(threads: Any) -> int | None:
    """A number of threads; None for the default, which 0 stands for as well.

    Raises:
        TypeError: no whole number.
        ValueError: negative, or more than :data:`MAX_THREADS`.
    """
    if threads is None:
        return None
    try:
        count = index(threads)
    except TypeError:
        raise TypeError(f"threads: expected a whole number or None, got {quoted(threads)}") from None
    if not 0 <= count <= MAX_THREADS:
        raise ArgumentError(f"threads: expected 1 to {MAX_THREADS}, or None for one per core, got {count}")
    return count or None


def check_budget(budget_ms: Any) -> float | None:
    """Milliseconds, infinity included; None for no limit. What is left of a budget may be negative: nothing is left.

    Raises:
        TypeError: no number.
        ValueError: NaN.
    """
    if budget_ms is None:
        return None
    budget = f64(budget_ms, "budget_ms")
    if math.isnan(budget):
        raise ArgumentError(f"budget_ms: expected milliseconds, or None for no limit, got {quoted(budget_ms)}")
    return budget


def _never() -> bool:
    return False
