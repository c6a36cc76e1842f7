"""Which geohash cells a shape may have points in.

A shape is taken for a box around it, two where it crosses the antimeridian; points in the cells are tested against the
shape itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from edgeshard.filter.geo import EARTH_RADIUS_METRES
from edgeshard.index.payload.build_geo import CODE_BITS, LENGTH, axis_codes, interleaved
from edgeshard.index.payload.values import Array
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius

__all__ = ["cells_of"]

_Box: TypeAlias = "tuple[float, float, float, float]"
"""West, south, east, north in degrees; west is not beyond east."""

_MOST_CELLS = 32
"""A box is covered by no more; smaller cells would follow it closer, and take longer to look up."""
_SLACK = 1e-6
"""Degrees that a circle's box is wider than worked out, far above rounding."""
_EDGE = 1e-9
"""Degrees below an upper end of the globe where rounding may lead to the code of the lower end."""
_LENGTH_BITS = 4
_LAST = (1 << CODE_BITS) - 1


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
    firsts: list[Array] = []
    lasts: list[Array] = []
    for box in boxes:
        for columns, rows in _codes(box):
            first, last = _covering(columns, rows)
            firsts.append(first)
            lasts.append(last)
    if not firsts:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    return _joined(np.concatenate(firsts), np.concatenate(lasts))


def _around_box(box: GeoBoundingBox) -> list[_Box] | None:
    west, east = box.top_left.lon, box.bottom_right.lon
    south, north = box.bottom_right.lat, box.top_left.lat
    return _split(west, south, east, north) if all(map(math.isfinite, (west, south, east, north))) else None


def _split(west: float, south: float, east: float, north: float) -> list[_Box]:
    """On the globe; two boxes if it goes over the antimeridian, with west beyond east."""
    south, north = max(south, -90.0), min(north, 90.0)
    west, east = max(west, -180.0), min(east, 180.0)
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


def _codes(box: _Box) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Ranges of codes on both axes; the upper ends of the globe have the code of the lower ones."""
    west, south, east, north = box
    low, high = axis_codes(np.array([[west, south], [east, north]])).tolist()
    columns = _on_axis(west, east, low[0], high[0], 180)
    rows = _on_axis(south, north, low[1], high[1], 90)
    return [(some, others) for some in columns for others in rows]


def _on_axis(least: float, most: float, low: int, high: int, end: float) -> list[tuple[int, int]]:
    if most < end - _EDGE:
        return [(low, high)]
    return [(low if least < end - _EDGE else _LAST, _LAST), (0, 0)]


def _covering(columns: tuple[int, int], rows: tuple[int, int]) -> tuple[Array, Array]:
    """The cells of one size, as small as their number allows, that cover a range of codes on both axes."""
    (west, east), (south, north) = columns, rows
    cut = 0
    while ((east >> cut) - (west >> cut) + 1) * ((north >> cut) - (south >> cut) + 1) > _MOST_CELLS:
        cut += 1
    x = np.arange(west >> cut, (east >> cut) + 1, dtype=np.uint64)
    y = np.arange(south >> cut, (north >> cut) + 1, dtype=np.uint64)
    cells = (interleaved(x)[:, None] << np.uint64(1) | interleaved(y)).reshape(-1)
    shift = np.uint64(2 * cut + _LENGTH_BITS)
    first: Array = cells << shift
    last: Array = first | (np.uint64(1) << shift) - np.uint64(1)
    return first, last


def _joined(first: Array, last: Array) -> tuple[Array, Array]:
    """Ranges in order, those that touch or overlap made one."""
    order = np.argsort(first)
    first, last = first[order], np.maximum.accumulate(last[order])
    behind = first[1:] > last[:-1]
    apart = np.flatnonzero(behind & (first[1:] - last[:-1] > 1))
    starts = np.append(0, apart + 1)
    return first[starts], last[np.append(apart, len(last) - 1)]


assert CODE_BITS * 2 == 5 * LENGTH
