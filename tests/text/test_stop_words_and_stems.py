"""Stop words and stems of every language equal to the reference."""

from __future__ import annotations

import random
import sys

import pytest
import qdrant_edge as reference

from edgeshard import _native
from edgeshard.text.stemmer import STEMMED_LANGUAGES, stemmer_of
from edgeshard.text.stopwords import STOP_WORD_LANGUAGES, stop_words

# Words of each list that can be tokens (entries with blanks in them never match and are not kept).
SIZES = {
    "arabic": 696, "azerbaijani": 164, "basque": 231, "bengali": 398, "catalan": 277, "chinese": 841,
    "danish": 94, "dutch": 101, "english": 179, "finnish": 229, "french": 157, "german": 232, "greek": 265,
    "hebrew": 185, "hinglish": 1036, "hungarian": 198, "indonesian": 757, "italian": 279, "japanese": 149,
    "kazakh": 275, "nepali": 253, "norwegian": 172, "portuguese": 207, "romanian": 356, "russian": 151,
    "slovene": 1784, "spanish": 313, "swedish": 114, "tajik": 104, "turkish": 53,
}  # fmt: skip
EXTRA = {
    "french": "ambiguë aiguës noël maïs naïve haïr Héros",
    "russian": "ёлка вёсны нужноё",
    "finnish": "2000-luvulla 88y v100 taloissa",
    "danish": "54y55 huset99 bagt99",
    "arabic": "كلم، المكتبات والكتاب",
    "english": "running flies generously happiness skies dying",
    "armenian": "գրքերը տներում մարդկանց",
    "tamil": "அவர்கள் மரங்கள் வீட்டில் புத்தகங்கள்",
}


def reference_model(**config: object) -> reference.Bm25:
    tokenizer = reference.TokenizerType.Whitespace
    return reference.Bm25(reference.Bm25Config(tokenizer=tokenizer, lowercase=False, **config))


def everything() -> list[str]:
    return sorted(set().union(*(stop_words(language) for language in STOP_WORD_LANGUAGES)))


@pytest.mark.parametrize("language", sorted(STOP_WORD_LANGUAGES))
def test_stop_words(language: str) -> None:
    theirs = reference_model(
        stopwords=getattr(reference.Language, language.capitalize()), stemmer=reference.DisabledStemmer()
    )
    dropped = {word for word in everything() if not theirs.embed_query(word).indices}
    assert dropped == stop_words(language)
    assert len(dropped) == SIZES[language]


def test_a_language_without_a_list_has_no_stop_words() -> None:
    assert stop_words("armenian") == frozenset()


@pytest.mark.parametrize("language", sorted(STEMMED_LANGUAGES))
def test_stems(language: str) -> None:
    snowball = reference.SnowballParams(getattr(reference.SnowballLanguage, language.capitalize()))
    theirs = reference_model(stopwords=reference.StopwordsSet(), stemmer=snowball)
    stemmer = stemmer_of(language)
    assert stemmer is not None
    words = sorted(stop_words(language)) + EXTRA.get(language, "").split()
    rng = random.Random(1)
    built = [rng.choice(words) + rng.choice(words)[-4:] for _ in range(2000)]
    for word in words + built:
        assert theirs.embed_query(word).indices == _native.token_ids([stemmer.one(word)]).tolist(), word
    assert stemmer.each([word.encode() for word in built]) == [stemmer.one(word).encode() for word in built]


class SnowballThree:
    """Stands for PyStemmer 3, which some system may have for other programs."""

    @staticmethod
    def version() -> str:
        return "3.1.0"


@pytest.mark.parametrize("found", [None, SnowballThree], ids=["missing", "newer"])
@pytest.mark.parametrize("language", sorted(STEMMED_LANGUAGES))
def test_stems_without_the_compiled_stemmer_are_the_same(
    language: str, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [word.lower() for word in [*everything()[::7], *EXTRA.get(language, "").split()]]
    compiled = stemmer_of(language)
    monkeypatch.setitem(sys.modules, "Stemmer", found)
    in_python = stemmer_of(language)
    assert compiled is not None
    assert in_python is not None
    assert [in_python.one(word) for word in words] == [compiled.one(word) for word in words]
    encoded = [word.encode() for word in words[:200]]
    assert in_python.each(encoded) == compiled.each(encoded)
