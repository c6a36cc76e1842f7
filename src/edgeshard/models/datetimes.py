"""Dates as payloads and ranges spell them, turned into microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from edgeshard import _native
from edgeshard.errors import ArgumentError, quoted

__all__ = ["parse_datetime"]


def parse_datetime(text: str) -> int:
    """Microseconds since the epoch of the date and time in `text`; UTC unless it names an offset.

    Accepts RFC 3339 and its usual relatives: a space for the ``T``, an offset as ``+HH`` or ``+HHMM``, no
    offset, no seconds, a date alone, a fraction of any length (cut to microseconds), second 60 and signed
    years. The exact forms are those Qdrant reads (native/codec/datetimes.hpp).

    Raises:
        ValidationError: `text` is no such date.
        TypeError: `text` is not a string.
    """
    try:
        micros = _native.parse_datetime(text)
    except UnicodeEncodeError:
        micros = None
    if micros is None:
        raise ArgumentError(
            f"failed to parse date-time {quoted(text)}: expected RFC 3339 such as 2024-01-31T12:00:00Z, or a date alone"
        )
    return micros
