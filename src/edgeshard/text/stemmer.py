"""Snowball stemmers by language name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from edgeshard.text.stem_rules import STEM_RULES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STEMMED_LANGUAGES", "TokenStemmer", "stemmer_of"]

STEMMED_LANGUAGES = frozenset(
    (
        "arabic",
        "armenian",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hungarian",
        "italian",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
    )
)
"""Languages with a Snowball stemmer."""


class TokenStemmer:
    """The stems of one language.

    Not to be used from two threads at once: a Snowball stemmer works in a buffer of its own.

    Args:
        language: one of `STEMMED_LANGUAGES`.
    """

    __slots__ = ("each", "one")

    one: Callable[[str], str]
    """The stem of a lower-cased token."""
    each: Callable[[list[bytes]], list[bytes]]
    """The stems of some tokens, all in UTF-8: decoding them costs as much as stemming."""

    def __init__(self, language: str) -> None:
        import Stemmer  # loaded with the first stemmer: it costs more than the rest of this package

        stemmer = Stemmer.Stemmer(language, 0)
        rule = STEM_RULES.get(language)
        if rule is None:
            self.one, self.each = stemmer.stemWord, stemmer.stemWords
        else:
            stem = partial(rule, stemmer.stemWord)
            self.one, self.each = stem, lambda tokens: [stem(token.decode()).encode() for token in tokens]


def stemmer_of(setting: Any) -> TokenStemmer | None:
    """What stems lower-cased tokens, or None for no stemming.

    Args:
        setting: a language name, or an object with a ``language`` (``SnowballParams``); None and objects
            without one (``DisabledStemmer``) switch stemming off.
    """
    language = setting if isinstance(setting, str) else getattr(setting, "language", None)
    name = str(getattr(language, "name", language)).lower()
    return TokenStemmer(name) if name in STEMMED_LANGUAGES else None
