"""What the clauses of a field condition say about one JSON value.

These are the rules of Qdrant Edge for fields without a payload index, with one difference on purpose: a
boolean given to a match is compared with JSON booleans (Qdrant Edge turns it into 1 or 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from edgeshard._native import split_text as words
from edgeshard.errors import ValidationError
from edgeshard.filter.geo import geo_point, haversine, in_polygon, ring_of
from edgeshard.models.datetimes import parse_datetime
from edgeshard.models.filters import FieldCondition
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius
from edgeshard.models.matches import (
    Match,
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchPrefix,
    MatchSubstring,
    MatchText,
    MatchTextAny,
    MatchValue,
    Range,
    RangeDateTime,
    RangeFloat,
    ValuesCount,
)

__all__ = [
    "Test",
    "contains_phrase",
    "count_test",
    "date_bounds",
    "geo_point",
    "geo_test",
    "is_empty",
    "is_null",
    "match_test",
    "number_bounds",
    "range_test",
    "same",
    "value_tests",
    "values_count",
]

Test: TypeAlias = Callable[[Any], bool]
"""A test of one JSON value."""

Bounds: TypeAlias = "tuple[Any, Any, Any, Any]"
"""(gte, gt, lte, lt), None where there is no bound."""


def is_empty(value: Any) -> bool:
    """Whether a value counts as empty: null or an empty array."""
    return value is None or value == []


def is_null(value: Any) -> bool:
    """Whether a value counts as null: null or an array that contains null."""
    return value is None or (isinstance(value, list) and None in value)


def values_count(value: Any) -> int:
    """How many values a value stands for: 0 for null, the length of an array, 1 for anything else."""
    if value is None:
        return 0
    return len(value) if isinstance(value, list) else 1


def same(value: Any, wanted: str | int | bool) -> bool:
    """Whether a JSON value is `wanted`, type included: 1, 1.0, true and "1" are four different values."""
    return type(value) is type(wanted) and bool(value == wanted)


def value_tests(condition: FieldCondition) -> list[Test]:
    """The match, range and geo clauses of a field condition, each as a test of one value or array."""
    tests: list[Test] = []
    if condition.match is not None:
        tests.append(_any_element(match_test(condition.match)))
    if condition.range is not None:
        tests.append(_any_element(range_test(condition.range)))
    shapes = (condition.geo_bounding_box, condition.geo_radius, condition.geo_polygon)
    return tests + [_any_element(geo_test(shape)) for shape in shapes if shape is not None]


def _any_element(test: Test) -> Test:
    """`test` of a value, or of any element if the value is an array; arrays inside it are not entered."""
    return lambda value: any(map(test, value)) if isinstance(value, list) else test(value)


def match_test(match: Match) -> Test:
    """The test of a single value for any of the match conditions."""
    return _MATCH_TESTS[type(match)](match)


def _match_value(match: MatchValue) -> Test:
    wanted = match.value
    return lambda value: same(value, wanted)


def _match_any(match: MatchAny) -> Test:
    wanted = _by_type(match.value)
    return lambda value: type(value) in wanted and value in wanted[type(value)]


def _match_except(match: MatchExcept) -> Test:
    unwanted = _by_type(match.value)
    return lambda value: value is not None and not (type(value) in unwanted and value in unwanted[type(value)])


def _by_type(values: Iterable[Any]) -> dict[type, set[Any]]:
    grouped: dict[type, set[Any]] = {}
    for value in values:
        grouped.setdefault(type(value), set()).add(value)
    return grouped


def _match_text(match: MatchText) -> Test:
    wanted = set(words(match.text))
    return lambda value: isinstance(value, str) and bool(wanted) and wanted.issubset(words(value))


def _match_text_any(match: MatchTextAny) -> Test:
    wanted = set(words(match.text_any))
    return lambda value: isinstance(value, str) and not wanted.isdisjoint(words(value))


def _match_phrase(match: MatchPhrase) -> Test:
    phrase = words(match.phrase)
    return lambda value: isinstance(value, str) and contains_phrase(words(value), phrase)


def contains_phrase(tokens: list[str], phrase: list[str]) -> bool:
    """Whether the non-empty `phrase` occurs in `tokens`, its tokens next to each other."""
    if not phrase:
        return False
    last = len(tokens) - len(phrase)
    return any(tokens[at : at + len(phrase)] == phrase for at in range(last + 1) if tokens[at] == phrase[0])


def _match_prefix(match: MatchPrefix) -> Test:
    prefix = match.prefix
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _match_substring(match: MatchSubstring) -> Test:
    substring = match.substring
    return lambda value: isinstance(value, str) and substring in value


_MATCH_TESTS: dict[type, Callable[[Any], Test]] = {
    MatchValue: _match_value,
    MatchAny: _match_any,
    MatchExcept: _match_except,
    MatchText: _match_text,
    MatchTextAny: _match_text_any,
    MatchPhrase: _match_phrase,
    MatchPrefix: _match_prefix,
    MatchSubstring: _match_substring,
}


def range_test(bounds: Range) -> Test:
    """The test of a single value for a number or a date range."""
    if isinstance(bounds, RangeDateTime):
        return _date_test(date_bounds(bounds))
    limits = number_bounds(bounds)
    if limits is None:
        return lambda value: False
    return lambda value: type(value) in (int, float) and _within(float(value), limits)


def number_bounds(bounds: RangeFloat) -> Bounds | None:
    """(gte, gt, lte, lt) of a number range, None if nothing can be inside. NaN sorts above all numbers."""
    if any(low is not None and math.isnan(low) for low in (bounds.gte, bounds.gt)):
        return None
    lte, lt = (None if high is None or math.isnan(high) else high for high in (bounds.lte, bounds.lt))
    return bounds.gte, bounds.gt, lte, lt


def date_bounds(bounds: RangeDateTime) -> Bounds:
    """(gte, gt, lte, lt) of a date range in microseconds since the epoch."""
    return bounds._gte, bounds._gt, bounds._lte, bounds._lt


def _date_test(limits: Bounds) -> Test:
    def test(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            return _within(parse_datetime(value), limits)
        except ValidationError:
            return False

    return test


def _within(value: Any, limits: Bounds) -> bool:
    gte, gt, lte, lt = limits
    return (
        (gte is None or value >= gte)
        and (gt is None or value > gt)
        and (lte is None or value <= lte)
        and (lt is None or value < lt)
    )


def count_test(bounds: ValuesCount) -> Callable[[int], bool]:
    """The test of a number of values for a ``ValuesCount``."""
    limits = (bounds.gte, bounds.gt, bounds.lte, bounds.lt)
    return lambda count: _within(count, limits)


def geo_test(shape: GeoBoundingBox | GeoRadius | GeoPolygon) -> Test:
    """The test of a single value for a bounding box, a radius or a polygon."""
    inside = _GEO_TESTS[type(shape)](shape)

    def test(value: Any) -> bool:
        point = geo_point(value)
        return point is not None and inside(*point)

    return test


def _box_test(box: GeoBoundingBox) -> Callable[[float, float], bool]:
    left, top = box.top_left.lon, box.top_left.lat
    right, bottom = box.bottom_right.lon, box.bottom_right.lat
    if left > right:  # the box crosses the antimeridian
        return lambda lon, lat: bottom < lat < top and (lon > left or lon < right)
    return lambda lon, lat: bottom < lat < top and left < lon < right


def _radius_test(circle: GeoRadius) -> Callable[[float, float], bool]:
    lon0, lat0, radius = circle.center.lon, circle.center.lat, circle.radius
    return lambda lon, lat: haversine(lon0, lat0, lon, lat) < radius


def _polygon_test(polygon: GeoPolygon) -> Callable[[float, float], bool]:
    exterior = ring_of(polygon.exterior)
    interiors = [ring_of(ring) for ring in polygon.interiors or []]
    return lambda lon, lat: in_polygon(lon, lat, exterior, interiors)


_GEO_TESTS: dict[type, Callable[[Any], Callable[[float, float], bool]]] = {
    GeoBoundingBox: _box_test,
    GeoRadius: _radius_test,
    GeoPolygon: _polygon_test,
}
