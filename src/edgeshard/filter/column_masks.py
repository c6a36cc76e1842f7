"""What the clauses of a field condition say about all points, answered from a column.

Every function has its definition in `edgeshard.filter.values`; a mask is ``(points,) bool``, fresh each time.
Strings are looked at once per distinct one, and points look the answer up by the string's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.filter.column_store import TAG_INTEGER, Column
from edgeshard.filter.columns import PayloadColumns
from edgeshard.filter.geo_masks import Shape, inside
from edgeshard.filter.values import date_bounds, number_bounds
from edgeshard.models.filters import FieldCondition
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius
from edgeshard.models.matches import (
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchPrefix,
    MatchSubstring,
    MatchText,
    MatchTextAny,
    MatchValue,
    RangeDateTime,
    RangeFloat,
)
from edgeshard.models.paths import JsonPath, parse_path

__all__ = ["clause_hits", "field_mask", "is_empty_mask", "is_null_mask"]

Mask: TypeAlias = "NDArray[np.bool_]"

TAG_NULL, TAG_FALSE, TAG_TRUE = 1, 2, 3
FACT_EMPTY, FACT_FILLED, FACT_NULL, FACT_NOT_NULL = 2, 4, 8, 16
ALL_WORDS, ANY_WORD, PHRASE, PREFIX, SUBSTRING = range(5)

_EXACT = 2**53
"""Integers up to here are exact as doubles; a column without larger ones keeps only doubles."""
_FEW = 8
"""Up to so many values are compared one after the other."""


def field_mask(condition: FieldCondition, columns: PayloadColumns) -> Mask:
    """The points that pass a ``FieldCondition``: counts first, then emptiness, then null, else any clause."""
    path = parse_path(condition.key)
    if condition.values_count is not None:
        limits = condition.values_count
        column = columns.column(path, counts=True)
        return _to_points(column, _within(column.numbers, (limits.gte, limits.gt, limits.lte, limits.lt)))
    column = columns.column(path)
    if condition.is_empty is not None:
        return _has(column, FACT_EMPTY) | (column.facts == 0) if condition.is_empty else _has(column, FACT_FILLED)
    if condition.is_null is not None:
        return _has(column, FACT_NULL) if condition.is_null else _has(column, FACT_NOT_NULL) | (column.facts == 0)
    return _to_points(column, _any_clause(condition, column))


def is_empty_mask(path: JsonPath, columns: PayloadColumns) -> Mask:
    """The points whose values at `path` are all empty."""
    return ~_has(columns.column(path), FACT_FILLED)


def is_null_mask(path: JsonPath, columns: PayloadColumns) -> Mask:
    """The points with a null at `path`."""
    return _has(columns.column(path), FACT_NULL)


def _has(column: Column, fact: int) -> Mask:
    """The points of which a fact is true."""
    mask: Mask = (column.facts & fact) != 0
    return mask


def _any_clause(condition: FieldCondition, column: Column) -> Mask | None:
    """The entries that pass the match, range or geo clause; None stands for no entry here and below."""
    hits: Mask | None = None
    for name in ("match", "range", "geo_bounding_box", "geo_radius", "geo_polygon"):
        clause = getattr(condition, name)
        more = None if clause is None else clause_hits(clause, column)
        hits = more if hits is None else hits if more is None else hits | more
    return hits


def clause_hits(clause: Any, column: Column) -> Mask | None:
    """The entries that pass one match, range or geo clause; None stands for no entry."""
    return _CLAUSES[type(clause)](clause, column)


def _to_points(column: Column, hits: Mask | None) -> Mask:
    if hits is None:
        return np.zeros(column.points, np.bool_)
    if column.owners is None:
        return hits
    return _native.any_by_owner(hits, column.owners, column.points)


def _both(left: Mask, right: Mask) -> Mask:
    return np.logical_and(left, right, out=left)


def _gather(column: Column, by_code: Mask) -> Mask | None:
    """The entries whose string passes. Codes a concurrent update has just added are clipped: see `Column`."""
    return None if column.codes is None else by_code.take(column.codes, mode="clip")


def _match_value(match: MatchValue, column: Column) -> Mask | None:
    return _equal(match.value, column)


def _equal(wanted: str | int | bool, column: Column) -> Mask | None:
    if isinstance(wanted, str):
        code = column.strings.find(wanted)
        return None if column.codes is None or not code else np.equal(column.codes, code)
    if isinstance(wanted, bool):
        return np.equal(column.tags, TAG_TRUE if wanted else TAG_FALSE)
    if column.integers is not None:
        return _both(column.integers == wanted, column.tags == TAG_INTEGER)
    if column.numbers is None or abs(wanted) > _EXACT:
        return None
    hits: Mask = column.numbers == wanted
    return _both(hits, column.tags == TAG_INTEGER) if column.has_reals else hits


def _match_any(match: MatchAny, column: Column) -> Mask | None:
    return _one_of(match.value, column)


def _one_of(values: Iterable[Any], column: Column) -> Mask | None:
    wanted = list(values)
    if len(wanted) > _FEW:
        return _one_of_many(wanted, column)
    hits: Mask | None = None
    for value in wanted:
        more = _equal(value, column)
        hits = more if hits is None else hits if more is None else np.logical_or(hits, more, out=hits)
    return hits


def _one_of_many(wanted: list[Any], column: Column) -> Mask | None:
    hits = _one_of({value for value in wanted if isinstance(value, bool)}, column)
    texts = [value for value in wanted if isinstance(value, str)]
    if texts and column.codes is not None:
        by_code = np.zeros(len(column.strings) + 1, np.bool_)
        by_code[[column.strings.find(text) for text in texts]] = True
        by_code[0] = False
        found = by_code.take(column.codes, mode="clip")
        hits = found if hits is None else hits | found
    integers = [value for value in wanted if isinstance(value, int) and -(2**63) <= value < 2**63]
    numbers = column.numbers if column.integers is None else column.integers
    if integers and numbers is not None:
        if column.integers is None:
            integers = [value for value in integers if abs(value) <= _EXACT]
        found = np.isin(numbers, np.array(integers, np.int64)) & (column.tags == TAG_INTEGER)
        hits = found if hits is None else hits | found
    return hits


def _match_except(match: MatchExcept, column: Column) -> Mask | None:
    passing = column.tags > TAG_NULL
    unwanted = _one_of(match.value, column)
    return passing if unwanted is None else passing > unwanted


def _match_string(how: int, attribute: str) -> Callable[[Any, Column], Mask | None]:
    def clause(match: Any, column: Column) -> Mask | None:
        return _gather(column, column.strings.match(how, getattr(match, attribute)))

    return clause


def _range_float(bounds: RangeFloat, column: Column) -> Mask | None:
    limits = number_bounds(bounds)
    return None if limits is None else _within(column.numbers, limits)


def _within(numbers: NDArray[np.float64] | None, limits: tuple[Any, Any, Any, Any]) -> Mask | None:
    """The numbers (NaN is none) inside of (gte, gt, lte, lt)."""
    if numbers is None:
        return None
    hits: Mask | None = None
    for compare, limit in zip((np.greater_equal, np.greater, np.less_equal, np.less), limits, strict=True):
        if limit is not None:
            inside = compare(numbers, limit)
            hits = inside if hits is None else np.logical_and(hits, inside, out=hits)
    return numbers == numbers if hits is None else hits


def _range_date(bounds: RangeDateTime, column: Column) -> Mask | None:
    gte, gt, lte, lt = date_bounds(bounds)
    low = max(-(2**63) if gte is None else gte, -(2**63) if gt is None else gt + 1)
    high = min(2**63 - 1 if lte is None else lte, 2**63 - 1 if lt is None else lt - 1)
    return _gather(column, column.strings.dates_within(low, high))


def _geo(shape: Shape, column: Column) -> Mask | None:
    if column.lons is None or column.lats is None:
        return None
    return inside(shape, column.lons, column.lats, column.memo)


_CLAUSES: dict[type, Callable[[Any, Column], Mask | None]] = {
    MatchValue: _match_value,
    MatchAny: _match_any,
    MatchExcept: _match_except,
    MatchText: _match_string(ALL_WORDS, "text"),
    MatchTextAny: _match_string(ANY_WORD, "text_any"),
    MatchPhrase: _match_string(PHRASE, "phrase"),
    MatchPrefix: _match_string(PREFIX, "prefix"),
    MatchSubstring: _match_string(SUBSTRING, "substring"),
    RangeFloat: _range_float,
    RangeDateTime: _range_date,
    GeoBoundingBox: _geo,
    GeoRadius: _geo,
    GeoPolygon: _geo,
}
