"""UUIDs compared as numbers: what a UUID index adds to matching strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.index.payload.values import Array, Mask, uuids_of

_PAIR = [("low", "<u8"), ("high", "<u8")]


def equal_uuids(column: Any, texts: list[str]) -> tuple[Mask, Mask]:
    """Entries of a column that are one of some UUIDs, whatever their spelling, and those that are any UUID."""
    if column.codes is None:
        nothing = np.zeros(len(column.tags), np.bool_)
        return nothing, nothing
    known = column.memo.get("uuids")
    if known is None or known[0] != len(column.strings):
        known = column.memo["uuids"] = (len(column.strings), uuids_of(column.strings))
    words, valid = known[1]
    pairs = np.ascontiguousarray(words).view(_PAIR).reshape(-1)
    by_code = np.isin(pairs, parse(texts)[0].view(_PAIR).reshape(-1)) & valid
    return by_code.take(column.codes, mode="clip"), valid.take(column.codes, mode="clip")


def parse(texts: list[str]) -> tuple[Array, Mask]:
    """``(words (n, 2) uint64 low and high, valid (n,))`` of some texts."""
    high, low, valid = _native.parse_uuids(texts)
    return np.stack([low, high], axis=1), valid.astype(np.bool_)
