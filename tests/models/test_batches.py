"""Points as columns."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest

from edgeshard import UpdateOperation
from edgeshard.errors import ValidationError
from edgeshard.models.updates import MultiBatch, SparseBatch, UpsertBatch

ROWS = np.arange(6, dtype=np.float64).reshape(3, 2)


def batch(ids: Any, vectors: Any, payloads: Any = None) -> UpsertBatch:
    """The operation, as its private class."""
    operation = UpdateOperation.upsert_batch(ids, vectors, payloads)
    assert isinstance(operation, UpsertBatch)
    return operation


@pytest.mark.parametrize("ids", [[5, 6, 7], np.array([5, 6, 7], np.int32), range(5, 8), pandas.Series([5, 6, 7])])
def test_integer_ids_become_one_array(ids: Any) -> None:
    operation = batch(ids, ROWS)
    assert isinstance(operation.ids, np.ndarray)
    assert operation.ids.dtype == np.uint64
    assert operation.ids.tolist() == [5, 6, 7]
    np.testing.assert_array_equal(operation.vectors[""], ROWS.astype(np.float32))  # type: ignore[arg-type]


def test_ids_may_be_mixed() -> None:
    name = uuid.uuid4()
    assert batch([1, str(name), name], ROWS).ids == [1, name, name]


def test_sparse_column() -> None:
    column = (np.array([0, 2, 2, 3]), [4, 1, 9], [0.5, 1, 2])
    sparse = batch([1, 2, 3], {"s": column}).vectors["s"]
    assert isinstance(sparse, SparseBatch)
    assert (sparse.indptr.tolist(), sparse.indices.tolist()) == ([0, 2, 2, 3], [4, 1, 9])
    assert sparse.values.dtype == np.float32


def test_scipy_like_column() -> None:
    class Csr:
        indptr, indices, data = np.array([0, 1]), np.array([3]), np.array([1.0])

    assert isinstance(batch([1], {"s": Csr()}).vectors["s"], SparseBatch)


@pytest.mark.parametrize("column", [([0, 1, 3], ROWS), [ROWS[:1], ROWS[1:]], [ROWS[:1].tolist(), ROWS[1:].tolist()]])
def test_multi_column(column: Any) -> None:
    multi = batch([1, 2], {"m": tuple(column) if isinstance(column, tuple) else column}).vectors["m"]
    assert isinstance(multi, MultiBatch)
    assert multi.indptr.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(multi.rows, ROWS)


def test_equal_multi_vectors_as_a_cube() -> None:
    multi = batch([1, 2], {"m": np.ones((2, 3, 4))}).vectors["m"]
    assert isinstance(multi, MultiBatch)
    assert multi.indptr.tolist() == [0, 3, 6]


def test_payloads_of_many_kinds() -> None:
    payloads = [{"a": 1}, b'{ "a" : 1.0 }', '{"b":null}']
    assert batch([1, 2, 3], ROWS, payloads).payloads == [b'{"a":1}', b'{"a":1.0}', b'{"b":null}']
    assert batch([1, 2, 3], ROWS, [None, {}, None]).payloads == [None, b"{}", None]


def test_arrow_and_pandas_payloads() -> None:
    table = pyarrow.table({"n": [1, None, 3], "t": [["x"], [], None], "d": [datetime.date(2024, 1, 31), None, None]})
    expected = [b'{"n":1,"t":["x"],"d":"2024-01-31"}', b'{"t":[]}', b'{"n":3}']
    assert batch([1, 2, 3], ROWS, table).payloads == expected
    assert batch([1, 2, 3], ROWS, table.to_batches()[0]).payloads == expected
    frame = pandas.DataFrame({"s": ["a", None, "c"], "n": [1, 2, 3]})
    assert batch([1, 2, 3], ROWS, frame).payloads == [b'{"s":"a","n":1}', b'{"n":2}', b'{"s":"c","n":3}']


class Stream:
    """A frame of another library, such as Polars: `columns` and `to_dict`, and Arrow's PyCapsule interface."""

    def __init__(self, table: pyarrow.Table) -> None:
        self._table = table
        self.columns = table.column_names
        self.to_dict = table.to_pydict

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_payloads_of_any_frame_that_speaks_arrow() -> None:
    frame = Stream(pyarrow.table({"n": [1, None], "t": ["x", "y"]}))
    operation = UpdateOperation.upsert_batch([1, 2], [[1.0], [2.0]], frame)
    expected = UpdateOperation.upsert_batch([1, 2], [[1.0], [2.0]], [{"n": 1, "t": "x"}, {"t": "y"}])
    assert operation == expected


@pytest.mark.parametrize(
    ("ids", "vectors", "payloads", "error"),
    [
        ([1, 2], ROWS, None, ValidationError),
        ([1, 2, 3], ROWS, [{}], ValidationError),
        ([1, 2, 3], ROWS * np.nan, None, ValidationError),
        ([1, 2, 3], ROWS[0], None, TypeError),
        ([-1, 2, 3], ROWS, None, TypeError),
        (np.array([-1, 2, 3]), ROWS, None, TypeError),
        (np.array([1.0, 2, 3]), ROWS, None, TypeError),
        ([1, 2, 3], ROWS, ["[1]", None, None], ValidationError),
        ([1, 2, 3], ROWS, ["{", None, None], ValidationError),
        ([1, 2, 3], ROWS, {"a": 1}, TypeError),
        ([1], {"s": ([0, 2], [1, 1], [1, 2])}, None, ValidationError),
        ([1], {"s": ([0, 1], [1, 2], [1, 2])}, None, ValidationError),
        ([1], {"s": ([1, 2], [1, 2], [1, 2])}, None, ValidationError),
        ([1, 2], {"s": ([0, 3, 2], [1, 2], [1, 2])}, None, ValidationError),
        ([1], {"s": ([0, 1], [-1], [1])}, None, OverflowError),
        ([1], {"s": ([0, 1], [2**32], [1])}, None, OverflowError),
        ([1, 2], {"m": ([0, 0, 3], ROWS)}, None, ValidationError),
        ([1, 2], {"m": [ROWS, np.ones((1, 3))]}, None, ValidationError),
        ([1], {5: ROWS[:1]}, None, TypeError),
    ],
)
def test_refused(ids: Any, vectors: Any, payloads: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        batch(ids, vectors, payloads)


def test_no_rows() -> None:
    operation = batch([], np.empty((0, 4)), [])
    assert len(operation.ids) == 0
