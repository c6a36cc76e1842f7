"""Dates as payloads and ranges spell them, turned into microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

import functools
import re

from edgeshard.errors import ValidationError

__all__ = ["parse_datetime"]

_MAX_YEAR = 262142
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@functools.cache
def _forms() -> tuple[re.Pattern[str], ...]:
    """The three forms a date may have, tried in this order; the groups are the same in all of them.

    They differ in where blanks may stand and are those of the parsers Qdrant tries one after the other.
    Numbers take as many digits as they may (no backtracking), which is why ``2024-01-0110:20`` is a date.
    """
    blank = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    ws = f"[{blank}]*"
    year = rf"{ws}([+-][0-9]{{1,99}}|[0-9]{{4}}|[0-9]{{1,3}}(?![0-9]))"
    two = rf"{ws}([0-9]{{2}}|[0-9](?![0-9]))"
    fraction = r"(?:\.([0-9]+))?"
    relaxed = (
        rf"{year}{ws}-{two}{ws}-{two}[Tt ]{two}{ws}:{two}{ws}:{two}{fraction}{ws}"
        rf"([Uu][Tt][Cc]|[Zz]|[+\u2212-][0-9]{{2}}[:{blank}]*[0-9]{{2}}){ws}"
    )
    offset = (
        rf"{year}-{two}-{two}(?:T|{ws}){two}:{two}:{two}{fraction}{ws}"
        rf"([Zz]|[+\u2212-][0-9]{{2}}[:{blank}]*(?:[0-9]{{2}})?)"
    )
    naive = rf"{year}-{two}-{two}(?:(?:T|{ws}){two}:{two}(?::{two}{fraction})?)?()"
    return tuple(re.compile(form) for form in (relaxed, offset, naive))


def parse_datetime(text: str) -> int:
    """Microseconds since the epoch of the date and time in `text`; UTC unless it names an offset.

    Accepts RFC 3339 and its usual relatives: a space for the ``T``, an offset as ``+HH`` or ``+HHMM``, no
    offset, no seconds, a date alone, a fraction of any length (cut to microseconds), second 60 and
    signed years.

    Raises:
        ValidationError: `text` is no such date.
    """
    for form in _forms():
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        raise _bad_date(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not (abs(year) <= _MAX_YEAR and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        raise _bad_date(text)
    if hour > 23 or minute > 59 or second > 60:
        raise _bad_date(text)
    micros = int((match[7] or "")[:6].ljust(6, "0"))
    seconds = _days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return (seconds - _offset_seconds(match[8], text)) * 1_000_000 + micros


def _days_in(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def _days_since_epoch(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March."""
    year -= month <= 2
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + day_of_year - 719468


def _offset_seconds(zone: str | None, text: str) -> int:
    if not zone or zone.upper() in ("Z", "UTC"):
        return 0
    digits = re.sub("[^0-9]", "", zone)
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise _bad_date(text)
    return (hours * 3600 + minutes * 60) * (1 if zone[0] == "+" else -1)


def _bad_date(text: str) -> ValidationError:
    return ValidationError(
        f"invalid datetime {text!r}: expected RFC 3339 such as 2024-01-31T12:00:00Z, or a date alone"
    )
