"""What a `FieldCondition` compares a value with: matches and ranges."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, TypeAlias

import numpy as np

from edgeshard.models.base import Model, opt_f64, opt_u64, put_fields, sequence, show, text

__all__ = [
    "MATCHES",
    "RANGES",
    "Match",
    "MatchAny",
    "MatchExcept",
    "MatchPhrase",
    "MatchPrefix",
    "MatchSubstring",
    "MatchText",
    "MatchTextAny",
    "MatchValue",
    "Range",
    "RangeDateTime",
    "RangeFloat",
    "ValuesCount",
]

_I64_MIN, _I64_MAX = -(2**63), 2**63 - 1


class MatchValue(Model):
    """Equality with one value.

    Args:
        value: a str, an int of 64 bits or a bool. Types are strict: 1 matches neither ``true`` nor, unless an integer
            index has the field, ``1.0``. ``True`` matches ``true``, unlike in ``qdrant_edge``, which takes it for 1.
    """

    __slots__ = ("value",)
    __match_args__ = ("value",)

    value: str | int | bool

    def __init__(self, value: str | int | bool) -> None:
        put_fields(self, value=_scalar(value))

    def _state(self) -> tuple[Any, ...]:
        return type(self.value) is bool, self.value


class MatchAny(Model):
    """Equality with one of several values.

    Args:
        any: strings, or integers of 64 bits; an empty list matches nothing.
    """

    __slots__ = ("_values",)
    __match_args__ = ("value",)

    _values: tuple[str, ...] | tuple[int, ...]

    def __init__(self, any: Iterable[str] | Iterable[int]) -> None:
        put_fields(self, _values=_one_type(any, "any"))

    @property
    def value(self) -> list[str] | list[int]:
        """The values, each once, in the order given."""
        return list(self._values)  # type: ignore[return-value]

    def _shown(self) -> Iterable[str]:
        yield f"any={show(self.value)}"


class MatchExcept(Model):
    """A value other than those given.

    Args:
        except_: strings, or integers of 64 bits. The keyword ``except`` is accepted too, as
            ``**{"except": [...]}``.
    """

    __slots__ = ("_values",)
    __match_args__ = ("value",)

    _values: tuple[str, ...] | tuple[int, ...]

    def __init__(self, except_: Iterable[str] | Iterable[int] | None = None, **keywords: Any) -> None:
        if except_ is None and keywords.keys() == {"except"}:
            except_ = keywords.pop("except")
        if except_ is None or keywords:
            raise TypeError(f"MatchExcept() takes one argument, except_; got {sorted(keywords) or 'none'}")
        put_fields(self, _values=_one_type(except_, "except_"))

    @property
    def value(self) -> list[str] | list[int]:
        """The values, each once, in the order given."""
        return list(self._values)  # type: ignore[return-value]

    def _shown(self) -> Iterable[str]:
        yield show(self.value)


class MatchText(Model):
    """All words of a text, in any order.

    Args:
        text: the words, split as the field's text index splits (else into lower-case words).
    """

    __slots__ = ("text",)
    __match_args__ = ("text",)

    text: str

    def __init__(self, text: str) -> None:
        put_fields(self, text=_text(text, "text"))


class MatchTextAny(Model):
    """At least one word of a text.

    Args:
        text_any: the words.
    """

    __slots__ = ("text_any",)
    __match_args__ = ("text_any",)

    text_any: str

    def __init__(self, text_any: str) -> None:
        put_fields(self, text_any=text(text_any, "text_any"))


class MatchPhrase(Model):
    """The words of a phrase, one directly after the other.

    Args:
        phrase: the words.
    """

    __slots__ = ("phrase",)
    __match_args__ = ("phrase",)

    phrase: str

    def __init__(self, phrase: str) -> None:
        put_fields(self, phrase=text(phrase, "phrase"))


class MatchPrefix(Model):
    """A string that starts so.

    Args:
        prefix: the start, case-sensitive.
    """

    __slots__ = ("prefix",)
    __match_args__ = ("prefix",)

    prefix: str

    def __init__(self, prefix: str) -> None:
        put_fields(self, prefix=text(prefix, "prefix"))


class MatchSubstring(Model):
    """A string that contains this.

    Args:
        substring: the part, case-sensitive.
    """

    __slots__ = ("substring",)
    __match_args__ = ("substring",)

    substring: str

    def __init__(self, substring: str) -> None:
        put_fields(self, substring=text(substring, "substring"))


class RangeFloat(Model):
    """A range of numbers, compared as float64; bounds left None do not bound.

    Args:
        gte: smallest value included.
        gt: largest value excluded below.
        lte: largest value included.
        lt: smallest value excluded above.
    """

    __slots__ = ("gt", "gte", "lt", "lte")
    __match_args__ = ("gte", "gt", "lte", "lt")

    gte: float | None
    gt: float | None
    lte: float | None
    lt: float | None

    def __init__(
        self,
        gte: float | None = None,
        gt: float | None = None,
        lte: float | None = None,
        lt: float | None = None,
    ) -> None:
        put_fields(self, gte=opt_f64(gte, "gte"), gt=opt_f64(gt, "gt"), lte=opt_f64(lte, "lte"), lt=opt_f64(lt, "lt"))


class RangeDateTime(Model):
    """A range of dates; bounds left None do not bound.

    Kept as microseconds since 1970-01-01T00:00:00Z in ``_gte``, ``_gt``, ``_lte``, ``_lt``.

    Args:
        gte: earliest date included, RFC 3339 or a date alone.
        gt: date excluded before.
        lte: latest date included.
        lt: date excluded after.

    Raises:
        ValidationError: text that is no date.
    """

    __slots__ = ("_gt", "_gte", "_lt", "_lte")
    __match_args__ = ("gte", "gt", "lte", "lt")

    _gte: int | None
    _gt: int | None
    _lte: int | None
    _lt: int | None

    def __init__(
        self, gte: str | None = None, gt: str | None = None, lte: str | None = None, lt: str | None = None
    ) -> None:
        put_fields(
            self,
            _gte=_micros(gte, "gte"),
            _gt=_micros(gt, "gt"),
            _lte=_micros(lte, "lte"),
            _lt=_micros(lt, "lt"),
        )

    @property
    def gte(self) -> str | None:
        """Earliest date included, in UTC."""
        return _date(self._gte)

    @property
    def gt(self) -> str | None:
        """Date excluded before, in UTC."""
        return _date(self._gt)

    @property
    def lte(self) -> str | None:
        """Latest date included, in UTC."""
        return _date(self._lte)

    @property
    def lt(self) -> str | None:
        """Date excluded after, in UTC."""
        return _date(self._lt)


class ValuesCount(Model):
    """How many values a field has: the length of an array, 1 for another value, 0 for null or none.

    Args:
        lt: fewer than.
        gt: more than.
        lte: at most.
        gte: at least.
    """

    __slots__ = ("gt", "gte", "lt", "lte")
    __match_args__ = ("lt", "gt", "lte", "gte")

    lt: int | None
    gt: int | None
    lte: int | None
    gte: int | None

    def __init__(
        self, lt: int | None = None, gt: int | None = None, lte: int | None = None, gte: int | None = None
    ) -> None:
        put_fields(self, lt=opt_u64(lt, "lt"), gt=opt_u64(gt, "gt"), lte=opt_u64(lte, "lte"), gte=opt_u64(gte, "gte"))


Match: TypeAlias = (
    MatchValue | MatchText | MatchTextAny | MatchPhrase | MatchPrefix | MatchSubstring | MatchAny | MatchExcept
)
Range: TypeAlias = RangeFloat | RangeDateTime
MATCHES = (
    MatchValue,
    MatchText,
    MatchTextAny,
    MatchPhrase,
    MatchPrefix,
    MatchSubstring,
    MatchAny,
    MatchExcept,
)
RANGES = (RangeFloat, RangeDateTime)

_text = text  # MatchText has an argument of that name


def _scalar(value: Any) -> str | int | bool:
    if isinstance(value, str):
        return text(value, "value")
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, np.bool_) else _i64(value, "value", "a str, an int or a bool")


def _i64(value: Any, name: str, expected: str) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}") from None
    if _I64_MIN <= number <= _I64_MAX:
        return number
    raise TypeError(f"{name}: expected an integer of 64 bits with sign, got {number}")


def _one_type(values: Iterable[Any], name: str) -> tuple[Any, ...]:
    """The values, each once: all strings or all integers."""
    items = sequence(values, name)
    if any(isinstance(item, str) for item in items):
        if not all(isinstance(item, str) for item in items):
            raise TypeError(f"{name}: expected all strings or all integers, got both")
        return tuple(dict.fromkeys([text(item, name) for item in items]))
    return tuple(dict.fromkeys([_i64(item, name, "strings or integers") for item in items]))


def _micros(date: str | None, name: str) -> int | None:
    if date is None:
        return None
    from edgeshard.models.datetimes import parse_datetime

    return parse_datetime(text(date, name))


def _date(micros: int | None) -> str | None:
    if micros is None:
        return None
    from edgeshard.models.dates import format_datetime

    return format_datetime(micros)
