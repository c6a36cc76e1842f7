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
from edgeshard.filter.geo import as_point, haversine_metres, in_polygon, ring_of
from edgeshard.models.datetimes import parse_datetime

__all__ = [
    "Test",
    "contains_phrase",
    "count_test",
    "date_bounds",
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


def value_tests(condition: Any) -> list[Test]:
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


def match_test(match: Any) -> Test:
    """The test of a single value for any of the match conditions."""
    return _MATCH_TESTS[type(match).__name__](match)


def _match_value(match: Any) -> Test:
    wanted = match.value
    return lambda value: same(value, wanted)


def _match_any(match: Any) -> Test:
    wanted = _by_type(match.value)
    return lambda value: type(value) in wanted and value in wanted[type(value)]


def _match_except(match: Any) -> Test:
    unwanted = _by_type(match.value)
    return lambda value: (
        value is not None and not (type(value) in unwanted and value in unwanted[type(value)])
    )


def _by_type(values: Iterable[Any]) -> dict[type, set[Any]]:
    grouped: dict[type, set[Any]] = {}
    for value in values:
        grouped.setdefault(type(value), set()).add(value)
    return grouped


def _match_text(match: Any) -> Test:
    wanted = set(words(match.text))
    return lambda value: isinstance(value, str) and bool(wanted) and wanted.issubset(words(value))


def _match_text_any(match: Any) -> Test:
    wanted = set(words(match.text_any))
    return lambda value: isinstance(value, str) and not wanted.isdisjoint(words(value))


def _match_phrase(match: Any) -> Test:
    phrase = words(match.phrase)
    return lambda value: isinstance(value, str) and contains_phrase(words(value), phrase)


def contains_phrase(tokens: list[str], phrase: list[str]) -> bool:
    """Whether the non-empty `phrase` occurs in `tokens`, its tokens next to each other."""
    if not phrase:
        return False
    last = len(tokens) - len(phrase)
    return any(tokens[at : at + len(phrase)] == phrase for at in range(last + 1) if tokens[at] == phrase[0])


def _match_prefix(match: Any) -> Test:
    prefix = match.prefix
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _match_substring(match: Any) -> Test:
    substring = match.substring
    return lambda value: isinstance(value, str) and substring in value


_MATCH_TESTS: dict[str, Callable[[Any], Test]] = {
    "MatchValue": _match_value,
    "MatchAny": _match_any,
    "MatchExcept": _match_except,
    "MatchText": _match_text,
    "MatchTextAny": _match_text_any,
    "MatchPhrase": _match_phrase,
    "MatchPrefix": _match_prefix,
    "MatchSubstring": _match_substring,
}


def range_test(bounds: Any) -> Test:
    """The test of a single value for a number or a date range."""
    if type(bounds).__name__ == "RangeDateTime":
        return _date_test(date_bounds(bounds))
    limits = number_bounds(bounds)
    if limits is None:
        return lambda value: False
    return lambda value: type(value) in (int, float) and _within(float(value), limits)


def number_bounds(bounds: Any) -> Bounds | None:
    """(gte, gt, lte, lt) of a number range, None if nothing can be inside. NaN sorts above all numbers."""
    if any(low is not None and math.isnan(low) for low in (bounds.gte, bounds.gt)):
        return None
    highs = (None if high is None or math.isnan(high) else high for high in (bounds.lte, bounds.lt))
    return (bounds.gte, bounds.gt, *highs)


def date_bounds(bounds: Any) -> Bounds:
    """(gte, gt, lte, lt) of a date range in microseconds since the epoch."""
    texts = (bounds.gte, bounds.gt, bounds.lte, bounds.lt)
    gte, gt, lte, lt = (None if text is None else parse_datetime(text) for text in texts)
    return gte, gt, lte, lt


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


def count_test(bounds: Any) -> Callable[[int], bool]:
    """The test of a number of values for a ``ValuesCount``."""
    limits = (bounds.gte, bounds.gt, bounds.lte, bounds.lt)
    return lambda count: _within(count, limits)


def geo_test(shape: Any) -> Test:
    """The test of a single value for a bounding box, a radius or a polygon."""
    inside = _GEO_TESTS[type(shape).__name__](shape)

    def test(value: Any) -> bool:
        point = as_point(value)
        return point is not None and inside(*point)

    return test


def _box_test(box: Any) -> Callable[[float, float], bool]:
    left, top = box.top_left.lon, box.top_left.lat
    right, bottom = box.bottom_right.lon, box.bottom_right.lat
    if left > right:  # the box crosses the antimeridian
        return lambda lon, lat: bottom < lat < top and (lon > left or lon < right)
    return lambda lon, lat: bottom < lat < top and left < lon < right


def _radius_test(circle: Any) -> Callable[[float, float], bool]:
    lon0, lat0, radius = circle.center.lon, circle.center.lat, circle.radius
    return lambda lon, lat: haversine_metres(lon0, lat0, lon, lat) < radius


def _polygon_test(polygon: Any) -> Callable[[float, float], bool]:
    exterior = ring_of(polygon.exterior)
    interiors = [ring_of(ring) for ring in polygon.interiors or []]
    return lambda lon, lat: in_polygon(lon, lat, exterior, interiors)


_GEO_TESTS: dict[str, Callable[[Any], Callable[[float, float], bool]]] = {
    "GeoBoundingBox": _box_test,
    "GeoRadius": _radius_test,
    "GeoPolygon": _polygon_test,
}
