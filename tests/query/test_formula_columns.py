"""A formula over many points reads columns, over few payloads; both give the same value or the same refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edgeshard as m
from edgeshard.query.scope import Scope

VALUES: list[Any] = [
    1, 2.5, [3], [4.5], [[5]], [1, 2], [6, None], [7, {"a": 1}], [8, "x"], [9, True], [10, [11]], [], None, True, "12",
    {"a": 1}, 2**64 - 1, -(2**63), "2024-01-01", ["2024-01-02"], ["2024-01-03", 5], "MISSING",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["Variable", "DatetimeKey"])
@pytest.mark.parametrize("several", [False, True], ids=["single", "lists"])
@pytest.mark.parametrize("default", [False, True])
def test_columns_and_payloads_agree(kind: str, several: bool, default: bool, tmp_path: Path) -> None:
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(1, m.Distance.Dot))
    key: Any = 7.0 if kind == "Variable" else "2020-01-01"
    formula = m.Formula(getattr(m.Expression, kind)("v"), {"v": key} if default else {})
    filler: Any = 1 if kind == "Variable" else "2024-01-01"
    points = [m.Point(n, [1.0], {} if v == "MISSING" else {"v": v}) for n, v in enumerate(VALUES)]
    if not several:  # then the column has one entry per point at most
        points = [point for point in points if not isinstance((point.payload or {}).get("v"), list)]
    specials = [point.id for point in points]
    points += [m.Point(n, [1.0], {"v": filler}) for n in range(100, 200)]
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(m.UpdateOperation.upsert_points(points))
        for point_id in specials:
            alone = answer(shard, formula, point_id, {point_id})
            assert alone == answer(shard, formula, point_id, {point_id, *range(100, 200)}), VALUES[point_id]


PLACES: list[Any] = [
    {"lon": 10.0, "lat": 50.0}, {"lon": -170, "lat": -80.5}, {"lon": 10.0, "lat": 50.0, "name": "x"}, [10.0, 50.0],
    [10, 50], {"lon": 181.0, "lat": 0.0}, {"lon": 0.0, "lat": -91.0}, {"lon": "10", "lat": 50.0}, {"lat": 50.0},
    [{"lon": 1, "lat": 2}], [{"lon": 1, "lat": 2}, {"lon": 3, "lat": 4}], [], None, 5, "x", "MISSING",
]  # fmt: skip


@pytest.mark.parametrize("several", [False, True], ids=["single", "lists"])
@pytest.mark.parametrize("default", [False, True])
def test_distances_from_columns_and_payloads_agree(several: bool, default: bool, tmp_path: Path) -> None:
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(1, m.Distance.Dot))
    distance = m.Expression.GeoDistance(m.GeoPoint(13.4, 52.5), "v")
    formula = m.Formula(distance, {"v": {"lon": 0, "lat": 0}} if default else {})
    points = [m.Point(n, [1.0], {} if v == "MISSING" else {"v": v}) for n, v in enumerate(PLACES)]
    if not several:
        points = [point for point in points if not isinstance((point.payload or {}).get("v"), list)]
    specials = [point.id for point in points]
    points += [m.Point(n, [1.0], {"v": {"lon": n, "lat": n - 120}}) for n in range(100, 180)]
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(m.UpdateOperation.upsert_points(points))
        for point_id in [*specials, 100, 150]:
            alone = answer(shard, formula, point_id, {point_id})
            assert alone == answer(shard, formula, point_id, {point_id, *range(100, 180)}), point_id


def test_distances_of_many_points_read_no_payloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(1, m.Distance.Dot))
    formula = m.Formula(m.Expression.GeoDistance(m.GeoPoint(13.4, 52.5), "v"), {})
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        points = [m.Point(n, [1.0], {"v": {"lon": n / 2, "lat": n / 4}}) for n in range(200)]
        shard.update(m.UpdateOperation.upsert_points(points))
        monkeypatch.delattr(Scope, "decoded")
        below = m.Prefetch(200, m.Query.Nearest([1.0]))
        assert len(shard.query(m.QueryRequest(500, query=formula, prefetches=[below]))) == 200


def answer(shard: m.EdgeShard, formula: m.Formula, point_id: Any, among: set[Any]) -> float | str:
    """The score of a point among some, or the refusal."""
    below = m.Prefetch(500, m.Query.Nearest([1.0]), filter=m.Filter(must=[m.HasIdCondition(among)]))
    try:
        found = shard.query(m.QueryRequest(500, query=formula, prefetches=[below]))
    except m.ValidationError as error:
        return str(error)
    return next(point.score for point in found if point.id == point_id)
