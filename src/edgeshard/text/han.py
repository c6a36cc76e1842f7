"""Words of Chinese and Japanese text, which is written without spaces."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import groupby

from edgeshard.text.scripts import script_of

__all__ = ["chinese_words", "japanese_words"]


def chinese_words(text: str) -> list[str]:
    """The words of Chinese text: jieba's with the ``chinese`` extra, single characters without."""
    cut = _jieba()
    if cut is not None:
        return cut(text)
    return _runs(text, script_of)


def japanese_words(text: str) -> list[str]:
    """The words of Japanese text: UniDic's with the ``japanese`` extra.

    Without it text is cut where the kind of character changes, and Han characters stand alone.
    """
    cut = _lindera()
    if cut is not None:
        return cut(text)
    return _runs(text, _kind)


def _runs(text: str, kind_of: Callable[[str], str]) -> list[str]:
    """The runs of characters of one kind; Han characters stand alone."""
    runs: list[str] = []
    for kind, chars in groupby(text, kind_of):
        run = "".join(chars)
        runs.extend(run if kind == "han" else [run])
    return runs


@cache
def _lindera() -> Callable[[str], list[str]] | None:
    """The segmentation of Lindera with UniDic, None if it is not installed."""
    try:
        from lindera import TokenizerBuilder
    except ImportError:
        return None
    builder = TokenizerBuilder()
    builder.set_mode("normal")
    builder.set_dictionary("embedded://unidic")
    tokenizer = builder.build()

    def cut(text: str) -> list[str]:
        return [token.surface for token in tokenizer.tokenize(text)]

    return cut


def _kind(char: str) -> str:
    """Script of a character, hiragana and katakana told apart."""
    script = script_of(char)
    return "hiragana" if script == "kana" and char < "\u30a0" else script


@cache
def _jieba() -> Callable[[str], list[str]] | None:
    """The segmentation of jieba's dictionary in short words, None if it is not installed."""
    try:
        import rjieba
    except ImportError:
        return None

    def cut(text: str) -> list[str]:
        return [short for word in rjieba.cut(text, False) for short in _short_words(word, rjieba.has_word)]

    return cut


def _short_words(word: str, is_word: Callable[[str], bool]) -> list[str]:
    """A word cut from the left into known words of two, else three characters, else single characters."""
    if len(word) <= 2 or (word.isascii() and word.isalnum()):
        return [word]
    parts = []
    at = 0
    while at < len(word):
        size = next((n for n in (2, 3) if at + n <= len(word) and is_word(word[at : at + n])), 1)
        parts.append(word[at : at + size])
        at += size
    return parts
