"""Filters: which points an operation is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from edgeshard.errors import ArgumentError
from edgeshard.models.base import Model, boolean, instance, instances, json_path, put_fields, text, u64
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius
from edgeshard.models.ids import ParsedId, PointId, parse_ids
from edgeshard.models.matches import MATCHES, RANGES, Match, Range, ValuesCount

__all__ = [
    "CONDITIONS",
    "Condition",
    "FieldCondition",
    "Filter",
    "HasIdCondition",
    "HasVectorCondition",
    "IsEmptyCondition",
    "IsNullCondition",
    "MinShould",
    "NestedCondition",
    "SliceCondition",
]


class Filter(Model):
    """Conditions combined: all of `must`, none of `must_not`, one of `should`, enough of `min_should`.

    Each is left out when None or empty; an empty filter matches every point.

    Args:
        must: conditions that must all hold.
        should: conditions of which at least one must hold.
        must_not: conditions none of which may hold.
        min_should: conditions of which several must hold.
    """

    __slots__ = ("_must", "_must_not", "_should", "min_should")
    __match_args__ = ("must", "should", "must_not", "min_should")

    _must: tuple[Condition, ...] | None
    _should: tuple[Condition, ...] | None
    _must_not: tuple[Condition, ...] | None
    min_should: MinShould | None

    def __init__(
        self,
        must: Iterable[Condition] | None = None,
        should: Iterable[Condition] | None = None,
        must_not: Iterable[Condition] | None = None,
        min_should: MinShould | None = None,
    ) -> None:
        put_fields(
            self,
            _must=_conditions(must, "must"),
            _should=_conditions(should, "should"),
            _must_not=_conditions(must_not, "must_not"),
            min_should=None if min_should is None else instance(min_should, MinShould, "min_should"),
        )

    @property
    def must(self) -> list[Condition] | None:
        """Conditions that must all hold; a fresh list."""
        return None if self._must is None else list(self._must)

    @property
    def should(self) -> list[Condition] | None:
        """Conditions of which one must hold; a fresh list."""
        return None if self._should is None else list(self._should)

    @property
    def must_not(self) -> list[Condition] | None:
        """Conditions none of which may hold; a fresh list."""
        return None if self._must_not is None else list(self._must_not)


class MinShould(Model):
    """At least so many of several conditions.

    Args:
        conditions: the conditions.
        min_count: how many must hold.
    """

    __slots__ = ("_conditions", "min_count")
    __match_args__ = ("conditions", "min_count")

    _conditions: tuple[Condition, ...]
    min_count: int

    def __init__(self, conditions: Iterable[Condition], min_count: int) -> None:
        put_fields(
            self,
            _conditions=instances(conditions, CONDITIONS, "conditions"),
            min_count=u64(min_count, "min_count"),
        )

    @property
    def conditions(self) -> list[Condition]:
        """The conditions; a fresh list."""
        return list(self._conditions)


class FieldCondition(Model):
    """A condition on the values at a payload path. With several tests one of them is enough.

    Args:
        key: the path, as ``a.b``, ``a[].b``, ``a[0]`` or ``"odd key"``.
        match: what a value equals or contains.
        range: where a number or date lies.
        geo_bounding_box: where a place lies.
        geo_radius: where a place lies.
        geo_polygon: where a place lies.
        values_count: how many values there are.
        is_empty: whether the field is missing, null or ``[]``.
        is_null: whether the field is null or holds null.
    """

    __slots__ = (
        "geo_bounding_box",
        "geo_polygon",
        "geo_radius",
        "is_empty",
        "is_null",
        "key",
        "match",
        "range",
        "values_count",
    )
    __match_args__ = (
        "key",
        "match",
        "range",
        "geo_bounding_box",
        "geo_radius",
        "geo_polygon",
        "values_count",
        "is_empty",
        "is_null",
    )

    key: str
    match: Match | None
    range: Range | None
    geo_bounding_box: GeoBoundingBox | None
    geo_radius: GeoRadius | None
    geo_polygon: GeoPolygon | None
    values_count: ValuesCount | None
    is_empty: bool | None
    is_null: bool | None

    def __init__(
        self,
        key: str,
        match: Match | None = None,
        range: Range | None = None,
        geo_bounding_box: GeoBoundingBox | None = None,
        geo_radius: GeoRadius | None = None,
        geo_polygon: GeoPolygon | None = None,
        values_count: ValuesCount | None = None,
        is_empty: bool | None = None,
        is_null: bool | None = None,
    ) -> None:
        put_fields(
            self,
            key=json_path(key, "key"),
            match=None if match is None else instance(match, MATCHES, "match"),
            range=None if range is None else instance(range, RANGES, "range"),
            geo_bounding_box=None
            if geo_bounding_box is None
            else instance(geo_bounding_box, GeoBoundingBox, "geo_bounding_box"),
            geo_radius=None if geo_radius is None else instance(geo_radius, GeoRadius, "geo_radius"),
            geo_polygon=None if geo_polygon is None else instance(geo_polygon, GeoPolygon, "geo_polygon"),
            values_count=None if values_count is None else instance(values_count, ValuesCount, "values_count"),
            is_empty=None if is_empty is None else boolean(is_empty, "is_empty"),
            is_null=None if is_null is None else boolean(is_null, "is_null"),
        )


class IsEmptyCondition(Model):
    """The field is missing, null or ``[]``.

    Args:
        key: a payload path.
    """

    __slots__ = ("key",)
    __match_args__ = ("key",)

    key: str

    def __init__(self, key: str) -> None:
        put_fields(self, key=json_path(key, "key"))


class IsNullCondition(Model):
    """The field is null, or an array holding null.

    Args:
        key: a payload path.
    """

    __slots__ = ("key",)
    __match_args__ = ("key",)

    key: str

    def __init__(self, key: str) -> None:
        put_fields(self, key=json_path(key, "key"))


class HasIdCondition(Model):
    """The point's id is one of these.

    Args:
        point_ids: a set, list, tuple or integer array of ids; unknown ones are harmless.

    Raises:
        TypeError: not a collection of ids.
    """

    __slots__ = ("_ids",)
    __match_args__ = ("point_ids",)

    _ids: frozenset[ParsedId]

    def __init__(self, point_ids: Iterable[PointId]) -> None:
        put_fields(self, _ids=frozenset(parse_ids(point_ids)))

    @property
    def point_ids(self) -> set[ParsedId]:
        """The ids; a fresh set."""
        return set(self._ids)


class HasVectorCondition(Model):
    """The point has that vector.

    Args:
        vector: a vector name, ``""`` for the unnamed one.
    """

    __slots__ = ("vector",)
    __match_args__ = ("vector",)

    vector: str

    def __init__(self, vector: str) -> None:
        put_fields(self, vector=text(vector, "vector"))


class SliceCondition(Model):
    """One of `total` disjoint parts of all points, split by a hash of the id.

    Args:
        total: number of parts, at least 1.
        index: which part, from 0.

    Raises:
        ValidationError: no such part.
    """

    __slots__ = ("index", "total")
    __match_args__ = ("total", "index")

    total: int
    index: int

    def __init__(self, total: int, index: int) -> None:
        total, index = u64(total, "total"), u64(index, "index")
        if total == 0:
            raise ArgumentError("total must be greater than 0")
        if index >= total:
            raise ArgumentError(f"index must be less than total, got index {index} and total {total}")
        put_fields(self, total=total, index=index)


class NestedCondition(Model):
    """One object of an array satisfies a whole filter.

    Args:
        key: the path of the array.
        filter: the filter, with paths relative to the object.
    """

    __slots__ = ("filter", "key")
    __match_args__ = ("key", "filter")

    key: str
    filter: Filter

    def __init__(self, key: str, filter: Filter) -> None:
        put_fields(self, key=json_path(key, "key"), filter=instance(filter, Filter, "filter"))


Condition: TypeAlias = (
    FieldCondition
    | IsEmptyCondition
    | IsNullCondition
    | HasIdCondition
    | HasVectorCondition
    | SliceCondition
    | NestedCondition
    | Filter
)
CONDITIONS = (
    FieldCondition,
    IsEmptyCondition,
    IsNullCondition,
    HasIdCondition,
    HasVectorCondition,
    SliceCondition,
    NestedCondition,
    Filter,
)


def _conditions(conditions: Any, name: str) -> tuple[Condition, ...] | None:
    return None if conditions is None else instances(conditions, CONDITIONS, name)
