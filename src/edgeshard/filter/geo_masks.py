"""Geo shapes over arrays of places."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.filter.geo import EARTH_RADIUS_METRES, in_polygon, ring_of
from edgeshard.models.geo import GeoBoundingBox, GeoPolygon, GeoRadius

__all__ = ["Shape", "inside"]

Shape: TypeAlias = "GeoBoundingBox | GeoRadius | GeoPolygon"
_Degrees: TypeAlias = "NDArray[np.float64]"
_Mask: TypeAlias = "NDArray[np.bool_]"

_UNCLEAR = 2
"""What the native polygon test says of a place next to an edge."""
_MANY = 2048
"""With fewer places all are tested."""
_BAND_SHARE = 0.25
"""Up to this share of the places a shape is looked for among those on its latitudes."""
_SLACK = 1e-6
"""Degrees that the latitudes of a circle reach farther than worked out, far above rounding."""


def inside(shape: Shape, lons: _Degrees, lats: _Degrees, memo: dict[str, Any]) -> _Mask:
    """Which places are inside of a shape, its edge excluded.

    Asked again with the same arrays, it orders them by latitude, so that only those near a small shape are tested.

    Args:
        shape: the shape.
        lons: ``(n,)`` degrees, NaN where there is no place.
        lats: ``(n,)``.
        memo: keeps what later calls with the same arrays need; empty at first.

    Returns:
        ``(n,)``, a fresh array.
    """
    if len(lons) >= _MANY:
        ordered = _by_latitude(lons, lats, memo)
        south, north = _latitudes(shape)
        if ordered and math.isfinite(south + north):
            order, lons_there, lats_there, units = ordered
            first, last = lats_there.searchsorted(south), lats_there.searchsorted(north, "right")
            if last - first <= _BAND_SHARE * len(lons):
                band = slice(first, last)
                hits = _test(shape, lons_there[band], lats_there[band], units[:, band])
                mask = np.zeros(len(lons), np.bool_)
                mask[order[band][hits]] = True
                return mask
    units = None
    if isinstance(shape, GeoRadius):
        units = memo.get("units")
        if units is None:
            units = memo["units"] = _native.geo_units(lons, lats).reshape(3, -1)
    return _test(shape, lons, lats, units)


def _by_latitude(lons: _Degrees, lats: _Degrees, memo: dict[str, Any]) -> Any:
    """Positions, longitudes, latitudes and unit vectors by latitude, those of no place at the end.

    Nothing the first time, and where latitudes off the globe go on beyond a pole.
    """
    ordered = memo.get("by latitude")
    if ordered is None and "asked" in memo:
        order = np.argsort(lats)
        lons, lats = lons[order], lats[order]
        ordered = (order, lons, lats, _native.geo_units(lons, lats).reshape(3, -1))
        if bool((np.abs(lats) > 90).any()):
            ordered = ()
        memo["by latitude"] = ordered
    memo["asked"] = True
    return ordered


def _latitudes(shape: Shape) -> tuple[float, float]:
    """From the south to the north end of a shape, or farther."""
    if isinstance(shape, GeoBoundingBox):
        return shape.bottom_right.lat, shape.top_left.lat
    if isinstance(shape, GeoRadius):
        reach = math.degrees(shape.radius / EARTH_RADIUS_METRES) + _SLACK
        return shape.center.lat - reach, shape.center.lat + reach
    lats = [point.lat for point in shape.exterior]
    return min(lats), max(lats)


def _test(shape: Shape, lons: _Degrees, lats: _Degrees, units: Any) -> _Mask:
    if isinstance(shape, GeoRadius):
        centre, (x, y, z) = shape.center, units
        return _native.geo_radius(lons, lats, x, y, z, centre.lon, centre.lat, shape.radius)
    return _in_box(shape, lons, lats) if isinstance(shape, GeoBoundingBox) else _in_polygon(shape, lons, lats)


def _in_box(box: GeoBoundingBox, lons: _Degrees, lats: _Degrees) -> _Mask:
    left, right = box.top_left.lon, box.bottom_right.lon
    rows = np.logical_and(lats > box.bottom_right.lat, lats < box.top_left.lat)
    if left > right:  # the box crosses the antimeridian
        return np.logical_and(rows, (lons > left) | (lons < right), out=rows)
    return np.logical_and(rows, (lons > left) & (lons < right), out=rows)


def _in_polygon(polygon: GeoPolygon, lons: _Degrees, lats: _Degrees) -> _Mask:
    rings = [ring_of(ring) for ring in (polygon.exterior, *(polygon.interiors or []))]
    found = _native.geo_polygon(lons, lats, rings)
    for entry in np.flatnonzero(found == _UNCLEAR):
        found[entry] = in_polygon(lons[entry].item(), lats[entry].item(), rings[0], rings[1:])
    return found.view(np.bool_)
