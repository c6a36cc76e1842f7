"""Geo cells: what covers a shape leaves out no place inside of it, and cells name the points that a scan finds."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

import edgeshard as es
from edgeshard import _native
from edgeshard.filter.geo import haversine, in_polygon, ring_of
from edgeshard.index.payload.build_geo import geohashes, write_geo
from edgeshard.index.payload.geo_cover import cells_of
from edgeshard.index.payload.open_geo import CELL_POINTS, CELLS, GeoFiles


def random_place(rng):
    lon = rng.choice([rng.uniform(-180, 180), rng.gauss(0, 1), 180.0, -180.0, 0.0, 179.99999999999997])
    lat = rng.choice([rng.uniform(-90, 90), rng.gauss(0, 1), 90.0, -90.0, 0.0, 89.99999999999999])
    return lon, lat


def random_shape(rng):
    """A shape and what tells whether a place is inside of it."""
    lon, lat = random_place(rng)
    point, kind = es.GeoPoint, rng.randrange(3)
    if kind == 0:
        radius = 10 ** rng.uniform(0, 7.4)
        return es.GeoRadius(point(lon, lat), radius), lambda x, y: haversine(lon, lat, x, y) <= radius
    if kind == 1:
        (west, north), (east, south) = random_place(rng), random_place(rng)
        north, south = max(north, south), min(north, south)

        def inside(x, y):
            across = x > west or x < east if west > east else west < x < east
            return across and south < y < north

        return es.GeoBoundingBox(point(west, north), point(east, south)), inside
    ring = [point(lon, lat), *(point(*random_place(rng)) for _ in range(3)), point(lon, lat)]
    return es.GeoPolygon(ring), lambda x, y: in_polygon(x, y, ring_of(ring), [])


def test_cells_cover_every_place_inside():
    rng, hits = random.Random(4), 0
    for _ in range(400):
        shape, inside = random_shape(rng)
        places = [random_place(rng) for _ in range(40)]
        first, last = cells_of(shape)
        assert (first[1:] > last[:-1]).all()
        for place, hash in zip(places, geohashes(np.array(places)).tolist(), strict=True):
            if inside(*place):
                hits += 1
                at = int(np.searchsorted(last, np.uint64(hash)))
                assert at < len(first), (shape, place)
                assert first[at] <= hash, (shape, place)
    assert hits > 1000


def test_small_shapes_have_few_and_small_cells():
    first, last = cells_of(es.GeoRadius(es.GeoPoint(13.4, 52.5), 1000.0))
    assert len(first) <= 32
    assert int((last - first).sum()) < 2**64 * 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_cells_find_what_a_scan_finds(seed, tmp_path):
    rng, points = random.Random(seed), 500
    counts = np.array([rng.choice([0, 1, 1, 3]) for _ in range(points)], np.uint32)
    places = np.array([random_place(rng) for _ in range(int(counts.sum()))]).reshape(-1, 2)
    write_geo(tmp_path, None, counts, places)
    files = GeoFiles(tmp_path, "geo_index", points)
    owners = np.repeat(np.arange(points), counts)
    few = 0
    for _ in range(100):
        shape, inside = random_shape(rng)
        asked = SimpleNamespace(clause=shape)
        wanted = np.zeros(points, np.bool_)
        wanted[[owner for owner, place in zip(owners, places.tolist(), strict=True) if inside(*place)]] = True
        assert np.array_equal(files.mask(asked, points), wanted), shape
        listed = files.offsets(asked, points)
        if listed is not None:
            few += 1
            assert listed.tolist() == np.flatnonzero(wanted).tolist()
    assert few > 10


@pytest.mark.parametrize("file", [CELLS, CELL_POINTS])
def test_damaged_cells_are_told(file, tmp_path):
    counts = np.ones(20, np.uint32)
    write_geo(tmp_path, None, counts, np.random.default_rng(1).uniform(-90, 90, (20, 2)))
    whole = (tmp_path / file).read_bytes()
    for damage in (b"", whole[:-1], whole[:-16], whole[16:], b"\xff" * len(whole)):
        (tmp_path / file).write_bytes(damage)
        with pytest.raises(es.errors.CorruptedError):
            GeoFiles(tmp_path, "geo_index", 20)


def test_files_that_do_not_fit_each_other_are_refused():
    cells, places = np.zeros(0, np.uint8), np.zeros(4)
    for starts in ([], [1, 2], [0, 3], [0, 1], [0, 2, 1, 2]):
        with pytest.raises(ValueError, match="follow one another"):
            _native.GeoPlaces(cells, cells, np.array(starts, np.int64), places, 9)
    with pytest.raises(ValueError, match="whole number"):
        _native.GeoPlaces(np.zeros(17, np.uint8), cells, np.array([0, 2]), places, 9)
