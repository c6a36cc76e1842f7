"""Places on the globe, in degrees; distances in metres."""

from __future__ import annotations

from collections.abc import Iterable

from edgeshard.errors import ArgumentError
from edgeshard.models.base import Model, f64, instance, instances, put_fields, sequence

__all__ = ["GeoBoundingBox", "GeoPoint", "GeoPolygon", "GeoRadius"]


class GeoPoint(Model):
    """A point on the globe.

    Args:
        lon: longitude, -180 to 180.
        lat: latitude, -90 to 90.

    Raises:
        ValidationError: out of range, or NaN.
    """

    __slots__ = ("lat", "lon")
    __match_args__ = ("lon", "lat")

    lon: float
    lat: float

    def __init__(self, lon: float, lat: float) -> None:
        lon, lat = f64(lon, "lon"), f64(lat, "lat")
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise ArgumentError(
                f"Wrong format of GeoPoint payload: expected `lat` = {lat} within [-90;90] and `lon` = {lon} "
                "within [-180;180]"
            )
        put_fields(self, lon=lon, lat=lat)


class GeoBoundingBox(Model):
    """A box between two meridians and two parallels; it may cross the antimeridian.

    Args:
        top_left: the north-western corner.
        bottom_right: the south-eastern corner.
    """

    __slots__ = ("bottom_right", "top_left")
    __match_args__ = ("top_left", "bottom_right")

    top_left: GeoPoint
    bottom_right: GeoPoint

    def __init__(self, top_left: GeoPoint, bottom_right: GeoPoint) -> None:
        put_fields(
            self,
            top_left=instance(top_left, GeoPoint, "top_left"),
            bottom_right=instance(bottom_right, GeoPoint, "bottom_right"),
        )


class GeoRadius(Model):
    """A circle.

    Args:
        center: its centre.
        radius: its radius in metres; zero, negative and NaN match nothing.
    """

    __slots__ = ("center", "radius")
    __match_args__ = ("center", "radius")

    center: GeoPoint
    radius: float

    def __init__(self, center: GeoPoint, radius: float) -> None:
        put_fields(self, center=instance(center, GeoPoint, "center"), radius=f64(radius, "radius"))


class GeoPolygon(Model):
    """An area, without its holes, in plane longitude and latitude.

    Args:
        exterior: at least four points, the last of them the first again.
        interiors: holes, each such a ring.

    Raises:
        ValidationError: a ring too short or not closed.
    """

    __slots__ = ("_exterior", "_interiors")
    __match_args__ = ("exterior", "interiors")

    _exterior: tuple[GeoPoint, ...]
    _interiors: tuple[tuple[GeoPoint, ...], ...] | None

    def __init__(self, exterior: Iterable[GeoPoint], interiors: Iterable[Iterable[GeoPoint]] | None = None) -> None:
        put_fields(
            self,
            _exterior=_ring(exterior, "exterior"),
            _interiors=None
            if interiors is None
            else tuple([_ring(ring, "interiors") for ring in sequence(interiors, "interiors")]),
        )

    @property
    def exterior(self) -> list[GeoPoint]:
        """The outer ring; a fresh list."""
        return list(self._exterior)

    @property
    def interiors(self) -> list[list[GeoPoint]] | None:
        """The holes; fresh lists."""
        return None if self._interiors is None else [list(ring) for ring in self._interiors]


def _ring(points: Iterable[GeoPoint], name: str) -> tuple[GeoPoint, ...]:
    ring = instances(points, GeoPoint, name)
    if len(ring) < 4:
        raise ArgumentError(
            f"Validation failed: polygon invalid, the size must be at least 4, got {len(ring)} (in {name})"
        )
    if ring[0] != ring[-1]:
        raise ArgumentError(
            "Validation failed: polygon invalid, the first and the last points should be the same to form a "
            f"closed line (in {name})"
        )
    return ring
