"""`Formula`: an expression with default values, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edgeshard.errors import ArgumentError, ValidationError
from edgeshard.models.base import Model, instance, put_fields
from edgeshard.models.enums import DecayKind
from edgeshard.models.expressions import Datetime, Decay, Expression, Max, Min, Variable
from edgeshard.models.payload import decode_payload, encode_payload

__all__ = ["Formula"]

_SCORE = re.compile(r"\$score(?:\[([0-9]{1,20})\])?")
_REFUSED = "failed to parse formula: Validation failed:"


class Formula(Model):
    """A formula that scores the points found by prefetches.

    Args:
        formula: the expression.
        defaults: values by variable, as ``{"price": 0, "$score[1]": 0.5}``, for points that lack them.

    Raises:
        ValidationError: an unknown ``$`` variable, a bad path or date, `Max` or `Min` of nothing, a decay
            whose midpoint or scale is out of range, NaN among the defaults.
    """

    __slots__ = ("_defaults", "formula")
    __match_args__ = ("formula", "defaults")

    formula: Expression
    _defaults: bytes

    def __init__(self, formula: Expression, defaults: Mapping[str, Any] | None = None) -> None:
        _check(instance(formula, Expression, "formula"))
        values = {} if defaults is None else defaults
        if not isinstance(values, Mapping):
            raise TypeError(f"defaults: expected a dict, got {type(defaults).__name__}")
        encoded = encode_payload(dict(values))
        put_fields(self, formula=formula, _defaults=encoded)
        for name in values:
            _check_variable(name)

    @property
    def defaults(self) -> dict[str, Any]:
        """Values for points that lack them, by variable; a fresh dict."""
        return decode_payload(self._defaults)


def _check(root: Expression) -> None:
    """Raise ValidationError for the first expression below `root` that cannot be computed."""
    pending = [root]
    while pending:
        expression = pending.pop()
        if isinstance(expression, Variable):
            _check_variable(expression.var)
        elif isinstance(expression, Datetime):
            _check_date(expression.date_time)
        elif isinstance(expression, Decay):
            _check_decay(expression)
        elif isinstance(expression, (Max, Min)) and not expression._exprs:
            name = type(expression).__name__.lower()
            raise ArgumentError(f"{_REFUSED} `{name}` needs at least one operand")
        pending += reversed(_operands(expression))


def _operands(expression: Expression) -> list[Expression]:
    operands: list[Expression] = []
    for slot in expression._slots:
        value = getattr(expression, slot)
        if isinstance(value, Expression):
            operands.append(value)
        elif isinstance(value, tuple):
            operands += value
    return operands


def _check_variable(name: str) -> None:
    from edgeshard.models.paths import parse_path

    if not name.startswith("$"):
        try:
            parse_path(name)
        except ValidationError as error:
            raise ArgumentError(
                f"{_REFUSED} failed to parse variable ID {name}: Invalid payload variable: {name} ({error})"
            ) from error
        return
    match = _SCORE.fullmatch(name)
    if match is None or int(match[1] or 0) >= 2**64:
        kind = "variable" if name.startswith("$score") else "word"
        raise ArgumentError(
            f"{_REFUSED} failed to parse variable ID {name}: Invalid reserved {kind}: {name}; "
            "known are $score and $score[0], $score[1]..."
        )


def _check_date(text: str) -> None:
    from edgeshard.models.datetimes import parse_datetime

    try:
        parse_datetime(text)
    except ValidationError as error:
        raise ArgumentError(f"{_REFUSED} failed to parse date-time {text}: {error}") from error


def _check_decay(decay: Decay) -> None:
    midpoint, scale = decay.midpoint, decay.scale
    if scale is not None and not scale > 0:
        raise ArgumentError(f"{_REFUSED} Decay scale should be non-zero positive, got {scale}.")
    if midpoint is None:
        return
    if decay.kind is DecayKind.Lin:
        if not 0 <= midpoint <= 1:
            raise ArgumentError(f"{_REFUSED} Linear decay midpoint should be in the range [0.0, 1.0], got {midpoint}.")
    elif not 0 < midpoint < 1:
        raise ArgumentError(f"{_REFUSED} Decay midpoint should be in the range (0.0, 1.0), got {midpoint}.")
