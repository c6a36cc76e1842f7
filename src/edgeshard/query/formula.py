"""Ranking by a formula over scores and payload values.

An expression is evaluated for all points at once, in float64, on the subset of points that need it: an operand that
a short circuit skips for a point is not looked at for that point, so it cannot fail there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ValidationError
from edgeshard.filter.geo import haversine
from edgeshard.filter.values import geo_point
from edgeshard.index.payload.schema import DATETIME, FLOAT, GEO
from edgeshard.index.payload.values import values_of
from edgeshard.models.datetimes import parse_datetime
from edgeshard.models.enums import DecayKind
from edgeshard.models.expressions import Expression
from edgeshard.models.filters import Filter
from edgeshard.models.formula import Formula
from edgeshard.models.paths import ELEMENTS, JsonPath
from edgeshard.query.hits import Hits, Keys, best, by_segment, union
from edgeshard.query.scope import Scope

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
MANY = 64
"""For fewer points their payloads are read rather than columns of all points."""
ONE_VALUE = 1 | 4 | 16
"""Facts of a column about a point with a value that is neither empty nor null (native/index/columns_extract.hpp)."""
MISSING = object()
"""Default of a variable that has none."""


def rank(scope: Scope, formula: Formula, parts: list[Hits], limit: int) -> Hits:
    """Points of all parts by the value of a formula, highest first.

    Raises:
        ValidationError: the formula cannot be evaluated for a point; the message says which and why.
    """
    keys = union(parts)
    values = Evaluation(scope, formula, parts, keys).run()
    return Hits(*best(keys, values, limit))


class Evaluation:
    """One formula over one set of points.

    Args:
        scope: the segments, for payloads and conditions.
        formula: expression and defaults.
        parts: results of the prefetches, for ``$score``.
        keys: the points, ascending.
    """

    __slots__ = ("_payloads", "_scope", "defaults", "formula", "keys", "parts")

    def __init__(self, scope: Scope, formula: Formula, parts: list[Hits], keys: Keys) -> None:
        self._scope = scope
        self.formula = formula
        self.defaults: dict[str, Any] = {_canonical(name): value for name, value in formula.defaults.items()}
        self.parts = parts
        self.keys = keys
        self._payloads: list[dict[str, Any]] | None = None

    def run(self) -> npt.NDArray[np.float32]:
        """``(len(keys),) float32`` values, all finite."""
        with np.errstate(all="ignore"):
            places = np.arange(len(self.keys))
            values = self.value(self.formula.formula, places).astype(np.float32)
        self.require_finite(values.astype(np.float64), places, "the formula")
        return values

    def value(self, expression: Any, places: Places) -> Floats:
        """Value of an expression for some of the points."""
        return _RULES[type(expression)](self, expression, places)

    def payload(self, place: int) -> dict[str, Any]:
        """Decoded payload of a point, read once for all."""
        if self._payloads is None:
            self._payloads = self._scope.decoded(self.keys)
        return self._payloads[place]

    def id_at(self, place: int) -> Any:
        """Id of a point, for messages."""
        return self._scope.ids(self.keys[place : place + 1])[0]

    def fail(self, place: int, why: str) -> ValidationError:
        """What went wrong for a point."""
        return ValidationError(f"cannot evaluate the formula for point {self.id_at(int(place))}: {why}")

    def require_finite(self, values: Floats, places: Places, what: str) -> Floats:
        """The values, all finite.

        Raises:
            ValidationError: one is not.
        """
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise self.fail(places[wrong[0]], f"{what} gives {values[wrong[0]]}, which is not a finite number")
        return values

    def lookup(
        self,
        path: str,
        places: Places,
        convert: Callable[[Any, str], float],
        kind: str,
        numbers: Callable[[Any], Floats],
        *,
        pairs: bool = False,
    ) -> Floats:
        """One number per point from its payload, or from the defaults.

        Args:
            path: where.
            places: of which points.
            convert: makes a number of a payload value, or refuses it.
            kind: of values that payload columns hold ready.
            numbers: makes numbers of such values as ``convert`` does.
            pairs: a list of two numbers is one value.
        """
        parsed = JsonPath.parse(path)
        default = self.defaults.get(str(parsed), MISSING)
        result = np.full(len(places), np.nan)
        ends_in_items = parsed.steps[-1] is ELEMENTS
        if len(places) >= MANY and not ends_in_items:
            for number, at, offsets in by_segment(self.keys[places]):
                values = _single_values(self._scope.segments[number].columns.column(parsed), kind)
                if values is not None:
                    result[at] = numbers(values[offsets])
        for index in np.flatnonzero(np.isnan(result)).tolist():
            place = int(places[index])
            found = parsed.lookup(self.payload(place))
            if not ends_in_items:
                # As in Qdrant, arrays that are found stand for their items, unless the path says so itself.
                found = [item for value in found for item in (value if isinstance(value, list) else [value])]
            if len(found) > 1 and not (pairs and _is_pair(found)):
                raise self.fail(place, f"{path} has {len(found)} values, one is needed")
            value = default if not found else found[0] if len(found) == 1 else found
            if value is MISSING:
                raise self.fail(place, f"{path} has no value and the formula no default for it")
            try:
                result[index] = convert(value, path)
            except ValueError as error:
                raise self.fail(place, str(error)) from error
        return result

    def condition(self, condition: Any, places: Places) -> Floats:
        """1.0 where a condition matches, else 0.0."""
        wrapped = condition if isinstance(condition, Filter) else Filter(must=[condition])
        return self._scope.condition(self.keys[places], wrapped).astype(np.float64)

    def score(self, number: int, name: str, places: Places) -> Floats:
        """Score of points in one prefetch; the default, or 0, where a point is not in it."""
        default = self.defaults.get(_canonical(name), 0.0)
        if isinstance(default, bool) or not isinstance(default, (int, float)):
            default = 0.0
        result = np.full(len(places), float(default))
        if number < len(self.parts):
            part = self.parts[number]
            order = np.argsort(part.keys)
            wanted = self.keys[places]
            at = np.searchsorted(part.keys, wanted, sorter=order)
            inside = at < len(order)
            at[~inside] = 0
            if len(order):
                hit = inside & (part.keys[order[at]] == wanted)
                result[hit] = part.scores[order[at[hit]]]
        return result


def _single_values(column: Any, kind: str) -> Floats | None:
    """``(points,)`` or ``(points, 2)`` values of a kind, NaN of points that have not exactly one; kept with the column.

    None if points have several.
    """
    if column.owners is not None:
        return None
    known: Floats | None = column.memo.get(("single", kind))
    if known is None:
        entries, values = values_of(column, kind)
        known = np.full((len(column.tags), *values.shape[1:]), np.nan)
        known[entries] = values
        known[np.flatnonzero(column.facts[: len(known)] != ONE_VALUE)] = np.nan
        column.memo["single", kind] = known
    return known


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{path} is {value!r}, a number is needed")
    return float(value)


def _seconds(value: Any, path: str) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{path} is {value!r}, a date as text is needed")
    return parse_datetime(value) / 1e6


def _constant(run: Evaluation, expression: Any, places: Places) -> Floats:
    return np.full(len(places), float(expression.val))


def _variable(run: Evaluation, expression: Any, places: Places) -> Floats:
    name: str = expression.var
    if name.startswith("$score"):
        number = int(name[len("$score[") : -1]) if name != "$score" else 0
        return run.score(number, name, places)
    return run.lookup(name, places, _number, FLOAT, lambda values: values)


def _condition(run: Evaluation, expression: Any, places: Places) -> Floats:
    return run.condition(expression.cond, places)


def _geo_distance(run: Evaluation, expression: Any, places: Places) -> Floats:
    origin = expression.origin

    def distance(value: Any, path: str) -> float:
        point = (float(value[0]), float(value[1])) if _is_pair(value) else geo_point(value)
        if point is None or not (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):
            raise ValueError(
                f"{path} is {value!r}, an object with numbers lon and lat in range, or [lon, lat], is needed"
            )
        return haversine(origin.lon, origin.lat, point[0], point[1])

    def distances(points: Floats) -> Floats:
        lons, lats = np.ascontiguousarray(points.T)
        return _native.geo_distances(lons, lats, origin.lon, origin.lat)

    return run.lookup(expression.to, places, distance, GEO, distances, pairs=True)


def _is_pair(value: Any) -> bool:
    """Whether a value is ``[lon, lat]``, which formulas read and filters do not, as in Qdrant."""
    return isinstance(value, list) and len(value) == 2 and all(type(part) in (int, float) for part in value)


def _canonical(name: str) -> str:
    """The one spelling of a variable: of the score of the first prefetch, or of a path."""
    if name.startswith("$score"):
        return "$score[0]" if name == "$score" else name
    try:
        return str(JsonPath.parse(name))
    except ValidationError:  # no path, so no variable either
        return name


def _datetime(run: Evaluation, expression: Any, places: Places) -> Floats:
    return np.full(len(places), parse_datetime(expression.date_time) / 1e6)


def _datetime_key(run: Evaluation, expression: Any, places: Places) -> Floats:
    return run.lookup(expression.path, places, _seconds, DATETIME, lambda microseconds: microseconds / 1e6)


def _mult(run: Evaluation, expression: Any, places: Places) -> Floats:
    result = np.ones(len(places))
    active = np.arange(len(places))
    for operand in expression.exprs:
        values = run.value(operand, places[active])
        result[active[values == 0.0]] = 0.0
        active = active[values != 0.0]
        if not len(active):
            break
        result[active] *= values[values != 0.0]
    return result


def _sum(run: Evaluation, expression: Any, places: Places) -> Floats:
    result = np.zeros(len(places))
    for operand in expression.exprs:
        result += run.value(operand, places)
    return result


def _maximum(run: Evaluation, expression: Any, places: Places) -> Floats:
    result: Floats = np.fmax.reduce([run.value(operand, places) for operand in expression.exprs])
    return result


def _minimum(run: Evaluation, expression: Any, places: Places) -> Floats:
    result: Floats = np.fmin.reduce([run.value(operand, places) for operand in expression.exprs])
    return result


def _negative(run: Evaluation, expression: Any, places: Places) -> Floats:
    return -run.value(expression.expr, places)


def _absolute(run: Evaluation, expression: Any, places: Places) -> Floats:
    return np.abs(run.value(expression.expr, places))


def _divide(run: Evaluation, expression: Any, places: Places) -> Floats:
    left = run.value(expression.left, places)
    result = np.zeros(len(places))
    active = np.flatnonzero(left != 0.0)
    right = run.value(expression.right, places[active]) if len(active) else np.zeros(0)
    zero = right == 0.0
    if bool(zero.any()):
        if expression.by_zero_default is None:
            raise run.fail(places[active[np.flatnonzero(zero)[0]]], "division by zero without by_zero_default")
        result[active[zero]] = expression.by_zero_default
    quotient = left[active[~zero]] / right[~zero]
    result[active[~zero]] = run.require_finite(quotient, places[active[~zero]], "a division")
    return result


def _unary(function: Callable[[Floats], Floats], name: str) -> Callable[[Evaluation, Any, Places], Floats]:
    def rule(run: Evaluation, expression: Any, places: Places) -> Floats:
        return run.require_finite(function(run.value(expression.expr, places)), places, name)

    return rule


def _power(run: Evaluation, expression: Any, places: Places) -> Floats:
    base = run.value(expression.base, places)
    return run.require_finite(np.power(base, run.value(expression.exponent, places)), places, "Pow")


def _decay(run: Evaluation, expression: Any, places: Places) -> Floats:
    x = run.value(expression.x, places)
    target = run.value(expression.target, places) if expression.target is not None else np.zeros(len(places))
    midpoint = float(np.float32(0.5 if expression.midpoint is None else expression.midpoint))
    scale = float(np.float32(1.0 if expression.scale is None else expression.scale))
    distance = np.abs(x - target)
    if expression.kind == DecayKind.Lin:
        return np.maximum(0.0, 1.0 - distance * (1.0 - midpoint) / scale)
    if expression.kind == DecayKind.Exp:
        return np.asarray(midpoint ** (distance / scale))
    return np.asarray(midpoint ** (distance * distance / (scale * scale)))


_RULES: dict[type, Callable[[Evaluation, Any, Places], Floats]] = {
    Expression.Constant: _constant,
    Expression.Variable: _variable,
    Expression.Condition: _condition,
    Expression.GeoDistance: _geo_distance,
    Expression.Datetime: _datetime,
    Expression.DatetimeKey: _datetime_key,
    Expression.Mult: _mult,
    Expression.Sum: _sum,
    Expression.Max: _maximum,
    Expression.Min: _minimum,
    Expression.Neg: _negative,
    Expression.Abs: _absolute,
    Expression.Div: _divide,
    Expression.Sqrt: _unary(np.sqrt, "Sqrt"),
    Expression.Pow: _power,
    Expression.Exp: _unary(np.exp, "Exp"),
    Expression.Log10: _unary(np.log10, "Log10"),
    Expression.Ln: _unary(np.log, "Ln"),
    Expression.Acosh: _unary(np.arccosh, "Acosh"),
    Expression.Decay: _decay,
}
