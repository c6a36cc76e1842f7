"""The size of long forms, and what came of them.

A long form goes through seeds or numbered cases; ``EDGESHARD_TEST_FIRST`` and ``EDGESHARD_TEST_COUNT`` choose others,
so that it can be run in parts and with new ones; ``pytest -m long -rP`` shows the outcomes.

A build that checks itself is slower: ``EDGESHARD_TEST_SLOWER`` says how many times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

SLOWER = int(os.environ.get("EDGESHARD_TEST_SLOWER", "1"))
"""Tests that time native code do it with so many times less work, or wait so many times longer."""


def seeds(first: int, count: int) -> range:
    """The seeds to run: those of the environment, else ``count`` from ``first`` on."""
    first = int(os.environ.get("EDGESHARD_TEST_FIRST", first))
    return range(first, first + int(os.environ.get("EDGESHARD_TEST_COUNT", count)))


def tell(what: str, outcomes: Mapping[str, int] | Iterable[str]) -> dict[str, int]:
    """Print how often each outcome came up; returns the same.

    Args:
        what: the harness and its settings.
        outcomes: counted, or one by one.
    """
    counted: dict[str, int] = {}
    for outcome, times in outcomes.items() if isinstance(outcomes, Mapping) else ((one, 1) for one in outcomes):
        counted[outcome] = counted.get(outcome, 0) + times
    print(
        f"{what}: {sum(counted.values())} cases",
        *(f"{times} {outcome}" for outcome, times in counted.items()),
        sep="; ",
    )
    return counted
