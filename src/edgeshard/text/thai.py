"""Words of Thai text, which is written without spaces."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["thai_words"]


def thai_words(text: str) -> list[str]:
    """The words of Thai text: with the ``thai`` extra from the left the longest in its dictionary, else the text.

    Where no word of the dictionary starts, one character is a word.
    """
    known = _dictionary()
    if known is None:
        return [text]
    words, longest = known
    found = []
    at = 0
    while at < len(text):
        size = min(longest, len(text) - at)
        while size > 1 and text[at : at + size] not in words:
            size -= 1
        found.append(text[at : at + size])
        at += size
    return found


@cache
def _dictionary() -> tuple[frozenset[str], int] | None:
    """The words PyThaiNLP comes with and the length of the longest; None if it is not installed.

    The file is read without importing the package, which would make a directory in the user's home.
    """
    spec = find_spec("pythainlp")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "corpus" / "words_th.txt"
    words = frozenset(word.strip() for word in path.read_text(encoding="utf-8").splitlines()) - {""}
    return words, max(map(len, words))
