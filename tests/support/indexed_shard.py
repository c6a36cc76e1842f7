"""Shards with an index of every kind and payloads of every shape, made by either engine, and questions about them."""

from __future__ import annotations

import hashlib
import random
import subprocess
import uuid
from pathlib import Path
from typing import Any

WORDS = [f"w{number}" for number in range(60)]
QUERIES = ("w1", "w1 w2", "w3 w4 w5")
NESTED_TEXTS = ("arr[].t", "arr[].q")
"""Of these 0.9.0 counts fewer points than have a token once the index is immutable."""


def schemas(mod: Any) -> dict[str, Any]:
    """Index parameters by field path."""
    types, word = mod.PayloadSchemaType, mod.TokenizerType.Word
    return {
        "kw": mod.KeywordIndexParams(prefix=True),
        "i": types.Integer,
        "il": mod.IntegerIndexParams(lookup=True, range=False),
        "f": types.Float,
        "d": types.Datetime,
        "u": types.Uuid,
        "g": types.Geo,
        "t": types.Text,
        "ts": mod.TextIndexParams(tokenizer=word, scoring=True),
        "tp": mod.TextIndexParams(tokenizer=word, phrase_matching=True),
        "tps": mod.TextIndexParams(tokenizer=word, phrase_matching=True, scoring=True),
        "b": types.Bool,
        "arr[].x": mod.KeywordIndexParams(nested="arr"),
        "arr[].n": mod.IntegerIndexParams(nested="arr"),
        "arr[].t": mod.TextIndexParams(tokenizer=word, scoring=True, nested="arr"),
        'a."b c"': types.Keyword,
        "arr[].p": mod.KeywordIndexParams(nested="arr", prefix=True),
        "arr[].q": mod.TextIndexParams(tokenizer=word, phrase_matching=True, nested="arr"),
        "arr[].f": mod.FloatIndexParams(nested="arr"),
        "arr[].d": mod.DatetimeIndexParams(nested="arr"),
        "arr[].u": mod.UuidIndexParams(nested="arr"),
        "arr[].g": mod.GeoIndexParams(nested="arr"),
        "arr[].b": mod.BoolIndexParams(nested="arr"),
        "o.in[].z": mod.IntegerIndexParams(nested="o.in"),
        "arr[].o.w": types.Keyword,
        "o.many[]": types.Integer,
    }


def random_payload(rng: random.Random) -> dict[str, Any]:
    """A payload with values, arrays, nulls and values no index holds."""

    def text() -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 12)))

    makers = {
        "kw": lambda: rng.choice([f"k{rng.randint(0, 50)}", f"ünï{rng.randint(0, 5)}", "", 5]),
        "i": lambda: rng.choice(
            [rng.randint(-100, 100), rng.randint(-(2**63), 2**63 - 1), float(rng.randint(-5, 5)), 1.5]
        ),
        "il": lambda: rng.randint(0, 30),
        # Few digits: the other engine reads long fractions inexactly.
        "f": lambda: rng.choice([round(rng.random() * 100, 3), rng.randint(0, 9)]),
        "d": lambda: rng.choice([f"2024-01-{rng.randint(1, 28):02d}T10:00:00Z", "2020-05-05", "nope"]),
        "u": lambda: rng.choice(
            [str(uuid.UUID(int=rng.getrandbits(128))), str(uuid.UUID(int=rng.randint(0, 9))).upper(), "x"]
        ),
        "g": lambda: {
            "lon": rng.choice([round(rng.uniform(-180, 180), 4), 180, -180, 0, 200]),
            "lat": rng.choice([round(rng.uniform(-90, 90), 4), 90.0, -90]),
        },
        "t": text,
        "ts": text,
        "tp": text,
        "tps": text,
        "b": lambda: rng.random() < 0.5,
    }
    payload = {name: _some(rng, make) for name, make in makers.items() if rng.random() < 0.85}

    def element() -> dict[str, Any]:
        whole = {"x": rng.choice("abc"), "n": rng.randint(0, 5), "t": text(), "p": makers["kw"](), "q": text()}
        whole |= {name: makers[name]() for name in "fdugb" if rng.random() < 0.7}
        return whole | {"o": {"w": rng.choice("klm")}}

    if rng.random() < 0.8:
        payload["arr"] = [
            rng.choice([element(), element(), {"n": [1, 2], "p": None, "g": []}, {}, 5])
            for _ in range(rng.randint(0, 4))
        ]
    if rng.random() < 0.7:
        payload["o"] = {"in": [{"z": rng.randint(0, 9)} for _ in range(rng.randint(0, 3))]}
        payload["o"]["many"] = [rng.randint(0, 9) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        payload["a"] = {"b c": rng.choice("pq")}
    return payload


def _some(rng: random.Random, make: Any) -> Any:
    chance = rng.random()
    if chance < 0.1:
        return None
    if chance < 0.2:
        return []
    if chance < 0.4:
        return [make() for _ in range(rng.randint(1, 3))]
    return [make(), None] if chance < 0.45 else make()


def make_shard(mod: Any, path: Any, *, points: int = 300, seed: int = 5, optimised: bool = False) -> None:
    """A closed shard after inserts, replacements, deletes and payload changes; with some indexes made late."""
    rng = random.Random(seed)
    size = 64 if optimised else 4
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=10) if optimised else None
    vectors = {"v": mod.EdgeVectorParams(size=size, distance=mod.Distance.Dot)}
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=vectors, optimizers=optimizers))
    update = mod.UpdateOperation

    def point(number: int) -> Any:
        return mod.Point(number, {"v": [rng.random() for _ in range(size)]}, random_payload(rng))

    fields = list(schemas(mod).items())
    for field, schema in fields[:8]:
        shard.update(update.create_field_index(field, schema))
    for start in range(0, points, 100):
        shard.update(update.upsert_points([point(n) for n in range(start, min(points, start + 100))]))
    for field, schema in fields[8:]:
        shard.update(update.create_field_index(field, schema))
    shard.flush()
    for _ in range(3):
        shard.update(update.upsert_points([point(rng.randrange(points)) for _ in range(points // 20)]))
        shard.update(update.delete_points([rng.randrange(points) for _ in range(points // 40)]))
    kept = [record.id for record in shard.retrieve(list(range(0, points, 7)), False, False)]
    shard.update(update.set_payload(kept, {"kw": "changed", "arr": [{"x": "z"}]}))
    if optimised:
        shard.optimize()
    shard.flush()
    shard.close()


def conditions(mod: Any) -> dict[Any, Any]:
    """Conditions by name, each of which some index can answer; the field is the name or its first part."""
    condition, found = mod.FieldCondition, {}
    for field in ("kw", "arr[].x", 'a."b c"'):
        for text in ("k1", "k5", "", "a", "z", "p", "changed", "ünï1"):
            found[field, text] = condition(field, match=mod.MatchValue(text))
        found[field, "any"] = condition(field, match=mod.MatchAny(["k2", "k3", "b", "q"]))
    for field in ("kw", "arr[].p", "arr[].x", "arr[].o.w"):
        for text in ("k", "k1", "ü", "", "changed", "zz"):
            found[field, "prefix", text] = condition(field, match=mod.MatchPrefix(text))
        found[field, "substring"] = condition(field, match=mod.MatchSubstring("1"))
        found[field, "except"] = condition(field, match=mod.MatchExcept(["a", "k1", "k"]))
    for field in ("il", "i", "arr[].n", "o.in[].z", "o.many[]"):
        for number in range(-2, 6):
            found[field, number] = condition(field, match=mod.MatchValue(number))
        found[field, "any"] = condition(field, match=mod.MatchAny([-3, 2, 4, 9]))
    for low, high in ((-50, 50), (0, 3), (9.5, 80)):
        found["f", low] = condition("f", range=mod.RangeFloat(gte=low, lt=high))
        for field in ("i", "arr[].n", "arr[].f", "o.in[].z", "o.many[]"):
            found[field, low, high] = condition(field, range=mod.RangeFloat(gt=low, lte=high))
    found["i", "open"] = condition("i", range=mod.RangeFloat(gte=-20.5))
    dates = mod.RangeDateTime(gte="2024-01-05T00:00:00Z", lt="2024-01-15")
    for field in ("d", "arr[].d"):
        found[field, "range"] = condition(field, range=dates)
    for field in ("u", "arr[].u"):
        for number in range(10):
            found[field, number] = condition(field, match=mod.MatchValue(str(uuid.UUID(int=number))))
    for field in ("g", "arr[].g"):
        found |= {(field, *name): condition(field, **shape) for name, shape in _shapes(mod).items()}
    for field in ("t", "ts", "tp", "tps", "arr[].t", "arr[].q"):
        for text in QUERIES:
            found[field, text] = condition(field, match=mod.MatchText(text))
            found[field, text, "any"] = condition(field, match=mod.MatchTextAny(text))
            found[field, text, "phrase"] = condition(field, match=mod.MatchPhrase(text))
    for field in schemas(mod):
        found[field, "empty"] = mod.IsEmptyCondition(field)
        found[field, "null"] = mod.IsNullCondition(field)
        found[field, "filled"] = condition(field, is_empty=False)
    return found | _of_elements(mod)


def _shapes(mod: Any) -> dict[Any, dict[str, Any]]:
    """Clauses of a geo condition: small and large, over the antimeridian, at the south pole.

    Not at the north pole, where the other engine's cells miss places.
    """
    point, found = mod.GeoPoint, {}
    for centre in ((0.0, 0.0), (-170.0, 0.0), (179.9, 10.0), (180.0, -90.0)):
        for radius in (10.0, 3e5, 3e6, 8e6):
            found[("radius", *centre, radius)] = {"geo_radius": mod.GeoRadius(point(*centre), radius)}
    for corners in (
        (-100.0, 50.0, 80.0, -20.0), (100.0, 50.0, -80.0, -20.0), (-179.0, 89.0, 179.0, -89.0),
        (170.0, 10.0, 180.0, -10.0), (0.0, 0.0, 0.0, 0.0), (10.0, 20.0, 10.5, 19.5),
    ):  # fmt: skip
        box = mod.GeoBoundingBox(point(*corners[:2]), point(*corners[2:]))
        found[("box", *corners)] = {"geo_bounding_box": box}
    for size in (1.0, 30.0, 89.0):
        ring = [point(0.0, 0.0), point(size, 0.0), point(size, size), point(0.0, 0.0)]
        hole = [point(size / 2, size / 4), point(size / 1.5, size / 4), point(size / 2, size / 3)]
        found["polygon", size] = {"geo_polygon": mod.GeoPolygon(ring, [[*hole, hole[0]]])}
    return found


def _of_elements(mod: Any) -> dict[Any, Any]:
    """Conditions on single elements of arrays, each with nested indexes for all of its own conditions."""
    condition, filter, within = mod.FieldCondition, mod.Filter, mod.NestedCondition

    def has(key: str, value: Any) -> Any:
        return condition(key, match=mod.MatchValue(value))

    large = condition("n", range=mod.RangeFloat(gte=2))
    near = condition("g", geo_radius=mod.GeoRadius(mod.GeoPoint(0.0, 0.0), 9e6))
    words = condition("t", match=mod.MatchText("w1"))
    return {
        ("arr[]", "both"): within("arr", filter(must=[has("x", "a"), large])),
        ("arr[]", "not"): within("arr", filter(must=[has("x", "a")], must_not=[large])),
        ("arr[]", "any"): within("arr", filter(should=[near, words, mod.IsNullCondition("p")])),
        ("arr[]", "mixed"): within("arr", filter(must=[large], should=[mod.IsEmptyCondition("f"), has("x", "b")])),
        ("arr[]", "one of"): within("arr[]", filter(min_should=mod.MinShould([has("x", "c"), large, words], 2))),
        ("o.in[]", "not"): within("o.in", filter(must_not=[has("z", 3)])),
    }


def passing(mod: Any, shard: Any, condition: Any) -> list[Any]:
    """Ids of the points that pass a condition."""
    request = mod.ScrollRequest(limit=100_000, filter=mod.Filter(must=[condition]), with_payload=False)
    return sorted(record.id for record in shard.scroll(request)[0])


def answers(mod: Any, shard: Any) -> dict[Any, Any]:
    """What a shard says to many questions, each of which some index can answer."""
    found: dict[Any, Any] = {name: passing(mod, shard, test) for name, test in conditions(mod).items()}
    for field in ("kw", "i", "il", "u", "b", "arr[].x", "arr[].n", "arr[].p", "arr[].u", "arr[].b", "o.many[]"):
        response = shard.facet(mod.FacetRequest(field, limit=50, exact=True))
        found["facet", field] = [(hit.value, hit.count) for hit in response.hits]
    for field in ("i", "f", "d", "arr[].n", "arr[].f", "arr[].d", "o.many[]"):
        for direction in (mod.Direction.Asc, mod.Direction.Desc):
            request = mod.ScrollRequest(limit=200, order_by=mod.OrderBy(field, direction), with_payload=False)
            found["order", field, str(direction)] = [r.order_value for r in shard.scroll(request)[0]]
    found["info"] = {
        field: info.points for field, info in shard.info().payload_schema.items() if field not in NESTED_TEXTS
    }
    return found


def scores(mod: Any, shard: Any) -> dict[Any, Any]:
    """Points and BM25 scores of some text queries."""
    found = {}
    for field in ("ts", "tps", "arr[].t"):
        for text in QUERIES:
            request = mod.QueryRequest(limit=10_000, query=mod.TextQuery(field, text))
            found[field, text] = {point.id: point.score for point in shard.query(request)}
    return found


def state(shard: Path) -> dict[str, Any]:
    """Inode, size and content of every index file; of the large ones, flags and pages, the beginning, which is used."""

    def content(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.md5(file.read(1 << 18)).hexdigest()

    return {
        str(path.relative_to(shard)): (path.stat().st_ino, path.stat().st_size, content(path))
        for path in shard.glob("segments/*/payload_index/**/*")
        if path.is_file() and path.name != "tracker_journal.dat"  # which the other engine replays when it loads
    }


def copy_of(shard: Path, to: Path) -> Path:
    """A copy of a closed shard; holes in its files stay holes."""
    subprocess.run(["cp", "-r", "--sparse=always", shard, to], check=True)
    return to
