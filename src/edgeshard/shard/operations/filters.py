"""Filters as the maps of the log, which are those of Qdrant's REST interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeshard.errors import quoted
from edgeshard.models.filters import (
    Condition,
    FieldCondition,
    Filter,
    HasIdCondition,
    HasVectorCondition,
    IsEmptyCondition,
    IsNullCondition,
    MinShould,
    NestedCondition,
    SliceCondition,
)
from edgeshard.models.geo import GeoBoundingBox, GeoPoint, GeoPolygon, GeoRadius
from edgeshard.models.ids import ParsedId
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

__all__ = ["decode_filter", "decode_id", "encode_filter", "encode_id"]

Map = dict[str, Any]
_BOUNDS = ("lt", "gt", "gte", "lte")
_TEXT_MATCHES: dict[str, Callable[[str], Match]] = {
    "text": MatchText,
    "text_any": MatchTextAny,
    "phrase": MatchPhrase,
    "prefix": MatchPrefix,
    "substring": MatchSubstring,
}


def encode_id(point_id: ParsedId) -> int | bytes:
    """A number, or the 16 bytes of a UUID in the order of its text."""
    return point_id if isinstance(point_id, int) else point_id.bytes


def decode_id(value: Any) -> ParsedId:
    """The id of a number, 16 bytes or the text of a UUID."""
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    from uuid import UUID

    if isinstance(value, bytes):
        return UUID(bytes=value)
    if isinstance(value, str):
        return UUID(value)
    raise TypeError(f"expected a point id, got {quoted(value)}")


def encode_filter(condition: Filter) -> Map:
    """The map of a filter."""
    result: Map = {}
    if condition.should is not None:
        result["should"] = [_encode(c) for c in condition.should]
    if condition.min_should is not None:
        some = condition.min_should
        result["min_should"] = {
            "conditions": [_encode(c) for c in some.conditions],
            "min_count": some.min_count,
        }
    if condition.must is not None:
        result["must"] = [_encode(c) for c in condition.must]
    if condition.must_not is not None:
        result["must_not"] = [_encode(c) for c in condition.must_not]
    return result


def _encode(condition: Condition) -> Map:
    return _ENCODERS[type(condition)](condition)


def _encode_field(condition: FieldCondition) -> Map:
    result: Map = {"key": condition.key}
    if condition.match is not None:
        result["match"] = _encode_match(condition.match)
    if condition.range is not None:
        result["range"] = _encode_range(condition.range)
    if condition.geo_bounding_box is not None:
        box = condition.geo_bounding_box
        result["geo_bounding_box"] = {
            "top_left": _place(box.top_left),
            "bottom_right": _place(box.bottom_right),
        }
    if condition.geo_radius is not None:
        circle = condition.geo_radius
        result["geo_radius"] = {"center": _place(circle.center), "radius": circle.radius}
    if condition.geo_polygon is not None:
        result["geo_polygon"] = _encode_polygon(condition.geo_polygon)
    if condition.values_count is not None:
        result["values_count"] = {bound: getattr(condition.values_count, bound) for bound in _BOUNDS}
    for flag in ("is_empty", "is_null"):
        if getattr(condition, flag) is not None:
            result[flag] = getattr(condition, flag)
    return result


def _encode_match(match: Match) -> Map:
    if isinstance(match, MatchValue):
        return {"value": match.value}
    if isinstance(match, MatchAny):
        return {"any": match.value}
    if isinstance(match, MatchExcept):
        return {"except": match.value}
    (name,) = match.__match_args__
    return {name: getattr(match, name)}


def _encode_range(bounds: Range) -> Map:
    values = {bound: getattr(bounds, bound) for bound in _BOUNDS}
    if isinstance(bounds, RangeDateTime):
        return {bound: None if value is None else _rfc3339(value) for bound, value in values.items()}
    return values


def _rfc3339(date: str) -> str:
    """``2024-01-31 12:00:00.500 UTC`` as ``2024-01-31T12:00:00.500Z``."""
    return date.replace(" UTC", "Z").replace(" ", "T", 1)


def _place(point: GeoPoint) -> Map:
    return {"lon": point.lon, "lat": point.lat}


def _encode_polygon(polygon: GeoPolygon) -> Map:
    def ring(points: list[GeoPoint]) -> Map:
        return {"points": [_place(point) for point in points]}

    interiors = polygon.interiors
    return {
        "exterior": ring(polygon.exterior),
        "interiors": None if interiors is None else [ring(points) for points in interiors],
    }


_ENCODERS: dict[type, Callable[[Any], Map]] = {
    FieldCondition: _encode_field,
    IsEmptyCondition: lambda c: {"is_empty": {"key": c.key}},
    IsNullCondition: lambda c: {"is_null": {"key": c.key}},
    HasIdCondition: lambda c: {"has_id": [encode_id(point_id) for point_id in c.point_ids]},
    HasVectorCondition: lambda c: {"has_vector": c.vector},
    SliceCondition: lambda c: {"slice": {"total": c.total, "index": c.index}},
    NestedCondition: lambda c: {"nested": {"key": c.key, "filter": encode_filter(c.filter)}},
    Filter: encode_filter,
}


def decode_filter(stored: Map) -> Filter:
    """The filter of a map; raises TypeError, ValueError or KeyError for anything else."""
    unknown = stored.keys() - {"should", "min_should", "must", "must_not"}
    if unknown:
        raise ValueError(f"unknown condition {sorted(unknown)}")
    some = stored.get("min_should")
    return Filter(
        must=_decode_all(stored.get("must")),
        should=_decode_all(stored.get("should")),
        must_not=_decode_all(stored.get("must_not")),
        min_should=None if some is None else MinShould(_decode_all(some["conditions"]) or [], some["min_count"]),
    )


def _decode_all(conditions: Any) -> list[Condition] | None:
    if conditions is None:
        return None
    if isinstance(conditions, dict):  # a single condition need not be in a list
        conditions = [conditions]
    return [_decode(condition) for condition in conditions]


def _decode(stored: Map) -> Condition:
    if "key" in stored:
        return _decode_field(stored)
    if len(stored) == 1:
        ((kind, value),) = stored.items()
        if kind in _DECODERS:
            return _DECODERS[kind](value)
    return decode_filter(stored)


def _decode_field(stored: Map) -> FieldCondition:
    polygon, circle = stored.get("geo_polygon"), stored.get("geo_radius")
    box, count = stored.get("geo_bounding_box"), stored.get("values_count")
    return FieldCondition(
        stored["key"],
        match=None if stored.get("match") is None else _decode_match(stored["match"]),
        range=None if stored.get("range") is None else _decode_range(stored["range"]),
        geo_bounding_box=None
        if box is None
        else GeoBoundingBox(_decode_place(box["top_left"]), _decode_place(box["bottom_right"])),
        geo_radius=None if circle is None else GeoRadius(_decode_place(circle["center"]), circle["radius"]),
        geo_polygon=None if polygon is None else _decode_polygon(polygon),
        values_count=None if count is None else ValuesCount(**{bound: count.get(bound) for bound in _BOUNDS}),
        is_empty=stored.get("is_empty"),
        is_null=stored.get("is_null"),
    )


def _decode_match(stored: Map) -> Match:
    ((kind, value),) = stored.items()
    if kind in _TEXT_MATCHES:
        return _TEXT_MATCHES[kind](value)
    if kind == "value":
        return MatchValue(value)
    if kind == "any":
        return MatchAny(value)
    if kind == "except":
        return MatchExcept(value)
    raise ValueError(f"unknown match {kind!r}")


def _decode_range(stored: Map) -> Range:
    bounds = {bound: stored.get(bound) for bound in _BOUNDS}
    if any(isinstance(value, str) for value in bounds.values()):
        return RangeDateTime(**bounds)
    return RangeFloat(**bounds)


def _decode_place(stored: Map) -> GeoPoint:
    return GeoPoint(stored["lon"], stored["lat"])


def _decode_polygon(stored: Map) -> GeoPolygon:
    def ring(points: Map) -> list[GeoPoint]:
        return [_decode_place(point) for point in points["points"]]

    interiors = stored.get("interiors")
    return GeoPolygon(ring(stored["exterior"]), None if interiors is None else [ring(hole) for hole in interiors])


_DECODERS: dict[str, Callable[[Any], Condition]] = {
    "is_empty": lambda v: IsEmptyCondition(v["key"]),
    "is_null": lambda v: IsNullCondition(v["key"]),
    "has_id": lambda v: HasIdCondition({decode_id(point_id) for point_id in v}),
    "has_vector": HasVectorCondition,
    "slice": lambda v: SliceCondition(v["total"], v["index"]),
    "nested": lambda v: NestedCondition(v["key"], decode_filter(v["filter"])),
}
