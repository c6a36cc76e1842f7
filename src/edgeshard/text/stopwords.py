"""Stop words by language, read from ``stop_words/<language>.txt`` when first asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["STOP_WORD_LANGUAGES", "stop_words", "stop_words_of"]

STOP_WORD_LANGUAGES = frozenset(
    (
        "arabic",
        "azerbaijani",
        "basque",
        "bengali",
        "catalan",
        "chinese",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hebrew",
        "hinglish",
        "hungarian",
        "indonesian",
        "italian",
        "japanese",
        "kazakh",
        "nepali",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "slovene",
        "spanish",
        "swedish",
        "tajik",
        "turkish",
    )
)
"""Languages with a stop-word list."""


@cache
def stop_words(language: str) -> frozenset[str]:
    """The stop words of a language (lower-case English name); empty for a language without a list."""
    if language not in STOP_WORD_LANGUAGES:
        return frozenset()
    path = Path(__file__).with_name("stop_words") / f"{language}.txt"
    return frozenset(path.read_text(encoding="utf-8").split())


def stop_words_of(setting: Any, lowercase: bool) -> frozenset[str]:
    """The stop words a ``stopwords`` setting stands for.

    Args:
        setting: None, a language (name or enum member), or an object with ``languages`` and ``custom``.
        lowercase: whether tokens are lower-cased, and custom words with them.
    """
    if setting is None:
        return frozenset()
    if not hasattr(setting, "custom"):
        return stop_words(str(getattr(setting, "name", setting)).lower())
    words: set[str] = set()
    for language in setting.languages or ():
        words |= stop_words(str(getattr(language, "name", language)).lower())
    words.update(word.lower() if lowercase else word for word in setting.custom or ())
    return frozenset(words)
