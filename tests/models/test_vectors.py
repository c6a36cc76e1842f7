"""Vectors: what is accepted, how it is packed, what is refused."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgeshard
from edgeshard import Point, Query, SparseVector
from edgeshard.errors import ValidationError
from edgeshard.models.vectors import pack_example, pack_vectors


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000), min_size=1))
def test_a_list_is_rounded_to_float32(values: list[float]) -> None:
    packed = pack_vectors(values)
    assert isinstance(packed, np.ndarray)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(packed, np.array(values, np.float32))
    np.testing.assert_array_equal(pack_vectors(tuple(values)), packed)


NUMBERS = st.sampled_from("?bBhHiIlLfdeqQ").map(np.dtype) | st.sampled_from([np.dtype(">f4"), np.dtype(">i2")])


@given(
    NUMBERS.flatmap(lambda dtype: hnp.arrays(dtype, st.tuples(st.integers(1, 5), st.integers(1, 9)))),
    st.data(),
)
def test_arrays_of_any_number_type_and_stride(values: Any, data: st.DataObject) -> None:
    values = np.nan_to_num(values, nan=0, posinf=1, neginf=-1)
    step = data.draw(st.sampled_from([1, 2, -1, -2]))
    for view in (values[:, ::step], values[::step], values[0, ::step], values.T):
        with np.errstate(over="ignore"):
            expected = np.asarray(view, np.float32)
        if np.isfinite(expected).all():
            packed = pack_vectors(view)
            np.testing.assert_array_equal(packed, expected)
            assert packed.shape == view.shape


def generate() -> Iterator[float]:
    """Numbers without a length."""
    yield from (1.0, 2.0)


@pytest.mark.parametrize(
    "vector",
    [[1, 2], (1, 2), np.array([1, 2]), array.array("d", [1, 2]), memoryview(array.array("f", [1, 2])),
     generate, range(1, 3), [np.float32(1), True + 1], np.array([1, 2], np.float16)],
)  # fmt: skip
def test_sources(vector: Any) -> None:
    point = Point(1, vector() if callable(vector) else vector)
    assert point.vector == [1.0, 2.0]


@pytest.mark.parametrize(
    "rows", [[[1, 2], [3, 4]], ((1, 2), (3, 4)), np.arange(1, 5).reshape(2, 2), [np.array([1, 2]), [3, 4]]]
)
def test_multi_vectors(rows: Any) -> None:
    assert Point(1, rows).vector == [[1.0, 2.0], [3.0, 4.0]]
    assert Point(1, {"m": rows}).vector == {"m": [[1.0, 2.0], [3.0, 4.0]]}


def test_a_packed_vector_is_a_copy() -> None:
    source = np.ones(3, np.float32)
    point = Point(1, source)
    source[:] = 7
    assert point.vector == [1.0, 1.0, 1.0]
    assert not point._vectors.flags.writeable  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e300, 10**400, np.float32("nan")])
def test_nan_and_infinity_are_stored_only_if_allowed(bad: float) -> None:
    shapes: list[Any] = [[1.0, bad], [[1.0], [bad]], {"a": [bad]}, {"s": SparseVector([1], [bad])}]
    for vector in shapes:
        with pytest.raises(ValidationError, match="allow_nonfinite_vectors"):
            Point(1, vector)
    edgeshard.options.allow_nonfinite_vectors = True
    try:
        for vector in shapes:
            Point(1, vector)
    finally:
        edgeshard.options.allow_nonfinite_vectors = False


def test_a_query_may_hold_nan_and_repeat_indices() -> None:
    assert np.isnan(pack_example([float("nan")])).all()  # type: ignore[arg-type]
    assert Query.Nearest(SparseVector([1, 1], [1, 2]), "s").query.indices == [1, 1]


@pytest.mark.parametrize(
    ("vector", "error"),
    [
        (None, TypeError), ("12", TypeError), (["1"], TypeError), ([None], TypeError),
        (5, TypeError),
        ([[1], 2], TypeError), ([1, [2]], TypeError), ({1: [1]}, TypeError), (np.array(["a"]), TypeError),
        (np.ones((1, 1, 1)), TypeError), (np.array([1j]), TypeError), (SparseVector([1], [1]), TypeError),
        ({"a": {"b": [1]}}, TypeError), ([[1, 2], [3]], ValidationError), ([[]], ValidationError),
        ([[], []], ValidationError), (np.ones((0, 3)), ValidationError), (np.ones((3, 0)), ValidationError),
        ({"s": SparseVector([5, 2, 5], [1, 2, 3])}, ValidationError),
    ],
)  # fmt: skip
def test_refused(vector: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Point(1, vector)


class Shrinking:
    """A number whose conversion empties the list it is in."""

    def __init__(self, owner: list[Any]) -> None:
        self.owner = owner

    def __float__(self) -> float:
        self.owner.clear()
        return 1.0


def test_a_list_that_changes_while_it_is_read() -> None:
    flat: list[Any] = []
    flat += [Shrinking(flat), 2, 3]
    with pytest.raises(TypeError, match="changed"):
        Point(1, flat)
    rows: list[Any] = []
    rows += [[Shrinking(rows)], [2.0], [3.0]]
    with pytest.raises(TypeError, match="changed"):
        Point(1, rows)


@pytest.mark.parametrize(
    ("indices", "values", "error"),
    [([-1], [1], OverflowError), ([2**32], [1], OverflowError), ([2**70], [1], OverflowError),
     ([1.0], [1], TypeError), (["a"], [1], TypeError), ([[1]], [1], TypeError), ([1], [[1]], TypeError),
     ([1, 2], [1], ValidationError), ("1", [1], TypeError)],
)  # fmt: skip
def test_sparse_refused(indices: Any, values: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        SparseVector(indices, values)


def test_sparse_keeps_order_and_types() -> None:
    vector = SparseVector(np.array([7, 2], np.int8), (0.5, 1))
    assert vector.indices == [7, 2]
    assert vector.values == [0.5, 1.0]
    assert vector._indices.dtype == np.uint32
    assert SparseVector([], []).indices == []
