"""Which geohash cells a shape may have points in.

A shape is taken for a box around it, two where it crosses the antimeridian; points in the cells are tested against the
shape itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from edgeshard import _native
from edgeshard.filter.geo import EARTH_RADIUS_METRES
from edgeshard.index.payload.values import Array
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius

__all__ = ["cells_of"]

_Box: TypeAlias = "tuple[float, float, float, float]"
"""West, south, east, north in degrees; west is not beyond east."""

_SLACK = 1e-6
"""Degrees that a circle's box is wider than worked out, far above rounding."""


def cells_of(shape: Any) -> tuple[Array, Array] | None:
    """Ranges of packed geohashes that hold every place inside of a shape.

    Args:
        shape: a ``GeoBoundingBox``, ``GeoRadius`` or ``GeoPolygon``.

    Returns:
        ``(first, last)``, ``(n,) uint64`` each, ascending and apart from each other; None if there is no box around
        the shape.
    """
    boxes = _BOXES[type(shape)](shape)
    if boxes is None:
        return None
    return _native.cover_boxes(boxes)


def _around_box(box: GeoBoundingBox) -> list[_Box] | None:
    west, east = box.top_left.lon, box.bottom_right.lon
    south, north = box.bottom_right.lat, box.top_left.lat
    return _split(west, south, east, north) if all(map(math.isfinite, (west, south, east, north))) else None


def _split(west: float, south: float, east: float, north: float) -> list[_Box]:
    """On the globe; two boxes if it goes over the antimeridian, with west beyond east."""
    south, north = max(south, -90.0), min(north, 90.0)
    west, east = (min(max(lon, -180.0), 180.0) for lon in (west, east))
    if south > north:
        return []
    if west > east:
        return [(west, south, 180.0, north), (-180.0, south, east, north)]
    return [(west, south, east, north)]


def _around_circle(circle: GeoRadius) -> list[_Box] | None:
    """The box of a circle on the sphere: its meridians touch it at ``asin(sin(angle) / cos(latitude))``."""
    lon, lat, angle = circle.center.lon, circle.center.lat, circle.radius / EARTH_RADIUS_METRES
    if not (math.isfinite(angle) and abs(lon) <= 180 and abs(lat) <= 90):
        return None
    if angle < 0:
        return []
    reach = math.degrees(angle) + _SLACK
    south, north = lat - reach, lat + reach
    if south <= -90 or north >= 90:
        return _split(-180.0, south, 180.0, north)
    share = math.sin(math.radians(reach)) / math.cos(math.radians(lat))
    width = math.degrees(math.asin(min(share, 1.0))) + _SLACK
    west, east = lon - width, lon + width
    if west < -180:
        west += 360
    if east > 180:
        east -= 360
    return _split(west, south, east, north)


def _around_polygon(polygon: GeoPolygon) -> list[_Box] | None:
    lons = [point.lon for point in polygon.exterior]
    lats = [point.lat for point in polygon.exterior]
    if not lons or not all(map(math.isfinite, (*lons, *lats))):
        return None
    return _split(min(lons), min(lats), max(lons), max(lats)) if min(lons) <= 180 and max(lons) >= -180 else []


_BOXES: dict[type, Callable[[Any], list[_Box] | None]] = {
    GeoBoundingBox: _around_box,
    GeoRadius: _around_circle,
    GeoPolygon: _around_polygon,
}
