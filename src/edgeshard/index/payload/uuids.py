"""UUIDs compared as numbers: what a UUID index adds to matching strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.index.payload.column_index import ColumnIndex
from edgeshard.index.payload.conditions import only_match
from edgeshard.index.payload.values import Array, Mask, uuids_of


class UuidIndex(ColumnIndex):
    """Answers match conditions on a field of UUIDs, whatever their spelling."""

    __slots__ = ()

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass a match of UUIDs; None for any other condition."""
        match = only_match(condition)
        name = type(match).__name__
        if name not in ("MatchValue", "MatchAny", "MatchExcept"):
            return None
        wanted = [match.value] if name == "MatchValue" else list(match.value)
        if not wanted or not all(isinstance(text, str) for text in wanted):
            return None
        asked, valid = parse(wanted)
        if not bool(valid.all()):
            return None
        column = self._segment.columns.column(self._field.path)
        hits = self._equal(column, asked)
        if name == "MatchExcept":
            hits = (column.tags > 1) & ~hits
        return to_points(column, hits, count)

    def _equal(self, column: Any, asked: Array) -> Mask:
        """Which entries are one of the UUIDs."""
        if column.codes is None:
            return np.zeros(len(column.tags), np.bool_)
        known = column.memo.get("uuids")
        if known is None or known[0] != len(column.strings):
            known = column.memo["uuids"] = (len(column.strings), uuids_of(column.strings))
        words, valid = known[1]
        pairs = np.ascontiguousarray(words).view([("low", "<u8"), ("high", "<u8")]).reshape(-1)
        by_code = np.isin(pairs, asked.view([("low", "<u8"), ("high", "<u8")]).reshape(-1)) & valid
        hits: Mask = by_code.take(column.codes, mode="clip")
        return hits


def parse(texts: list[str]) -> tuple[Array, Mask]:
    """``(words (n, 2) uint64 low and high, valid (n,))`` of some texts."""
    high, low, valid = _native.parse_uuids(texts)
    return np.stack([low, high], axis=1), valid.astype(np.bool_)


def to_points(column: Any, hits: Mask, count: int) -> Mask:
    """``(count,)`` the points that have one of the entries."""
    mask = np.zeros(count, np.bool_)
    if column.owners is None:
        mask[: len(hits)] = hits[:count]
        return mask
    owners = column.owners[: len(hits)][hits]
    mask[owners[owners < count]] = True
    return mask
