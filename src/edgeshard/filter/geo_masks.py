"""Geo shapes over arrays of places."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.filter.geo import in_polygon, ring_of
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius

__all__ = ["Shape", "inside"]

Shape: TypeAlias = "GeoBoundingBox | GeoRadius | GeoPolygon"
_Degrees: TypeAlias = "NDArray[np.float64]"
_Mask: TypeAlias = "NDArray[np.bool_]"

_UNCLEAR = 2
"""What the native polygon test says of a place next to an edge."""


def inside(shape: Shape, lons: _Degrees, lats: _Degrees, memo: dict[str, Any]) -> _Mask:
    """Which places are inside of a shape, its edge excluded.

    Args:
        shape: the shape.
        lons: ``(n,)`` degrees, NaN where there is no place.
        lats: ``(n,)``.
        memo: keeps what later calls with the same arrays need; empty at first.

    Returns:
        ``(n,)``, a fresh array.
    """
    if isinstance(shape, GeoRadius):
        return _in_circle(shape, lons, lats, memo)
    return _in_box(shape, lons, lats) if isinstance(shape, GeoBoundingBox) else _in_polygon(shape, lons, lats)


def _in_box(box: GeoBoundingBox, lons: _Degrees, lats: _Degrees) -> _Mask:
    left, right = box.top_left.lon, box.bottom_right.lon
    rows = np.logical_and(lats > box.bottom_right.lat, lats < box.top_left.lat)
    if left > right:  # the box crosses the antimeridian
        return np.logical_and(rows, (lons > left) | (lons < right), out=rows)
    return np.logical_and(rows, (lons > left) & (lons < right), out=rows)


def _in_circle(circle: GeoRadius, lons: _Degrees, lats: _Degrees, memo: dict[str, Any]) -> _Mask:
    units = memo.get("units")
    if units is None:
        units = memo["units"] = _native.geo_units(lons, lats)
    centre = circle.center
    return _native.geo_radius(lons, lats, units, centre.lon, centre.lat, circle.radius)


def _in_polygon(polygon: GeoPolygon, lons: _Degrees, lats: _Degrees) -> _Mask:
    rings = [ring_of(ring) for ring in (polygon.exterior, *(polygon.interiors or []))]
    found = _native.geo_polygon(lons, lats, rings)
    for entry in np.flatnonzero(found == _UNCLEAR):
        found[entry] = in_polygon(lons[entry].item(), lats[entry].item(), rings[0], rings[1:])
    return found.view(np.bool_)
