"""Snowball stemmers by language name."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib import import_module
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

_KEPT_STEMS = 1 << 16
"""Words whose stems are remembered where the stemmer is one in Python."""


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
        rule = STEM_RULES.get(language)
        compiled = _compiled(language)
        if compiled is not None and rule is None:
            self.one, self.each = compiled.stemWord, compiled.stemWords
            return
        plain = _in_python(language) if compiled is None else compiled.stemWord
        stem = plain if rule is None else partial(rule, plain)
        self.one, self.each = stem, lambda tokens: [stem(token.decode()).encode() for token in tokens]


def _compiled(language: str) -> Any:
    """The stemmer in C; None where there is none to install, or only one of Snowball 3, which has other stems."""
    try:
        import Stemmer  # loaded with the first stemmer: it costs more than the rest of this package
    except ModuleNotFoundError:
        return None
    return Stemmer.Stemmer(language, 0) if Stemmer.version().startswith("2.") else None


def _in_python(language: str) -> Callable[[str], str]:
    """The same stems from the stemmer in Python, which is slow but for words that were asked for before."""
    module = import_module(f"snowballstemmer.{language}_stemmer")
    stem: Callable[[str], str] = getattr(module, f"{language.capitalize()}Stemmer")().stemWord
    return lru_cache(_KEPT_STEMS)(stem)


def stemmer_of(setting: Any) -> TokenStemmer | None:
    """What stems lower-cased tokens, or None for no stemming.

    Args:
        setting: a language name, or an object with a ``language`` (``SnowballParams``); None and objects
            without one (``DisabledStemmer``) switch stemming off.
    """
    language = setting if isinstance(setting, str) else getattr(setting, "language", None)
    name = str(getattr(language, "name", language)).lower()
    return TokenStemmer(name) if name in STEMMED_LANGUAGES else None
