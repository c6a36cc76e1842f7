"""What an index makes of values and conditions that are not of its type: as in qdrant-edge-py, in every segment."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard

NAN, INF = float("nan"), float("inf")
ID = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 1.5, -0.5, 2**63 - 1, 2**63, 2**64 - 1, 1e20, -1e20, -(2**63), "", "1", "a", "b",
    "Hello World", "hello", "2020-01-01", "1970-01-01T00:00:00.000001Z", "1960-01-01", str(ID), str(ID).upper(),
    ID.hex, ID.urn, str(uuid.UUID(int=7)), [], [None], [1], [1, 2], ["a", "b"], ["a", 1, True, None], [[1]], {},
    [1.0], [1.5, "a"], [True, False], {"lon": 0, "lat": 0}, {"lon": 200, "lat": 0}, [{"lon": 1, "lat": 1}, 5],
    [str(ID), "a"], [2.0, "2020-01-01"], 1577836800000000, [None, "a"], [None, 1], ["hello", "world"],
]  # fmt: skip
KINDS = ("keyword", "integer", "lookup", "range", "float", "datetime", "uuid", "bool", "geo", "text")


def schema(mod: Any, kind: str, nested: str | None = None) -> Any:
    """The parameters of an index."""
    options: dict[str, Any] = {"nested": nested}
    if kind in ("lookup", "range"):
        return mod.IntegerIndexParams(lookup=kind == "lookup", range=kind == "range", **options)
    return getattr(mod, f"{kind.capitalize()}IndexParams")(**options)


def clauses(mod: Any) -> list[dict[str, Any]]:
    """Clauses of field conditions; combinations of several at the end."""
    match = [mod.MatchValue(value) for value in ("a", "1", 0, 1, 2, 2**63 - 1)]
    lists: list[list[Any]] = [["a"], ["a", "b"], [str(ID)], ["a", str(ID)], [1], [1, 2], [1, 1], [99], []]
    match += [mod.MatchAny(values) for values in lists] + [mod.MatchExcept(values) for values in lists]
    texts = (mod.MatchText, mod.MatchTextAny, mod.MatchPhrase, mod.MatchPrefix, mod.MatchSubstring)
    match += [kind(text) for kind in texts for text in ("hello", "hello world", "a")]
    bounds = [-INF, -1e19, -(2.0**63), -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0**63, 1e19, INF]
    ranges = [mod.RangeFloat(), mod.RangeDateTime()]
    ranges += [mod.RangeFloat(**{side: bound}) for side in ("gte", "gt", "lte", "lt") for bound in bounds]
    dates = ["1950-01-01", "1970-01-01", "1970-01-01T00:00:00.000001Z", "2020-01-01", "2050-01-01"]
    ranges += [mod.RangeDateTime(**{side: date}) for side in ("gte", "gt", "lte", "lt") for date in dates]
    at = mod.GeoPoint
    shapes: list[dict[str, Any]] = [
        {"geo_radius": mod.GeoRadius(at(0.0, 0.0), 1e6)},
        {"geo_bounding_box": mod.GeoBoundingBox(at(-20.0, 20.0), at(20.0, -20.0))},
    ]
    flags: list[dict[str, Any]] = [{name: flag} for name in ("is_empty", "is_null") for flag in (True, False)]
    counts = [{"values_count": mod.ValuesCount(gte=2)}]
    single = [{"match": one} for one in match] + [{"range": one} for one in ranges] + shapes + flags + counts
    some = [
        {"match": mod.MatchValue("a")}, {"match": mod.MatchValue(1)}, {"match": mod.MatchExcept(["a"])},
        {"match": mod.MatchText("hello")}, {"range": mod.RangeFloat(gt=1)},
        {"range": mod.RangeDateTime(gte="2020-01-01")}, shapes[0], {"is_empty": False}, {"is_null": True}, counts[0],
    ]  # fmt: skip
    pairs = [{**one, **two} for one, two in itertools.combinations(some, 2) if one.keys() != two.keys()]
    return single + pairs


def make(mod: Any, path: Path, *, optimised: bool) -> Any:
    """A shard with every value under every kind of index, and in the elements of arrays with nested ones."""
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1) if optimised else None
    config = mod.EdgeConfig(vectors=mod.EdgeVectorParams(64, mod.Distance.Dot), optimizers=optimizers)
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), config)
    for kind in KINDS:
        shard.update(mod.UpdateOperation.create_field_index(kind, schema(mod, kind)))
        shard.update(mod.UpdateOperation.create_field_index(f"each.{kind}[]", schema(mod, kind)))
        shard.update(mod.UpdateOperation.create_field_index(f"arr[].{kind}", schema(mod, kind, "arr")))
    points = []
    for number, value in enumerate(VALUES):
        other = VALUES[(number * 7 + 3) % len(VALUES)]
        payload: dict[str, Any] = dict.fromkeys(KINDS, value)
        payload["each"] = {kind: [value, other] if number % 3 else value for kind in KINDS}
        payload["arr"] = [dict.fromkeys(KINDS, value), dict.fromkeys(KINDS, other), {}, 5][: number % 5]
        points.append(mod.Point(number, [float((number * place) % 5) for place in range(64)], payload))
    points.append(mod.Point(len(VALUES), [1.0] * 64, {"arr": None}))
    points += [mod.Point(1000 + number, [1.0] * 64, {}) for number in range(60 if optimised else 1)]
    shard.update(mod.UpdateOperation.upsert_points(points))
    if optimised:
        shard.optimize()
    return shard


def conditions(mod: Any, kind: str) -> list[Any]:
    """Every clause about a field, about an array's items, and about elements from outside and from inside."""
    field, found = mod.FieldCondition, []
    for one in clauses(mod):
        found += [field(kind, **one), field(f"each.{kind}[]", **one), field(f"arr[].{kind}", **one)]
        # Where Qdrant takes the values of an element from the payload it asks for all clauses, else for one.
        if len(one) == 1:
            found.append(mod.NestedCondition("arr", mod.Filter(must=[field(kind, **one)])))
            found.append(mod.NestedCondition("arr", mod.Filter(must_not=[field(kind, **one)])))
    for path in (kind, f"each.{kind}[]", f"arr[].{kind}"):
        found += [mod.IsEmptyCondition(path), mod.IsNullCondition(path)]
    return found


def passing(mod: Any, shard: Any, filter: Any) -> list[Any]:
    request = mod.ScrollRequest(limit=10_000, filter=filter, with_payload=False)
    return [record.id for record in shard.scroll(request)[0]]


def compare(path: Path, step: int, *, optimised: bool) -> int:
    """Ask both engines every `step`-th question; how many these were."""
    engines = {mod: make(mod, path / mod.__name__, optimised=optimised) for mod in (edgeshard, qdrant_edge)}
    compared = 0
    for number, kind in enumerate(KINDS):
        asked = [conditions(mod, kind)[number % step :: step] for mod in engines]
        for ours, theirs in zip(*asked, strict=True):
            found = passing(edgeshard, engines[edgeshard], edgeshard.Filter(must=[ours]))
            assert found == passing(qdrant_edge, engines[qdrant_edge], qdrant_edge.Filter(must=[theirs])), ours
            compared += 1
    for shard in engines.values():
        shard.close()
    return compared


@pytest.mark.parametrize("optimised", [False, True])
def test_same_points_whatever_the_index(optimised: bool, tmp_path: Path) -> None:
    assert compare(tmp_path, 5, optimised=optimised) > 1000


@pytest.mark.long
@pytest.mark.parametrize("optimised", [False, True])
def test_every_question(optimised: bool, tmp_path: Path) -> None:
    assert compare(tmp_path, 1, optimised=optimised) > 5000


def test_a_text_that_is_a_uuid_is_found_under_an_index_of_numbers(tmp_path: Path) -> None:
    """0.9.0 finds it neither in ``must`` nor in ``must_not``."""
    shard = make(edgeshard, tmp_path / "shard", optimised=False)
    for kind in ("integer", "float", "datetime"):
        condition = edgeshard.FieldCondition(kind, match=edgeshard.MatchValue(str(ID)))
        found = passing(edgeshard, shard, edgeshard.Filter(must=[condition]))
        assert found == [number for number, value in enumerate(VALUES) if value == str(ID) or value == [str(ID), "a"]]
    shard.close()


def test_every_bound_of_a_range_counts_under_an_index(tmp_path: Path) -> None:
    """0.9.0 goes by ``gt`` or ``lt`` alone where it reads the index first, and by all bounds where it checks points."""
    shard = make(edgeshard, tmp_path / "shard", optimised=True)
    condition = edgeshard.FieldCondition("integer", range=edgeshard.RangeFloat(gt=-5, gte=1, lt=9, lte=1))
    found = passing(edgeshard, shard, edgeshard.Filter(must=[condition]))
    assert found == [
        n
        for n, value in enumerate(VALUES)
        if value in (1, [1], [1, 2], [None, 1], ["a", 1, True, None]) and value is not True
    ]
    shard.close()
