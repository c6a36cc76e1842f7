"""The writing system of a character, as the multilingual tokenizer groups text by it.

The ranges are those of the language detector whatlang, which charabia follows; a character outside all of
them belongs to the run of its neighbours.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

__all__ = ["script_of"]

_RANGES = {
    "latin": "41-5a 61-7a 80-24f 250-2af 1d00-1d2a 1d2c-1d77 1d79-1dbf 1e00-1eff 2100-214f 2c60-2c7f"
    " a720-a7ff ab30-ab6f",
    "cyrillic": "400-484 487-52f 2de0-2dff a640-a69d 1d2b a69f",
    "arabic": "600-6ff 750-7ff 8a0-8ff fb50-fdff fe70-feff 10e60-10e7f 1ee00-1eeff",
    "devanagari": "900-97f a8e0-a8ff 1cd0-1cff",
    "hebrew": "590-5ff",
    "ethiopic": "1200-139f 2d80-2ddf ab00-ab2f",
    "georgian": "10a0-10ff",
    "bengali": "980-9ff",
    "hangul": "ac00-d7af 1100-11ff 3130-318f 3200-32ff a960-a97f d7b0-d7ff ff00-ffef",
    "kana": "3040-30ff",
    "han": "2e80-2e99 2e9b-2ef3 2f00-2fd5 3005 3007 3021-3029 3038-303b 3400-4db5 4e00-9fcc f900-fa6d fa70-fad9",
    "greek": "370-3ff",
    "kannada": "c80-cff",
    "tamil": "b80-bff",
    "thai": "e00-e7f",
    "gujarati": "a80-aff",
    "gurmukhi": "a00-a7f",
    "telugu": "c00-c7f",
    "malayalam": "d00-d7f",
    "oriya": "b00-b7f",
    "myanmar": "1000-109f",
    "sinhala": "d80-dff",
    "khmer": "1780-17ff 19e0-19ff",
}


def _table() -> tuple[list[int], list[int], list[str]]:
    """First and last code points of all ranges and their scripts, ascending."""
    ranges = []
    for script, texts in _RANGES.items():
        for text in texts.split():
            first, _, last = text.partition("-")
            ranges.append((int(first, 16), int(last or first, 16), script))
    ranges.sort()
    return [r[0] for r in ranges], [r[1] for r in ranges], [r[2] for r in ranges]


_FIRST, _LAST, _SCRIPT = _table()


@lru_cache(maxsize=1 << 13)
def script_of(char: str) -> str:
    """The script of a character in lower-case English, "" for characters that belong to any."""
    at = bisect_right(_FIRST, ord(char)) - 1
    return _SCRIPT[at] if at >= 0 and ord(char) <= _LAST[at] else ""
