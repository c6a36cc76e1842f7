"""Whether one point passes a filter: the definition of what filters mean.

`compile_filter` turns a filter into a predicate over a `PointView`; everything that does not depend on the
point (paths, dates, tokens of a query text) is worked out once. `edgeshard.filter.evaluate` answers the same
questions for all points at a time and is tested against this module.

A filter is ``should ∧ min_should ∧ must ∧ must_not``; a clause that is None or empty says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from edgeshard._native import slice_hash
from edgeshard.filter.values import count_test, is_empty, is_null, value_tests, values_count
from edgeshard.models.filters import (
    Condition,
    FieldCondition,
    Filter,
    HasIdCondition,
    HasVectorCondition,
    IsEmptyCondition,
    IsNullCondition,
    NestedCondition,
    SliceCondition,
)
from edgeshard.models.paths import parse_path

__all__ = ["PointView", "Predicate", "compile_condition", "compile_filter"]


class PointView(Protocol):
    """What a filter may ask about a point."""

    @property
    def id(self) -> Any:
        """The point's id, an int or a UUID; None inside of a nested condition."""

    @property
    def payload(self) -> Any:
        """The decoded payload, a dict."""

    def has_vector(self, name: str) -> bool:
        """Whether the point has the vector `name` ("" is the unnamed one)."""


Predicate: TypeAlias = Callable[[PointView], bool]


def compile_filter(filter: Filter) -> Predicate:
    """The predicate of a ``Filter``."""
    parts: list[Predicate] = []
    if filter.must:
        parts.append(_all_of(_compile_each(filter.must)))
    if filter.must_not:
        parts.append(_none_of(_compile_each(filter.must_not)))
    if filter.should:
        parts.append(_at_least(_compile_each(filter.should), 1))
    if filter.min_should is not None:
        wanted = filter.min_should.min_count
        parts.append(_at_least(_compile_each(filter.min_should.conditions), wanted))
    return parts[0] if len(parts) == 1 else _all_of(parts)


def compile_condition(condition: Condition) -> Predicate:
    """The predicate of any condition, a ``Filter`` included."""
    return _COMPILERS[type(condition)](condition)


def _compile_each(conditions: Sequence[Condition]) -> list[Predicate]:
    return [compile_condition(condition) for condition in conditions]


def _all_of(parts: list[Predicate]) -> Predicate:
    return lambda view: all(part(view) for part in parts)


def _none_of(parts: list[Predicate]) -> Predicate:
    return lambda view: not any(part(view) for part in parts)


def _at_least(parts: list[Predicate], wanted: int) -> Predicate:
    def passes(view: PointView) -> bool:
        missing = wanted
        for part in parts:
            if missing <= 0:
                break
            missing -= part(view)
        return missing <= 0

    return passes


def _compile_field(condition: FieldCondition) -> Predicate:
    """A field condition: counts first, then emptiness, then null, else any clause for any value."""
    path = parse_path(condition.key)
    if condition.values_count is not None:
        passes = count_test(condition.values_count)
        return lambda view: any(passes(values_count(v)) for v in path.lookup(view.payload) or [None])
    if condition.is_empty is not None:
        wanted = bool(condition.is_empty)
        return lambda view: any(is_empty(v) == wanted for v in path.lookup(view.payload) or [None])
    if condition.is_null is not None:
        null = bool(condition.is_null)
        return lambda view: any(is_null(v) == null for v in path.lookup(view.payload) or [False])
    tests = value_tests(condition)
    return lambda view: any(test(v) for v in path.lookup(view.payload) for test in tests)


def _compile_is_empty(condition: IsEmptyCondition) -> Predicate:
    path = parse_path(condition.key)
    return lambda view: all(is_empty(value) for value in path.lookup(view.payload))


def _compile_is_null(condition: IsNullCondition) -> Predicate:
    path = parse_path(condition.key)
    return lambda view: any(is_null(value) for value in path.lookup(view.payload))


def _compile_has_id(condition: HasIdCondition) -> Predicate:
    ids = condition._ids
    return lambda view: view.id in ids


def _compile_has_vector(condition: HasVectorCondition) -> Predicate:
    name = condition.vector
    return lambda view: view.has_vector(name)


def _compile_slice(condition: SliceCondition) -> Predicate:
    total, index = condition.total, condition.index

    def passes(view: PointView) -> bool:
        if view.id is None:
            return False
        data = view.id.to_bytes(8, "little") if isinstance(view.id, int) else view.id.bytes
        return bool(slice_hash(data) % total == index)

    return passes


class _ElementView:
    """A view of one array element inside of a nested condition: it has no id and no vectors."""

    __slots__ = ("payload",)

    id = None

    def __init__(self, payload: Any) -> None:
        self.payload = payload

    def has_vector(self, name: str) -> bool:
        return False


def _compile_nested(condition: NestedCondition) -> Predicate:
    path = parse_path(condition.key).elements()
    inner = compile_filter(condition.filter)

    def passes(view: PointView) -> bool:
        elements = path.lookup(view.payload)
        return any(inner(_ElementView(element)) for element in elements if isinstance(element, dict))

    return passes


_COMPILERS: dict[type, Callable[[Any], Predicate]] = {
    FieldCondition: _compile_field,
    IsEmptyCondition: _compile_is_empty,
    IsNullCondition: _compile_is_null,
    HasIdCondition: _compile_has_id,
    HasVectorCondition: _compile_has_vector,
    SliceCondition: _compile_slice,
    NestedCondition: _compile_nested,
    Filter: compile_filter,
}
