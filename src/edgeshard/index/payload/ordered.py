"""The values of a field in order: what pages in that order are read off, and what counts a range by two look-ups."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Any, TypeAlias

import numpy as np

from edgeshard.filter.column_store import Column
from edgeshard.index.payload.values import Array, Offsets, values_of

__all__ = ["Ordered", "in_order", "ordered_values", "place_of", "ranks"]

Ordered: TypeAlias = "tuple[Offsets, Array]"
"""Owners and values of entries in order, equal values by owner: a descending order is an ascending one backwards."""

_EXACT = 2**53
"""Below this integers are exact as doubles."""


def ordered_values(column: Column, kind: str, *, descending: bool = False) -> Ordered | None:
    """All entries an index of a kind would hold, in order; of a point's equal values one. Kept until a change.

    None when a column of single values is asked for the first time since a change: if changes and questions alternate,
    answering one in a pass over the column costs less than putting everything in order.
    """
    name = ("order", kind, descending)
    found: Ordered | None = column.memo.get(name)
    if found is not None:
        return found
    asked = (*name, "asked")
    if column.owners is None and asked not in column.memo:
        column.memo[asked] = True
        return None
    places, values = values_of(column, kind)
    if column.owners is None:
        ranked = np.argsort(values, kind="stable")
        ranked = ranked[::-1] if descending else ranked
        found = places[ranked].astype(np.uint32), values[ranked]
    else:
        owners = column.owners[places]
        inside = owners < column.points
        found = in_order(owners[inside], values[inside], descending=descending)
    column.memo[name] = found
    return found


def in_order(owners: Offsets, values: Array, *, descending: bool) -> Ordered:
    """Entries by value, equal values by owner; of an owner's equal values one."""
    ranked = np.lexsort((owners, values))
    ranked = ranked[::-1] if descending else ranked
    owners, values = owners[ranked], values[ranked]
    fresh = np.ones(len(owners), np.bool_)
    fresh[1:] = (owners[1:] != owners[:-1]) | (values[1:] != values[:-1])
    return owners[fresh], values[fresh]


def ranks(values: Array, descending: bool) -> Array:
    """Numbers that ascend in the wanted direction."""
    if not descending:
        return values
    # The complement of an integer has no overflow.
    return np.invert(values) if values.dtype.kind in "iu" else np.negative(values)


def place_of(values: Array, bound: Any, *, after: bool = False) -> int:
    """How many of some ascending values are below a bound; with `after`, below it or equal."""
    if isinstance(bound, float) and values.dtype.kind == "i" and abs(bound) < _EXACT:
        bound = math.floor(bound) if after else math.ceil(bound)  # an integer, so that nothing is converted
    if not values.flags.c_contiguous:  # a search would copy them
        return (bisect_right if after else bisect_left)(values, bound)
    return int(values.searchsorted(bound, side="right" if after else "left"))
