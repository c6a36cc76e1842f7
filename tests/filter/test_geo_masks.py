"""Shapes over arrays of places: ordered by latitude or not, the answer is that of the definition, place by place."""

import math
import random

import numpy as np
import pytest

import edgeshard as es
from edgeshard.filter.geo import haversine, in_polygon, ring_of
from edgeshard.filter.geo_masks import inside

POINT = es.GeoPoint


def definition(shape, lon, lat):
    """Whether a place is inside of a shape."""
    if math.isnan(lon):
        return False
    if isinstance(shape, es.GeoRadius):
        return haversine(shape.center.lon, shape.center.lat, lon, lat) < shape.radius
    if isinstance(shape, es.GeoBoundingBox):
        west, east = shape.top_left.lon, shape.bottom_right.lon
        across = lon > west or lon < east if west > east else west < lon < east
        return across and shape.bottom_right.lat < lat < shape.top_left.lat
    return in_polygon(lon, lat, ring_of(shape.exterior), [ring_of(ring) for ring in shape.interiors or []])


def on_globe(lon, lat):
    return POINT(min(max(lon, -180.0), 180.0), min(max(lat, -90.0), 90.0))


def shapes(rng):
    """Small and large ones, some at a pole or over the antimeridian."""
    lon, lat = rng.choice([rng.uniform(-180, 180), 180.0]), rng.choice([rng.uniform(-90, 90), 90.0, -89.9])
    yield es.GeoRadius(POINT(lon, lat), 10 ** rng.uniform(2, 7.5))
    south, north = sorted(rng.uniform(-90, 90) for _ in range(2))
    yield es.GeoBoundingBox(POINT(lon, north), POINT(rng.uniform(-180, 180), south))
    yield es.GeoBoundingBox(on_globe(lon, lat + 1), on_globe(lon - 1, lat - 1))
    corners = [on_globe(lon + rng.uniform(-3, 3), lat + rng.uniform(-3, 3)) for _ in range(4)]
    yield es.GeoPolygon([*corners, corners[0]], [[corners[1], corners[2], corners[3], corners[1]]])


@pytest.mark.parametrize("off_globe", [False, True])
def test_the_answer_is_that_of_the_definition(off_globe):
    rng, count = random.Random(8), 3000
    lons = np.array([rng.choice([rng.uniform(-180, 180), 179.999, -180.0]) for _ in range(count)])
    lats = np.array([rng.choice([rng.uniform(-90, 90), rng.gauss(-89, 0.5), 89.99]) for _ in range(count)]).clip(
        -90, 90
    )
    lons[::50] = lats[::50] = np.nan
    if off_globe:
        lats[7], lons[7] = 95.0, 20.0  # for a sphere the place at 85 degrees on the other side
    memo, found = {}, 0
    for _ in range(12):
        for shape in shapes(rng):
            wanted = [definition(shape, *place) for place in zip(lons.tolist(), lats.tolist(), strict=True)]
            first, again = inside(shape, lons, lats, {}), inside(shape, lons, lats, memo)
            assert first.tolist() == wanted, shape
            assert again.tolist() == wanted, shape
            found += sum(wanted)
    assert found > 1000
    assert bool(memo["by latitude"]) is not off_globe


def test_a_place_off_the_globe_is_found_beyond_the_pole():
    lons, lats, memo = np.full(3000, 20.0), np.full(3000, 10.0), {}
    lats[7] = 95.0
    for _ in range(3):
        assert np.flatnonzero(inside(es.GeoRadius(POINT(-160.0, 85.0), 1000.0), lons, lats, memo)).tolist() == [7]
