"""Snowball stemmers by language name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from edgeshard.text.stem_rules import STEM_RULES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STEMMED_LANGUAGES", "stemmer_of"]

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


def stemmer_of(setting: Any) -> Callable[[str], str] | None:
    """The function that stems one lower-cased token, or None for no stemming.

    Args:
        setting: a language name, or an object with a ``language`` (``SnowballParams``); None and objects
            without one (``DisabledStemmer``) switch stemming off.

    Not to be called from two threads at once: a Snowball stemmer works in a buffer of its own.
    """
    language = setting if isinstance(setting, str) else getattr(setting, "language", None)
    name = str(getattr(language, "name", language)).lower()
    if name not in STEMMED_LANGUAGES:
        return None
    import Stemmer  # loaded with the first stemmer: it costs more than the rest of this package

    stem: Callable[[str], str] = Stemmer.Stemmer(name, 0).stemWord
    rule = STEM_RULES.get(name)
    return stem if rule is None else partial(rule, stem)
