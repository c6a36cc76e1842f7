"""Expressions of a scoring formula. Checks that need the whole tree are made by `Formula`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from edgeshard.models.base import (
    Model,
    abstract,
    f32,
    instance,
    instances,
    json_path,
    put_fields,
    text,
    variant,
)
from edgeshard.models.enums import DecayKind
from edgeshard.models.filters import CONDITIONS
from edgeshard.models.filters import Condition as FilterCondition
from edgeshard.models.geo import GeoPoint

__all__ = [
    "Abs",
    "Acosh",
    "Condition",
    "Constant",
    "Datetime",
    "DatetimeKey",
    "Decay",
    "Div",
    "Exp",
    "Expression",
    "GeoDistance",
    "Ln",
    "Log10",
    "Max",
    "Min",
    "Mult",
    "Neg",
    "Pow",
    "Sqrt",
    "Sum",
    "Variable",
]


class Expression(Model):
    """Part of a formula: `Expression.Constant`, `Expression.Sum` and so on."""

    __slots__ = ()

    if TYPE_CHECKING:  # the variants below, by the names that make them types
        Constant: TypeAlias = "_Constant"
        Variable: TypeAlias = "_Variable"
        Condition: TypeAlias = "_Condition"
        GeoDistance: TypeAlias = "_GeoDistance"
        Datetime: TypeAlias = "_Datetime"
        DatetimeKey: TypeAlias = "_DatetimeKey"
        Mult: TypeAlias = "_Mult"
        Sum: TypeAlias = "_Sum"
        Max: TypeAlias = "_Max"
        Min: TypeAlias = "_Min"
        Neg: TypeAlias = "_Neg"
        Div: TypeAlias = "_Div"
        Sqrt: TypeAlias = "_Sqrt"
        Pow: TypeAlias = "_Pow"
        Exp: TypeAlias = "_Exp"
        Log10: TypeAlias = "_Log10"
        Ln: TypeAlias = "_Ln"
        Acosh: TypeAlias = "_Acosh"
        Abs: TypeAlias = "_Abs"
        Decay: TypeAlias = "_Decay"

    def __init__(self) -> None:
        raise abstract(Expression)


@variant
class Constant(Expression):
    """A number.

    Args:
        val: the number, rounded to float32.
    """

    __slots__ = ("val",)
    __match_args__ = ("val",)

    val: float

    def __init__(self, val: float) -> None:
        put_fields(self, val=f32(val, "val"))


@variant
class Variable(Expression):
    """A payload value or a score.

    Args:
        var: a payload path, ``$score`` or ``$score[i]`` for the i-th prefetch.
    """

    __slots__ = ("var",)
    __match_args__ = ("var",)

    var: str

    def __init__(self, var: str) -> None:
        put_fields(self, var=text(var, "var"))


@variant
class Condition(Expression):
    """1 where a condition holds, 0 elsewhere.

    Args:
        cond: a filter condition.
    """

    __slots__ = ("cond",)
    __match_args__ = ("cond",)

    cond: FilterCondition

    def __init__(self, cond: FilterCondition) -> None:
        put_fields(self, cond=instance(cond, CONDITIONS, "cond"))


@variant
class GeoDistance(Expression):
    """Metres between a place and the one in the payload.

    Args:
        origin: the place.
        to: payload path of an object with ``lon`` and ``lat``.
    """

    __slots__ = ("origin", "to")
    __match_args__ = ("origin", "to")

    origin: GeoPoint
    to: str

    def __init__(self, origin: GeoPoint, to: str) -> None:
        put_fields(self, origin=instance(origin, GeoPoint, "origin"), to=json_path(to, "to"))


@variant
class Datetime(Expression):
    """A date as seconds since 1970.

    Args:
        date_time: the date; checked by `Formula`.
    """

    __slots__ = ("date_time",)
    __match_args__ = ("date_time",)

    date_time: str

    def __init__(self, date_time: str) -> None:
        put_fields(self, date_time=text(date_time, "date_time"))


@variant
class DatetimeKey(Expression):
    """A date in the payload as seconds since 1970.

    Args:
        path: payload path.
    """

    __slots__ = ("path",)
    __match_args__ = ("path",)

    path: str

    def __init__(self, path: str) -> None:
        put_fields(self, path=json_path(path, "path"))


class _OfMany(Expression, public=False):
    """A value made of any number of values."""

    __slots__ = ("_exprs",)
    __match_args__ = ("exprs",)

    _exprs: tuple[Expression, ...]

    def __init__(self, exprs: Iterable[Expression]) -> None:
        put_fields(self, _exprs=instances(exprs, Expression, "exprs"))

    @property
    def exprs(self) -> list[Expression]:
        """The values; a fresh list."""
        return list(self._exprs)


@variant
class Mult(_OfMany):
    """The product of values, 1 of none; stops at the first 0.

    Args:
        exprs: the values.
    """

    __slots__ = ()


@variant
class Sum(_OfMany):
    """The sum of values, 0 of none.

    Args:
        exprs: the values.
    """

    __slots__ = ()


@variant
class Max(_OfMany):
    """The largest of at least one value; NaN is ignored.

    Args:
        exprs: the values.
    """

    __slots__ = ()


@variant
class Min(_OfMany):
    """The smallest of at least one value; NaN is ignored.

    Args:
        exprs: the values.
    """

    __slots__ = ()


class _OfOne(Expression, public=False):
    """A function of one value."""

    __slots__ = ("expr",)
    __match_args__ = ("expr",)

    expr: Expression

    def __init__(self, expr: Expression) -> None:
        put_fields(self, expr=instance(expr, Expression, "expr"))


@variant
class Neg(_OfOne):
    """The negative of a value.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Sqrt(_OfOne):
    """The square root of a value; negative values are an error.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Exp(_OfOne):
    """e to the power of a value.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Log10(_OfOne):
    """The decimal logarithm of a positive value.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Ln(_OfOne):
    """The natural logarithm of a positive value.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Acosh(_OfOne):
    """The inverse hyperbolic cosine of a value of at least 1.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Abs(_OfOne):
    """The absolute value.

    Args:
        expr: the value.
    """

    __slots__ = ()


@variant
class Div(Expression):
    """A quotient; 0 if the dividend is 0.

    Args:
        left: the dividend.
        right: the divisor.
        by_zero_default: value where the divisor is 0 (float32); an error if None.
    """

    __slots__ = ("by_zero_default", "left", "right")
    __match_args__ = ("left", "right", "by_zero_default")

    left: Expression
    right: Expression
    by_zero_default: float | None

    def __init__(self, left: Expression, right: Expression, by_zero_default: float | None = None) -> None:
        put_fields(
            self,
            left=instance(left, Expression, "left"),
            right=instance(right, Expression, "right"),
            by_zero_default=None if by_zero_default is None else f32(by_zero_default, "by_zero_default"),
        )


@variant
class Pow(Expression):
    """A power.

    Args:
        base: the base.
        exponent: the exponent.
    """

    __slots__ = ("base", "exponent")
    __match_args__ = ("base", "exponent")

    base: Expression
    exponent: Expression

    def __init__(self, base: Expression, exponent: Expression) -> None:
        put_fields(self, base=instance(base, Expression, "base"), exponent=instance(exponent, Expression, "exponent"))


@variant
class Decay(Expression):
    """A value between 1, where `x` is at the target, and 0, far from it.

    Args:
        kind: linear, Gaussian or exponential.
        x: the value.
        target: where the result is 1; 0 if None.
        midpoint: result at distance `scale` (float32); 0.5 if None.
        scale: distance from the target where the result is `midpoint` (float32, positive); 1 if None.
    """

    __slots__ = ("kind", "midpoint", "scale", "target", "x")
    __match_args__ = ("kind", "x", "target", "midpoint", "scale")

    kind: DecayKind
    x: Expression
    target: Expression | None
    midpoint: float | None
    scale: float | None

    def __init__(
        self,
        kind: DecayKind,
        x: Expression,
        target: Expression | None = None,
        midpoint: float | None = None,
        scale: float | None = None,
    ) -> None:
        put_fields(
            self,
            kind=instance(kind, DecayKind, "kind"),
            x=instance(x, Expression, "x"),
            target=None if target is None else instance(target, Expression, "target"),
            midpoint=None if midpoint is None else f32(midpoint, "midpoint"),
            scale=None if scale is None else f32(scale, "scale"),
        )


if TYPE_CHECKING:
    _Constant: TypeAlias = Constant
    _Variable: TypeAlias = Variable
    _Condition: TypeAlias = Condition
    _GeoDistance: TypeAlias = GeoDistance
    _Datetime: TypeAlias = Datetime
    _DatetimeKey: TypeAlias = DatetimeKey
    _Mult: TypeAlias = Mult
    _Sum: TypeAlias = Sum
    _Max: TypeAlias = Max
    _Min: TypeAlias = Min
    _Neg: TypeAlias = Neg
    _Div: TypeAlias = Div
    _Sqrt: TypeAlias = Sqrt
    _Pow: TypeAlias = Pow
    _Exp: TypeAlias = Exp
    _Log10: TypeAlias = Log10
    _Ln: TypeAlias = Ln
    _Acosh: TypeAlias = Acosh
    _Abs: TypeAlias = Abs
    _Decay: TypeAlias = Decay
