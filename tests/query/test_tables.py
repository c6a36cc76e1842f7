"""Points as Arrow tables and pandas frames."""

from __future__ import annotations

import uuid

import pytest

import edgeshard as m

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pandas")


def scored(point_id: int | uuid.UUID, **rest: object) -> m.ScoredPoint:
    return m.ScoredPoint(point_id, 7, 0.5, **rest)  # type: ignore[arg-type]


def test_types_of_columns() -> None:
    points = [
        scored(1, payload={"n": 1, "mixed": 1, "tags": ["a"]}, vector={"a": [1.0, 2.0], "m": [[1.0], [2.0]]}),
        scored(2, payload={"n": 2, "mixed": "x", "deep": {"k": 1.5}}, vector={"s": m.SparseVector([3], [4.0])}),
    ]
    table = m.to_arrow(points)
    assert table.schema.field("id").type == pa.uint64()
    assert table.schema.field("score").type == pa.float32()
    assert table.schema.field("payload.n").type == pa.int64()
    assert table.column("payload.mixed").to_pylist() == ["1", '"x"']
    assert table.column("payload.deep").to_pylist() == [None, {"k": 1.5}]
    assert table.schema.field("vector.a").type == pa.list_(pa.float32(), 2)
    assert table.column("vector.m").to_pylist() == [[[1.0], [2.0]], None]
    assert table.column("vector.s").to_pylist() == [None, {"indices": [3], "values": [4.0]}]


def test_records_and_uuids() -> None:
    key = uuid.UUID(int=5)
    frame = m.to_pandas([m.Record(key, {"when": "2024-01-01"}, [1.0, 2.0], 3), m.Record(1)])
    assert list(frame.columns) == ["id", "order_value", "payload.when", "vector"]
    assert frame["id"].tolist() == [str(key), "1"]


def test_values_of_one_type_that_arrow_cannot_hold() -> None:
    table = m.to_arrow([scored(1, payload={"l": [1, "a"]}), scored(2, payload={"l": [2**64 - 1, None]})])
    assert table.column("payload.l").to_pylist() == ['[1, "a"]', "[18446744073709551615, null]"]


def test_no_points() -> None:
    assert m.to_arrow([]).num_rows == 0
    assert m.to_pandas([]).shape[0] == 0


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'edgeshard\[arrow\]'"):
        m.to_arrow([])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (None, "expected a list, got NoneType"),
        ("abc", "expected a list, got str"),
        ([1], "all ScoredPoint or all Record, got int"),
        ([{}], "got dict"),
    ],
)
def test_other_things_are_no_points(points: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        m.to_arrow(points)  # type: ignore[arg-type]
