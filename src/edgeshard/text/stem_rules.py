"""Where the stems the format holds differ from Snowball 2.2, and how each is restored.

The format's stems follow an older generation of five of the Snowball algorithms. They differ from 2.2 on few
words, and for those the 2.2 stemmer is asked in a form in which both generations agree, or its answer is
finished by the older rule. Vowel and consonant sets are those of the algorithms' published definitions.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["STEM_RULES"]

Stem = Callable[[str], str]

_NO_LETTER = "\ue000"
"""A character no algorithm knows."""
_ARABIC_PUNCTUATION = str.maketrans("", "", '!"%*,./:;?\\،؛؟٪٫٬')
_LATIN_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
_DANISH_VOWELS = frozenset("aeiouyæåø")
_FINNISH_VOWELS = frozenset("aeiouyäö")
_FRENCH_VOWELS = frozenset("aeiouyâàëéêèïîôûù")


def _arabic(stem: Stem, word: str) -> str:
    """Punctuation inside a word is dropped."""
    return stem(word.translate(_ARABIC_PUNCTUATION))


def _danish(stem: Stem, word: str) -> str:
    """The final step drops one of two equal characters also where they are no letters."""
    result = stem(word)
    if result[-1:] in _LATIN_CONSONANTS or result[-1:] in _DANISH_VOWELS or result[-2:-1] != result[-1:]:
        return result
    vowel = next((i for i in range(len(word)) if word[i] in _DANISH_VOWELS), len(word))
    region = next((i + 1 for i in range(vowel, len(word)) if word[i] not in _DANISH_VOWELS), len(word))
    return result[:-1] if len(result) - 1 >= max(region, 3) else result


def _finnish(stem: Stem, word: str) -> str:
    """Every character that is no vowel is a consonant, digits too."""
    others = sorted({char for char in word if char not in _LATIN_CONSONANTS and char not in _FINNISH_VOWELS})
    return _disguised(stem, word, others, "qxzwcbfg") if others else stem(word)


def _french(stem: Stem, word: str) -> str:
    """ë and ï are vowels like others, ë is dropped after gu, and H is an ordinary letter."""
    others = [char for char in "ëï" if char in word]
    if not others and "H" not in word:
        return stem(word)
    result = _disguised(stem, word.replace("H", _NO_LETTER), others, "ôûùê").replace(_NO_LETTER, "H")
    unchanged = word in (result, result + "s")
    return result[:-1] if unchanged and result[_french_region(word) :].endswith("guë") else result


def _french_region(word: str) -> int:
    """Where the region RV starts: behind two vowels, or behind the first vowel after the first letter."""
    if len(word) > 2 and word[0] in _FRENCH_VOWELS and word[1] in _FRENCH_VOWELS:
        return 3
    return next((i + 1 for i in range(1, len(word)) if word[i] in _FRENCH_VOWELS), len(word))


def _disguised(stem: Stem, word: str, others: list[str], spare: str) -> str:
    """The stem of the word with ``others`` as spare letters, which no suffix of the language contains."""
    letters = [char for char in spare if char not in word]
    if len(letters) < len(others):
        return stem(word)
    there = {ord(char): letter for char, letter in zip(others, letters, strict=False)}
    back = {ord(letter): chr(code) for code, letter in there.items()}
    return stem(word.translate(there)).translate(back)


def _russian(stem: Stem, word: str) -> str:
    """ё is not taken for е."""
    return stem(word.replace("ё", _NO_LETTER)).replace(_NO_LETTER, "ё") if "ё" in word else stem(word)


STEM_RULES: dict[str, Callable[[Stem, str], str]] = {
    "arabic": _arabic,
    "danish": _danish,
    "finnish": _finnish,
    "french": _french,
    "russian": _russian,
}
"""Per language, the function that stems a word given the Snowball 2.2 stemmer."""
