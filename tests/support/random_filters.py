"""Random payloads and filters in a neutral form, so that the same filter can be built for two engines."""

import uuid

from neutral import Call

WORDS = [
    "red",
    "Red",
    "RED fox",
    "quick brown fox",
    "fox",
    "",
    "a b",
    "tree and fox",
    "日本",
    "été",
    "1",
    "x_y-z",
]
WORDS += ["2024-01-01", "2024-03-05T10:20:30Z", "2024-06-01 12:00:00.5", "İstanbul ΟΔΟΣ", 'q"\\\n\t/é\u2028']
DATES = ["2024-01-01", "2024-03-05T10:20:30Z", "2024-06-01T12:00:00.5", "2030-01-01", "2020-01-01"]
INTEGERS = [0, 1, 2, 3, 5, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 1.0, 1.5, 2.5, 0.1, -3.25, 1e300, 9.2e18]
KEYS = ["a", "b", "c", "x"]


def random_geo(rng):
    lon = rng.choice([rng.uniform(-180, 180), 0, 10, 0.5, 179.9, -179.9, 10.0, 5])
    point = {"lon": lon, "lat": rng.choice([rng.uniform(-90, 90), 0, 10, 0.5, 5.0])}
    change = rng.randrange(12)
    if change < 3:
        point.update([{"x": 1}, {"lat": "5"}, {"lat": 95.0}][change])
    elif change == 3:
        del point["lon"]
    return point


def random_scalar(rng):
    kind = rng.randrange(12)
    if kind < 2:
        return rng.choice([None, True, False])
    if kind < 5:
        return rng.choice(INTEGERS)
    if kind < 7:
        return rng.choice(FLOATS)
    return rng.choice(WORDS) if kind < 11 else random_geo(rng)


def random_value(rng, depth=0):
    kind = rng.randrange(10)
    if kind < 5 or depth > 3:
        return random_scalar(rng)
    if kind < 8:
        return [random_value(rng, depth + 1) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    return {rng.choice(KEYS): random_value(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3]))}


def random_payload(rng):
    payload = {key: random_value(rng) for key in KEYS if rng.random() < 0.8}
    if rng.random() < 0.5:
        payload["arr"] = [
            {key: random_value(rng, 2) for key in KEYS if rng.random() < 0.7}
            if rng.random() < 0.85
            else random_value(rng, 2)
            for _ in range(rng.choice([0, 1, 2, 3]))
        ]
    makers = {"g": random_geo, "t": lambda r: r.choice(WORDS), "n": random_scalar, "k.d": random_scalar}
    for key, make in makers.items():
        if rng.random() < 0.3:
            payload[key] = rng.choice([make(rng), [make(rng), make(rng)]])
    return payload


def random_path(rng, nested=False):
    if not nested and rng.random() < 0.15:
        return "arr[]." + rng.choice(KEYS)
    base = rng.choice(KEYS if nested else [*KEYS, "arr", "g", "t", "n", '"k.d"', "n", "t", "g"])
    steps = ["[]", "[0]", "[1]", ".a", ".b", ".x", ".c"]
    return base + "".join(rng.choice(steps) for _ in range(rng.choice([0, 0, 0, 1, 1, 2])))


def random_bounds(rng, values):
    return {name: rng.choice(values) for name in ("gte", "gt", "lte", "lt") if rng.random() < 0.35}


def random_match(rng):
    integers = [0, 1, 2, 3, -1, 2**63 - 1, -(2**63)]
    choices = WORDS if rng.random() < 0.5 else integers
    some = [rng.choice(choices) for _ in range(rng.randrange(4))]
    texts = [*WORDS, "fox quick", "brown fox", "brown zzz", "r", "o", "é", "本", " ", "20"]
    return rng.choice(
        [
            Call("MatchValue", rng.choice(WORDS + integers)),
            Call("MatchAny", some),
            Call("MatchExcept", some),
            *(
                Call(name, rng.choice(texts))
                for name in ("MatchText", "MatchTextAny", "MatchPhrase", "MatchPrefix", "MatchSubstring")
            ),
        ]
    )


def random_range(rng):
    if rng.random() < 0.3:
        return Call("RangeDateTime", **random_bounds(rng, DATES))
    return Call("RangeFloat", **random_bounds(rng, [0.0, 1.0, 2.0, 1.5, -1.0, 9.3e18, 0.1, 2.0**63, float("nan")]))


def random_point(rng):
    lon = rng.choice([rng.uniform(-180, 180), 0.0, 10.0, 170.0, -170.0])
    return Call("GeoPoint", lon, rng.choice([rng.uniform(-90, 90), 0.0, 10.0]))


def random_ring(rng):
    if rng.random() < 0.5:
        x, y = rng.choice([0.0, -5.0, 5.0]), rng.choice([0.0, -5.0, 5.0])
        width, height = rng.choice([5, 10, 20]), rng.choice([5, 10, 20])
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    else:
        corners = [(rng.uniform(-60, 60), rng.uniform(-60, 60)) for _ in range(rng.randrange(3, 7))]
    return [Call("GeoPoint", lon, lat) for lon, lat in [*corners, corners[0]]]


def random_shape(rng):
    radii = [1e6, 5e6, 1.0, 0.0, 2e7, 1e-9, -1.0, float("nan")]
    return rng.choice(
        [
            ("geo_bounding_box", Call("GeoBoundingBox", random_point(rng), random_point(rng))),
            ("geo_radius", Call("GeoRadius", random_point(rng), rng.choice(radii))),
            ("geo_polygon", Call("GeoPolygon", random_ring(rng), [random_ring(rng)][: rng.randrange(2)])),
        ]
    )


def random_field(rng, nested=False):
    path, kind, clauses = random_path(rng, nested), rng.randrange(16), {}
    if kind < 5:
        clauses["match"] = random_match(rng)
    elif kind < 8:
        clauses["range"] = random_range(rng)
    elif kind < 11:
        name, shape = random_shape(rng)
        clauses[name], path = shape, rng.choice([path, "g"])
    elif kind == 11:
        limits = {name: rng.randrange(4) for name in ("gte", "gt", "lte", "lt") if rng.random() < 0.4}
        clauses["values_count"] = Call("ValuesCount", **limits)
    elif kind < 14:
        clauses[["is_empty", "is_null"][kind - 12]] = rng.random() < 0.5
    elif kind == 14:
        clauses.update(match=random_match(rng), range=random_range(rng))
        if rng.random() < 0.5:
            clauses[rng.choice(["is_null", "is_empty"])] = rng.random() < 0.5
    return Call("FieldCondition", path, **clauses)


def random_condition(rng, depth=0, nested=False):
    kind = rng.randrange(20)
    if kind < 12 or (depth > 2 and kind > 16):
        return random_field(rng, nested)
    total = rng.randrange(1, 5)
    if kind < 17:
        return [
            Call("IsEmptyCondition", random_path(rng, nested)),
            Call("IsNullCondition", random_path(rng, nested)),
            Call("HasIdCondition", {rng.randrange(400) for _ in range(rng.randrange(60))}),
            Call("HasVectorCondition", rng.choice(["", "v", "s"])),
            Call("SliceCondition", total, rng.randrange(total)),
        ][kind - 12]
    if kind == 19:
        return random_filter(rng, depth + 1, nested)
    key = rng.choice(KEYS if nested else ["arr", "arr[]", "arr[0]", "a", "b", "a.b", "a[]"])
    return Call("NestedCondition", key, random_filter(rng, depth + 1, True))


def random_filter(rng, depth=0, nested=False):
    """A filter without the two corners where 0.9.0 contradicts itself.

    These are an empty ``should`` in a nested filter, and a ``min_should`` without conditions beside other
    clauses.
    """
    clauses = {}
    for name in ("must", "should", "must_not"):
        if rng.random() < 0.4:
            many = rng.choice([1 if nested else 0, 1, 1, 2, 3])
            clauses[name] = [random_condition(rng, depth + 1, nested) for _ in range(many)]
    if rng.random() < 0.1:
        several = [random_condition(rng, depth + 1, nested) for _ in range(rng.randrange(1, 4))]
        clauses["min_should"] = Call("MinShould", several, rng.randrange(4))
    return Call("Filter", **clauses)


def random_some(rng):
    """A filter, often of one condition only."""
    return random_filter(rng) if rng.random() < 0.5 else Call("Filter", [random_condition(rng)])


def random_id(rng):
    return rng.randrange(400) if rng.random() < 0.8 else uuid.UUID(int=rng.getrandbits(128))
