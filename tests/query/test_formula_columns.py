"""A formula over many points reads columns, over few payloads; both give the same value or the same refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edgeshard as m

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
    fillers: Any = 1 if kind == "Variable" else "2024-01-01"
    for value in VALUES:
        with m.EdgeShard.create(tmp_path / str(len(list(tmp_path.iterdir()))), config) as shard:
            payload = {} if value == "MISSING" else {"v": value}
            others = [m.Point(n, [1.0], {"v": fillers}) for n in range(2, 100)]
            if several:
                others.append(m.Point(100, [1.0], {"v": [fillers] * 2}))
            shard.update(m.UpdateOperation.upsert_points([m.Point(1, [1.0], payload), *others]))
            answers = []
            for low in (1, 2):  # alone, and among 98 others
                chosen = m.Filter(must=[m.HasIdCondition({1} if low == 1 else set(range(1, 100)))])
                below = m.Prefetch(200, m.Query.Nearest([1.0]), filter=chosen)
                try:
                    found = shard.query(m.QueryRequest(200, query=formula, prefetches=[below]))
                    answers.append(next(point.score for point in found if point.id == 1))
                except m.ValidationError as error:
                    answers.append(str(error))
            assert answers[0] == answers[1], value
