"""Values of JSON and CBOR that are well-formed, but not what they should be.

Bytes changed at random seldom leave anything that can be decoded, so values are changed here: one at a time, to
something of another type or out of all bounds, or left out.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

ODD = (None, "Zzz", -1, 3.5, True, [], {}, 2**40, 0, [1], {"a": 1}, 2**63, "\x00", 1e308, -(2**63))
REMOVED = object()

Step = str | int


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where values are in a value, itself included; of lists the first few."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 3)):
            yield from places(value[number], (*path, number))


def changed(value: Any, path: tuple[Step, ...], new: Any) -> Any:
    """A copy with another value at a place, or without it."""
    if not path:
        return {} if new is REMOVED else new
    result = inner = copy.deepcopy(value)
    for step in path[:-1]:
        inner = inner[step]
    if new is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return result


def spoilt(value: Any, rng: random.Random, more: tuple[Any, ...] = ()) -> tuple[Any, str]:
    """A copy with one value changed, and what was changed to what.

    Args:
        value: of dictionaries, lists and plain values.
        rng: chooses.
        more: odd values beside :data:`ODD`.
    """
    path, new = rng.choice(list(places(value))), rng.choice((*ODD, *more, REMOVED))
    return changed(value, path, new), f"{path} {'removed' if new is REMOVED else repr(new)[:80]}"
