"""The points of a segment that pass a filter, all at once.

Same answers as `edgeshard.filter.check`, from columns instead of payloads. Cheap conditions go first, and a
conjunction that has no candidate left is not continued. Nothing here changes shared state except through the
columns, which guard themselves: any number of threads may evaluate.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.filter.check import compile_condition, compile_filter
from edgeshard.filter.column_masks import field_mask, is_empty_mask, is_null_mask
from edgeshard.filter.column_store import DEAD
from edgeshard.filter.columns import PayloadColumns
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
from edgeshard.models.paths import JsonPath, parse_path

__all__ = ["FilterContext", "PayloadIndex", "evaluate", "evaluate_few", "evaluate_offsets"]

Mask: TypeAlias = "NDArray[np.bool_]"
Offsets: TypeAlias = "NDArray[np.uint32]"
IdArrays: TypeAlias = "tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]"

_FEW = 64
"""So few candidates are rather checked one by one than by reading a column of all points."""


class PayloadIndex(Protocol):
    """An index that can answer conditions on its path."""

    @property
    def nested(self) -> JsonPath | None:
        """The array whose elements the index is about; None if it is about points."""

    def mask(self, condition: Condition, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass `condition`, fresh; None if this index cannot tell."""

    def elements(self, condition: Condition) -> tuple[Mask, Offsets] | None:
        """Which elements of a nested index pass, and the point of each; None if this index cannot tell."""

    def offsets(self, condition: Condition, count: int) -> Offsets | None:
        """The points that pass, ascending and fresh; None if these are many or this index cannot tell."""


class FilterContext(Protocol):
    """What the filter asks a segment."""

    @property
    def count(self) -> int:
        """Number of offsets."""

    @property
    def columns(self) -> PayloadColumns:
        """The payloads."""

    def offsets_of(self, ids: list[int | uuid.UUID]) -> Offsets:
        """The offsets of those of `ids` that are here."""

    def ids_arrays(self) -> IdArrays:
        """(low u64, high u64, is UUID) by offset; an int id is in low, a UUID is the number high:low."""

    def has_vector_mask(self, name: str) -> Mask | None:
        """Which points have the vector `name`; None if there is no such vector."""

    def index(self, path: str) -> PayloadIndex | None:
        """The payload index of exactly this path (canonical spelling), if there is one."""

    def element_owners(self, array: JsonPath) -> Offsets | None:
        """The point of each object in an array as nested indexes number them; None if none of them can tell."""

    def payload(self, offset: int) -> dict[str, Any]:
        """The decoded payload of one point."""


def evaluate(filter: Filter | None, ctx: FilterContext) -> Mask:
    """``(count,) bool`` of the points that pass `filter` (None: all), a fresh array.

    Deleted points may be in it: the caller knows which are alive.

    Raises:
        CorruptedError: a payload is not valid JSON.
    """
    return np.ones(ctx.count, np.bool_) if filter is None else _filter(filter, ctx)


def evaluate_few(filter: Filter, ctx: FilterContext) -> Offsets | None:
    """The points that pass `filter`, ascending, a fresh array; None if this takes a mask (see `evaluate`).

    It does not for one condition that an index answers with few points, or one that names them: to make masks of all
    points would take longer than all the rest.
    """
    conditions = filter._must
    if not conditions or len(conditions) > 1 or filter._must_not or filter._should or filter.min_should is not None:
        return None
    condition = conditions[0]
    if isinstance(condition, FieldCondition):
        index = _index(condition.key, ctx)
        return None if index is None else index.offsets(condition, ctx.count)
    if isinstance(condition, HasIdCondition) and len(condition._ids) * _FEW < ctx.count:
        return np.sort(ctx.offsets_of(list(condition._ids)))
    return None


def evaluate_offsets(filter: Filter | None, ctx: FilterContext, offsets: Offsets) -> Mask:
    """``(len(offsets),) bool``: which of these points pass `filter`.

    Few points of fields that no column or index holds yet are checked one by one, others as in `evaluate`.
    """
    if filter is None:
        return np.ones(len(offsets), np.bool_)
    if len(offsets) > _FEW or _is_ready(filter, ctx):
        return _filter(filter, ctx).take(offsets)
    passes = compile_filter(filter)
    return np.fromiter((passes(_OffsetView(ctx, int(at))) for at in offsets), np.bool_, len(offsets))


class _OffsetView:
    """One point as `edgeshard.filter.check` wants it."""

    __slots__ = ("_ctx", "_offset")

    def __init__(self, ctx: FilterContext, offset: int) -> None:
        self._ctx = ctx
        self._offset = offset

    @property
    def id(self) -> Any:
        low, high, is_uuid = self._ctx.ids_arrays()
        number = int(low[self._offset])
        return uuid.UUID(int=int(high[self._offset]) << 64 | number) if is_uuid[self._offset] else number

    @property
    def payload(self) -> dict[str, Any]:
        return self._ctx.payload(self._offset)

    def has_vector(self, name: str) -> bool:
        mask = self._ctx.has_vector_mask(name)
        return mask is not None and bool(mask[self._offset])


class _NeedsColumns(Exception):
    """A condition on elements that their indexes do not answer."""


class _ElementContext:
    """The objects of an array as a segment of their own, without ids and vectors.

    Args:
        path: of the array.
        outer: the segment, whose nested indexes of this array count; None inside of another array.
        owners: the point of each object.
        columns: of the objects; None as long as the indexes alone are asked.
    """

    __slots__ = ("_columns", "_outer", "_owners", "_path", "count")

    def __init__(
        self, path: JsonPath, outer: FilterContext | None, owners: Offsets, columns: PayloadColumns | None
    ) -> None:
        self._path = path
        self._outer = outer
        self._owners = owners
        self._columns = columns
        self.count = len(owners)

    @property
    def columns(self) -> PayloadColumns:
        """The fields of the objects.

        Raises:
            _NeedsColumns: they are not there.
        """
        if self._columns is None:
            raise _NeedsColumns
        return self._columns

    def index(self, path: str) -> _ElementIndex | None:
        """The nested index of a path inside of the objects."""
        found = None if self._outer is None else self._outer.index(f"{self._path.text}.{path}")
        return None if found is None or found.nested != self._path else _ElementIndex(found, self._owners)


class _ElementIndex:
    """A nested index whose elements are numbered otherwise than here: by point their order is the same."""

    __slots__ = ("_index", "_owners")

    def __init__(self, index: PayloadIndex, owners: Offsets) -> None:
        self._index = index
        self._owners = owners

    def mask(self, condition: Condition, count: int) -> Mask | None:
        found = self._index.elements(condition)
        if found is None or found[1] is self._owners or np.array_equal(found[1], self._owners):
            return None if found is None else found[0]
        hits, owners = found
        theirs, ours = (
            np.argsort(some, kind="stable")[: np.count_nonzero(some != DEAD)] for some in (owners, self._owners)
        )
        if not np.array_equal(owners[theirs], self._owners[ours]):
            return None
        mask = np.zeros(count, np.bool_)
        mask[ours] = hits[theirs]
        return mask


def _filter(filter: Filter, ctx: Any) -> Mask:
    conjuncts = [(condition, True) for condition in filter._must or ()]
    conjuncts += [(condition, False) for condition in filter._must_not or ()]
    if len(conjuncts) == 1 and not filter._should and filter.min_should is None:
        return _conjoin(None, *conjuncts[0], ctx)
    conjuncts.sort(key=lambda conjunct: _cost(conjunct[0], ctx))
    mask: Mask | None = None
    for condition, wanted in conjuncts:
        mask = _conjoin(mask, condition, wanted, ctx)
        if not mask.any():
            return mask
    if filter._should:
        mask = _and(mask, _any_of(filter._should, ctx))
    if filter.min_should is not None:
        mask = _and(mask, _at_least(filter.min_should.conditions, filter.min_should.min_count, ctx))
    return np.ones(ctx.count, np.bool_) if mask is None else mask


def _conjoin(mask: Mask | None, condition: Condition, wanted: bool, ctx: Any) -> Mask:
    """`mask` and `condition` (or its negation); few candidates are checked one by one if that is cheaper."""
    if mask is not None and _few_are_cheaper(mask, condition, ctx):
        passes = compile_condition(condition)
        for at in np.flatnonzero(mask):
            mask[at] = passes(_OffsetView(ctx, int(at))) == wanted
        return mask
    more = _condition(condition, ctx)
    if mask is None:
        return more if wanted else np.logical_not(more, out=more)
    return np.logical_and(mask, more, out=mask) if wanted else np.greater(mask, more, out=mask)


def _few_are_cheaper(mask: Mask, condition: Condition, ctx: Any) -> bool:
    """Whether to check the candidates in `mask` one by one rather than to read a column for `condition`."""
    if isinstance(ctx, _ElementContext) or _cost(condition, ctx) < _COLD or _goes_by_index(condition, ctx):
        return False
    return int(np.count_nonzero(mask)) <= _FEW


def _and(mask: Mask | None, more: Mask) -> Mask:
    return more if mask is None else np.logical_and(mask, more, out=mask)


def _any_of(conditions: Sequence[Condition], ctx: Any) -> Mask:
    mask: Mask | None = None
    for condition in sorted(conditions, key=lambda condition: _cost(condition, ctx)):
        more = _condition(condition, ctx)
        mask = more if mask is None else np.logical_or(mask, more, out=mask)
    return np.zeros(ctx.count, np.bool_) if mask is None else mask


def _at_least(conditions: Sequence[Condition], wanted: int, ctx: Any) -> Mask:
    if wanted <= 0:
        return np.ones(ctx.count, np.bool_)
    if wanted > len(conditions):
        return np.zeros(ctx.count, np.bool_)
    passed = np.zeros(ctx.count, np.uint32)
    for condition in conditions:
        passed += _condition(condition, ctx)
    return passed >= wanted


_COLD = 100.0
"""What a condition costs whose column is not there yet; the unit is one comparison of all points."""


def _cost(condition: Condition, ctx: Any) -> float:
    """How expensive a condition is, roughly."""
    if isinstance(condition, Filter):
        return sum(_cost(inner, ctx) for inner in _conditions_of(condition))
    if isinstance(condition, NestedCondition):
        array = parse_path(condition.key).elements()
        ready = _owners_by_index(array, ctx) is not None or ctx.columns.is_warm(array, None)
        return 5.0 if ready else 2 * _COLD
    if isinstance(condition, HasIdCondition):
        return 0.0
    if isinstance(condition, (HasVectorCondition, SliceCondition)):
        return 0.5
    if _index(condition.key, ctx) is not None:
        return 1.0
    counts = isinstance(condition, FieldCondition) and condition.values_count is not None
    return 1.0 if ctx.columns.is_warm(parse_path(condition.key), counts) else _COLD


def _is_ready(filter: Filter, ctx: FilterContext) -> bool:
    """Whether to use masks: no payload need be read, or there are indexes, which have rules of their own."""
    return _cost(filter, ctx) < _COLD or _goes_by_index(filter, ctx)


def _goes_by_index(condition: Condition, ctx: FilterContext, prefix: str = "") -> bool:
    """Whether an index may have a say in a condition, or in one inside of it, whose paths continue `prefix`."""
    if isinstance(condition, Filter):
        return any(_goes_by_index(inner, ctx, prefix) for inner in _conditions_of(condition))
    if isinstance(condition, NestedCondition):
        inner = f"{parse_path(prefix + condition.key).elements().text}."
        return _goes_by_index(condition.filter, ctx, inner)
    if isinstance(condition, (FieldCondition, IsEmptyCondition, IsNullCondition)):
        return ctx.index(parse_path(prefix + condition.key).text) is not None
    return False


def _conditions_of(filter: Filter) -> list[Condition]:
    """All conditions directly in a filter."""
    several = [] if filter.min_should is None else filter.min_should.conditions
    return [*(filter.must or ()), *(filter.must_not or ()), *(filter.should or ()), *several]


def _index(key: str, ctx: Any) -> Any:
    return ctx.index(parse_path(key).text)


def _condition(condition: Condition, ctx: Any) -> Mask:
    return _CONDITIONS[type(condition)](condition, ctx)


def _by_index(condition: FieldCondition | IsEmptyCondition | IsNullCondition, ctx: Any) -> Mask | None:
    index = _index(condition.key, ctx)
    mask: Mask | None = None if index is None else index.mask(condition, ctx.count)
    return mask


def _field(condition: FieldCondition, ctx: Any) -> Mask:
    mask = _by_index(condition, ctx)
    return field_mask(condition, ctx.columns) if mask is None else mask


def _is_empty(condition: IsEmptyCondition, ctx: Any) -> Mask:
    mask = _by_index(condition, ctx)
    return is_empty_mask(parse_path(condition.key), ctx.columns) if mask is None else mask


def _is_null(condition: IsNullCondition, ctx: Any) -> Mask:
    mask = _by_index(condition, ctx)
    return is_null_mask(parse_path(condition.key), ctx.columns) if mask is None else mask


def _has_id(condition: HasIdCondition, ctx: Any) -> Mask:
    mask = np.zeros(ctx.count, np.bool_)
    if not isinstance(ctx, _ElementContext):
        mask[ctx.offsets_of(list(condition._ids))] = True
    return mask


def _has_vector(condition: HasVectorCondition, ctx: Any) -> Mask:
    mask = None if isinstance(ctx, _ElementContext) else ctx.has_vector_mask(condition.vector)
    return np.zeros(ctx.count, np.bool_) if mask is None else mask.copy()


def _slice(condition: SliceCondition, ctx: Any) -> Mask:
    if isinstance(ctx, _ElementContext):
        return np.zeros(ctx.count, np.bool_)
    low, high, is_uuid = ctx.ids_arrays()
    return _native.slice_mask(low, high, is_uuid, condition.total, condition.index)


def _nested(condition: NestedCondition, ctx: Any) -> Mask:
    """The points with an object that passes the inner filter, which runs over all objects of all points."""
    path = parse_path(condition.key).elements()
    owners = _owners_by_index(path, ctx)
    if owners is not None:
        try:
            hits = _filter(condition.filter, _ElementContext(path, ctx, owners, None))
        except _NeedsColumns:
            pass  # then all of it in the numbers the columns give the objects
        else:
            return _native.any_by_owner(hits, owners, ctx.count)
    nested = ctx.columns.nested(path)
    outer = None if isinstance(ctx, _ElementContext) else ctx
    hits = _filter(condition.filter, _ElementContext(path, outer, nested.owners, nested.columns))
    return _native.any_by_owner(hits, nested.owners, ctx.count)


def _owners_by_index(array: JsonPath, ctx: Any) -> Offsets | None:
    """The point of each object in an array, if nested indexes can tell; those inside of other objects have none."""
    owners: Offsets | None = None if isinstance(ctx, _ElementContext) else ctx.element_owners(array)
    return owners


_CONDITIONS: dict[type, Callable[[Any, Any], Mask]] = {
    FieldCondition: _field,
    IsEmptyCondition: _is_empty,
    IsNullCondition: _is_null,
    HasIdCondition: _has_id,
    HasVectorCondition: _has_vector,
    SliceCondition: _slice,
    NestedCondition: _nested,
    Filter: _filter,
}
