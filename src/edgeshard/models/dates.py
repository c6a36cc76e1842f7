"""Dates written in the one form getters return: ``2024-01-31 12:00:00.500 UTC``."""

from __future__ import annotations

__all__ = ["format_datetime"]


def format_datetime(micros: int) -> str:
    """The UTC date `micros` microseconds after 1970-01-01.

    Seconds have 0, 3 or 6 decimals; years before 0 or after 9999 have a sign.
    """
    seconds, micros = divmod(micros, 1_000_000)
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    years = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}"
    if micros == 0:
        fraction = ""
    else:
        fraction = f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}"
    return f"{years}-{month:02d}-{day:02d} {clock} UTC"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day, Gregorian (Hinnant, "chrono-compatible low-level date algorithms")."""
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
