"""Characters Unicode calls alphabetic or numeric although `str.isalnum` does not.

Vowel signs, circled letters and the characters newer than Python's own tables (the reference
follows Unicode 17). They may stand in an unquoted key of a payload path.
"""

from __future__ import annotations

import functools
from bisect import bisect_right

__all__ = ["is_alphanumeric"]

# Ranges of code points in hexadecimal: distance from the end of the range before, "+", length less one.
_RANGES = (
    "345 1e+c 241+d 2 2+1 2+1 2 49+a 31+c 2+6 11 66+6 5+3 3+1 5 24 1f+f 67+a 66+1 4+8 2+2 2+3 63 8 3d+b "
    "4+6 7+13 37+1 3+e 2+1 6+2 b+1 1e+2 3b+6 3+1 3+1 b b+1 1e+2 3b+4 5+1 3+1 5 1f+1 4 c+2 3b+7 2+2 2+1 "
    "16+1 17+2 5+2 3b+6 3+1 3+1 a+1 b+1 1f 3c+4 4+2 2+2 b 29+4 3a+6 2+2 2+2 9+1 6 6+1 1e+2 3b+6 2+2 2+2 "
    "9+1 6 6+1 10 d+3 3b+6 2+2 2+2 b b+1 1e+2 4c+5 2 2+7 13+1 3e 3+6 13 64 3+5 2+1 11 a4+12 a+a 2+23 6f+b "
    "2 3+3 18+3 5+2 2+2 3+6 4+3 e+b 2 b+3 675+1 1f+1 1f+1 1f+1 43+12 bd+1 23 77+b 5+8 df+4 3a+9 3+13 4b+1 "
    "c+2 32+4 31+e 3d+2 1f+8 3+1 3a+a 33+12 53+1 149+21 6c2+33 8f7+1f 7875+7 23+1 12c+4 3 2 6+2 15 11 9 "
    "18+4 59+1 33+f 2 3a 27+4 1d+b 2e+3 31+b 26 44+d d 9+1 2e+2 33 2+2 3+1 6 2d+4 6 ee+7 4f34 858+4 "
    "246+33 34d+19 a8+2 2+1 6+3 315+3 19+25 4 6+16 126+1 16+5 33+2 104+2 36+d 2e+1 c+2 2e+8 a 3e+2 25+b "
    "13+1 3a+2 31+c f+1 5d+8 3 7+3 9e+9 18+3 3b+6 3+1 3+1 b b+1 1d+9 2 3 2+25 2+9 2 3 2+3 2+1 4 2 62+c "
    "2+2 6b+11 ee+6 3+6 1e+1 53+e 2 6b+a 1b+13 3a+d 102+c f8+5 2+1 3+1 4 2 8f+6 3+5 5 1d+9 2b+4 2+3 13+a "
    "2f+d c9+7 59+20 10+9 36+7 2+6 54+15 2+d 7b+5 4 2+1 2+2 2 4 43+4 2+1 2+3 1a+2b 5+9 10a+3 a+10 2+28 "
    "4+2 10+9 14d6 12+5 1a+f9a 1d06+2e 2+9 c07+2c 4+9 127+18 3+18 7c 2+36 8+3 5e+6 1802+7 500 a+15 62+72 "
    "2340 23 b49 1052+9 5c7+13 c52+5 d6+6 2+10 3+6 2+1 2+4 6+3d 22 441+1b 5+9 d7+1d 3+a c6+1e 2+15 9+1 "
    "248 7e9+19 7+19 7+19 c5b0+6 1763+b 1d43+26d 24f3+2129 "
)


def is_alphanumeric(char: str) -> bool:
    """Whether `char` (one character) is a letter, a vowel sign or a number in the sense of Unicode."""
    if char.isalnum():
        return True
    starts, ends = _table()
    at = bisect_right(starts, ord(char)) - 1
    return at >= 0 and ord(char) <= ends[at]


@functools.cache
def _table() -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for entry in _RANGES.split():
        gap, _, more = entry.partition("+")
        starts.append(last + int(gap, 16))
        last = starts[-1] + int(more or "0", 16)
        ends.append(last)
    return starts, ends
