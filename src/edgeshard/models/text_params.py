"""Parameters of text analysis and ranking, shared by text indexes and `Bm25`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from edgeshard.models.base import Model, instance, instances, put_fields, texts
from edgeshard.models.enums import Language, SnowballLanguage, TextScoringType

__all__ = ["DisabledStemmer", "SnowballParams", "Stemmer", "Stopwords", "StopwordsSet", "TextScoringParams"]


class TextScoringParams(Model):
    """How a text index ranks documents.

    Args:
        type: the formula.
    """

    __slots__ = ("type",)
    __match_args__ = ("type",)

    type: TextScoringType

    def __init__(self, type: TextScoringType = TextScoringType.Bm25) -> None:
        put_fields(self, type=instance(type, TextScoringType, "type"))


class StopwordsSet(Model):
    """Words that are left out.

    Args:
        languages: languages whose lists are used.
        custom: further words.
    """

    __slots__ = ("_custom", "_languages")
    __match_args__ = ("languages", "custom")

    _languages: frozenset[Language] | None
    _custom: frozenset[str] | None

    def __init__(self, languages: Iterable[Language] | None = None, custom: Iterable[str] | None = None) -> None:
        put_fields(
            self,
            _languages=None if languages is None else frozenset(instances(languages, Language, "languages")),
            _custom=None if custom is None else frozenset(texts(custom, "custom")),
        )

    @property
    def languages(self) -> set[Language] | None:
        """Languages whose lists are used; a fresh set."""
        return None if self._languages is None else set(self._languages)

    @property
    def custom(self) -> set[str] | None:
        """Further words; a fresh set."""
        return None if self._custom is None else set(self._custom)


class SnowballParams(Model):
    """Stemming by a Snowball algorithm.

    Args:
        language: whose.
    """

    __slots__ = ("language",)
    __match_args__ = ("language",)

    language: SnowballLanguage

    def __init__(self, language: SnowballLanguage) -> None:
        put_fields(self, language=instance(language, SnowballLanguage, "language"))


class DisabledStemmer(Model):
    """No stemming, even where a language has a stemmer."""

    __slots__ = ()


Stopwords: TypeAlias = Language | StopwordsSet
Stemmer: TypeAlias = SnowballParams | DisabledStemmer
