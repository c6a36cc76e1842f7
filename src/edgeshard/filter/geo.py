"""Geometry of geo conditions: great-circle distance and point in polygon, in degrees."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = ["EARTH_RADIUS_METRES", "Ring", "geo_point", "haversine", "in_polygon", "ring_of"]

EARTH_RADIUS_METRES = 6371008.8
"""Mean radius (2a + b)/3 of the WGS 84 ellipsoid."""

Ring: TypeAlias = "list[tuple[float, float]]"
"""Closed ring of (lon, lat), first equal to last."""

# Shewchuk (1997), "Adaptive Precision Floating-Point Arithmetic": below this share of the sum of magnitudes
# the sign of the floating-point determinant is not certain.
_ORIENTATION_ERROR = (3.0 + 16.0 * 2.0**-53) * 2.0**-53


def geo_point(value: Any) -> tuple[float, float] | None:
    """(lon, lat) of a payload object with numeric ``lon`` and ``lat``, None for any other value."""
    if not isinstance(value, dict):
        return None
    lon, lat = value.get("lon"), value.get("lat")
    if type(lon) not in (int, float) or type(lat) not in (int, float):
        return None
    return float(lon), float(lat)  # type: ignore[arg-type]


def ring_of(points: Sequence[Any]) -> Ring:
    """The ring of `points`, objects with ``lon`` and ``lat``."""
    return [(point.lon, point.lat) for point in points]


def haversine(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Great-circle distance in metres; NaN where rounding leaves the domain of the arc sine."""
    half_lat = math.sin(math.radians(lat2 - lat1) / 2.0)
    half_lon = math.sin(math.radians(lon2 - lon1) / 2.0)
    share = half_lat**2 + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * half_lon**2
    if not share <= 1.0:
        return math.nan
    return EARTH_RADIUS_METRES * 2.0 * math.asin(math.sqrt(share))


def in_polygon(lon: float, lat: float, exterior: Ring, interiors: Sequence[Ring]) -> bool:
    """Whether the point is strictly inside: in the exterior ring, in no hole and on no boundary."""
    return _winding(lon, lat, exterior) not in (0, None) and all(_winding(lon, lat, hole) == 0 for hole in interiors)


def _winding(lon: float, lat: float, ring: Ring) -> int | None:
    """How often `ring` winds around the point, None on its boundary (Sunday's winding number test)."""
    winding = 0
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if y1 <= lat <= y2 or y2 <= lat < y1:
            side = _side(x1, y1, x2, y2, lon, lat)
            if side == 0:
                if min(x1, x2) <= lon <= max(x1, x2):
                    return None
            elif y1 <= lat:
                winding += side > 0 and y2 != lat
            else:
                winding -= side < 0
    return winding


def _side(x1: float, y1: float, x2: float, y2: float, x: float, y: float) -> int:
    """+1 if (x, y) is left of the line from (x1, y1) to (x2, y2), -1 if right, 0 if on it; exact."""
    left, right = (x1 - x) * (y2 - y), (y1 - y) * (x2 - x)
    determinant = left - right
    if abs(determinant) > _ORIENTATION_ERROR * (abs(left) + abs(right)):
        return 1 if determinant > 0 else -1
    if not math.isfinite(determinant):
        return 0
    from fractions import Fraction  # slow to import, rarely needed

    ax, ay, bx, by, cx, cy = map(Fraction, (x1, y1, x2, y2, x, y))
    exact = (ax - cx) * (by - cy) - (ay - cy) * (bx - cx)
    return (exact > 0) - (exact < 0)
