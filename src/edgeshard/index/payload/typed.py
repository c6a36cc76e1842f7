"""Indexed fields answered from payload columns as Qdrant answers them from the index.

In an appendable segment conditions are answered from columns, which hold every value of a field. An index holds those
of its type only: texts, whole numbers of 64 bits (written ``7`` or ``7.0``), UUIDs, points on the globe. Where that
makes a difference, conditions are answered here, from the values the index would hold. A nested index holds them by
element: conditions on it are about single elements, and a point passes with any of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.filter.column_masks import clause_hits, field_mask, is_empty_mask, is_null_mask
from edgeshard.index.payload import schema
from edgeshard.index.payload.column_index import ColumnIndex
from edgeshard.index.payload.conditions import (
    LEAST,
    MOST,
    Question,
    integers_within,
    numbers_within,
    question,
    wanted_values,
)
from edgeshard.index.payload.uuids import equal_uuids
from edgeshard.index.payload.values import Array, Mask, Offsets, values_of
from edgeshard.models.filters import FieldCondition
from edgeshard.models.matches import MatchAny, MatchExcept, RangeDateTime, RangeFloat


class TypedIndex(ColumnIndex):
    """Answers conditions on an indexed field from its column, see :class:`ColumnIndex`."""

    __slots__ = ()

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass; None if the column alone answers the same."""
        if self._field.nested is not None:
            found = self.elements(condition)
            return None if found is None else _native.any_by_owner(*found, count)
        asked = question(condition, self._field.kinds)
        if asked is None:
            return None
        hits = _by_type(asked, self._segment.columns, self._field.path, count)
        if hits is None and (asked.kind == schema.NULL or not asked.alone):
            hits = _by_column(asked, self._segment.columns, self._field.path)
        return hits

    def elements(self, condition: Any) -> tuple[Mask, Offsets] | None:
        """Which elements of a nested index pass, and the point of each; None if the index cannot tell."""
        asked = question(condition, self._field.kinds)
        if asked is None or self._field.nested is None:
            return None
        nested = self._segment.columns.nested(self._field.nested)
        hits = _by_type(asked, nested.columns, self._field.relative, nested.objects)
        return _by_column(asked, nested.columns, self._field.relative) if hits is None else hits, nested.owners


def _by_type(asked: Question, columns: Any, path: Any, count: int) -> Mask | None:
    """What only the values of the index's type say; None if all values of the column say the same."""
    answer = _TYPED.get(asked.kind)
    if answer is None:
        return None
    column = columns.column(path)
    hits = answer(asked.clause, column)
    return None if hits is None else to_points(column, hits, count)


def _by_column(asked: Question, columns: Any, path: Any) -> Mask:
    if asked.kind == schema.NULL:
        found = (is_empty_mask if asked.name == "is_empty" else is_null_mask)(path, columns)
        return found if asked.clause else ~found
    return field_mask(FieldCondition(path.text, **{asked.name: asked.clause}), columns)


def to_points(column: Any, hits: Mask, count: int) -> Mask:
    """``(count,)`` the points that have one of the entries."""
    if column.owners is None:
        mask = np.zeros(count, np.bool_)
        mask[: len(hits)] = hits[:count]
        return mask
    return _native.any_by_owner(hits, column.owners[: len(hits)], count)


def _texts(match: Any, column: Any) -> Mask | None:
    if not isinstance(match, MatchExcept):
        return None
    if column.codes is None:
        return np.zeros(len(column.tags), np.bool_)
    texts: Mask = column.codes != 0
    unwanted = clause_hits(MatchAny(match.value), column)
    return texts if unwanted is None else np.greater(texts, unwanted, out=texts)


def _integers(match: Any, column: Any) -> Mask | None:
    excluding = isinstance(match, MatchExcept)
    if not excluding and _are_plain(column):
        return None
    places, values = _whole(column)
    held = [value for value in wanted_values(match) if LEAST <= value <= MOST]
    return _marked(column, places[np.isin(values, np.array(held, np.int64), invert=excluding)])


def _integers_in_range(bounds: RangeFloat | RangeDateTime, column: Any) -> Mask | None:
    if isinstance(bounds, RangeFloat) and _are_plain(column):
        limits = (bounds.gte, bounds.gt, bounds.lte, bounds.lt)
        if all(bound is None or bound == bound for bound in limits):  # NaN has a place in this index only
            return None
    places, values = _whole(column)
    low, high = integers_within(bounds)
    if low > high:
        return _marked(column, places[:0])
    return _marked(column, places[(values >= low) & (values <= high)])


def _are_plain(column: Any) -> bool:
    """Whether the column's numbers are integers, all exact as doubles."""
    return column.numbers is None or (column.integers is None and not column.has_reals)


def _whole(column: Any) -> tuple[Array, Array]:
    """Places and values of the integers."""
    found: tuple[Array, Array] | None = column.memo.get("whole")
    if found is None:
        found = column.memo["whole"] = values_of(column, schema.INT)
    return found


def _marked(column: Any, places: Array) -> Mask:
    hits = np.zeros(len(column.tags), np.bool_)
    hits[places] = True
    return hits


def _numbers_in_range(bounds: RangeFloat | RangeDateTime, column: Any) -> Mask | None:
    if isinstance(bounds, RangeFloat):
        return None
    hits = clause_hits(numbers_within(bounds), column)
    return np.zeros(len(column.tags), np.bool_) if hits is None else hits


def _dates_in_range(bounds: RangeFloat | RangeDateTime, column: Any) -> Mask | None:
    if isinstance(bounds, RangeDateTime):
        return None
    low, high = integers_within(bounds)
    if column.codes is None or low > high:
        return np.zeros(len(column.tags), np.bool_)
    inside: Mask = column.strings.dates_within(low, high).take(column.codes, mode="clip")
    return inside


def _uuids(match: Any, column: Any) -> Mask:
    hits, held = equal_uuids(column, wanted_values(match))
    return np.greater(held, hits) if isinstance(match, MatchExcept) else hits


def _on_globe(shape: Any, column: Any) -> Mask | None:
    if column.lons is None or column.lats is None:
        return None
    if "on globe" not in column.memo:
        inside = _marked(column, values_of(column, schema.GEO)[0])
        column.memo["on globe"] = None if bool((inside | np.isnan(column.lons)).all()) else inside
    on_globe: Mask | None = column.memo["on globe"]
    if on_globe is None:
        return None
    found: Mask | None = clause_hits(shape, column)
    return None if found is None else found & on_globe


_TYPED: dict[str, Callable[[Any, Any], Mask | None]] = {
    schema.KEYWORD: _texts,
    schema.INT_MAP: _integers,
    schema.INT: _integers_in_range,
    schema.FLOAT: _numbers_in_range,
    schema.DATETIME: _dates_in_range,
    schema.UUID_MAP: _uuids,
    schema.GEO: _on_globe,
}
"""By kind of index, the entries of a column that pass a clause; None where types make no difference."""
