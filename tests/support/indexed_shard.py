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
    if rng.random() < 0.8:
        payload["arr"] = [
            rng.choice([{"x": rng.choice("abc"), "n": rng.randint(0, 5), "t": text()}, {"n": [1, 2]}, {}, 5])
            for _ in range(rng.randint(0, 4))
        ]
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
    for text in ("k", "k1", "ü", ""):
        found["prefix", text] = condition("kw", match=mod.MatchPrefix(text))
    for field in ("il", "i", "arr[].n"):
        for number in range(-2, 6):
            found[field, number] = condition(field, match=mod.MatchValue(number))
        found[field, "any"] = condition(field, match=mod.MatchAny([-3, 2, 4, 9]))
    for low, high in ((-50, 50), (0, 3), (9.5, 80)):
        found["f", low] = condition("f", range=mod.RangeFloat(gte=low, lt=high))
        for field in ("i", "arr[].n"):
            found[field, low, high] = condition(field, range=mod.RangeFloat(gt=low, lte=high))
    found["i", "open"] = condition("i", range=mod.RangeFloat(gte=-20.5))
    dates = mod.RangeDateTime(gte="2024-01-05T00:00:00Z", lt="2024-01-15")
    found["d", "range"] = condition("d", range=dates)
    for number in range(10):
        found["u", number] = condition("u", match=mod.MatchValue(str(uuid.UUID(int=number))))
    centre = mod.GeoPoint(0.0, 0.0)
    found["g", "radius"] = condition("g", geo_radius=mod.GeoRadius(centre, 3e6))
    found["g", "half"] = condition("g", geo_radius=mod.GeoRadius(mod.GeoPoint(-170.0, 0.0), 9e6))
    box = mod.GeoBoundingBox(mod.GeoPoint(-100.0, 50.0), mod.GeoPoint(80.0, -20.0))
    found["g", "box"] = condition("g", geo_bounding_box=box)
    for field in ("t", "ts", "tp", "tps", "arr[].t"):
        for text in QUERIES:
            found[field, text] = condition(field, match=mod.MatchText(text))
            found[field, text, "any"] = condition(field, match=mod.MatchTextAny(text))
            found[field, text, "phrase"] = condition(field, match=mod.MatchPhrase(text))
    for field in ("kw", "f", "g", "b", "tp"):
        found[field, "empty"] = mod.IsEmptyCondition(field)
        found[field, "null"] = mod.IsNullCondition(field)
    return found


def passing(mod: Any, shard: Any, condition: Any) -> list[Any]:
    """Ids of the points that pass a condition."""
    request = mod.ScrollRequest(limit=100_000, filter=mod.Filter(must=[condition]), with_payload=False)
    return sorted(record.id for record in shard.scroll(request)[0])


def answers(mod: Any, shard: Any) -> dict[Any, Any]:
    """What a shard says to many questions, each of which some index can answer."""
    found: dict[Any, Any] = {name: passing(mod, shard, test) for name, test in conditions(mod).items()}
    for field in ("kw", "i", "il", "u", "b", "arr[].x", "arr[].n"):
        response = shard.facet(mod.FacetRequest(field, limit=50, exact=True))
        found["facet", field] = [(hit.value, hit.count) for hit in response.hits]
    for field in ("i", "f", "d"):
        for direction in (mod.Direction.Asc, mod.Direction.Desc):
            request = mod.ScrollRequest(limit=200, order_by=mod.OrderBy(field, direction), with_payload=False)
            found["order", field, str(direction)] = [r.order_value for r in shard.scroll(request)[0]]
    found["info"] = {
        field: info.points
        for field, info in shard.info().payload_schema.items()
        if field != "arr[].t"  # 0.9.0 counts fewer than have a token once such an index is immutable
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
