"""The multilingual tokenizer: runs of one script, cut and normalised by the rules of charabia.

A text is cut where the script changes and at separators; Arabic articles, and Chinese, Japanese and Thai
words where a dictionary is installed, are cut further. Tokens are decomposed (NFKD) and lower-cased, lose control
characters and, in Latin, Greek, Hebrew, Arabic and Thai script, diacritics, and are dropped if no letter is
left. docs/reference/text.md lists what differs for scripts that need a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from edgeshard import _native
from edgeshard.text.scripts import script_of

__all__ = ["split_multilingual"]

_ASCII_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ASCII_LETTER = re.compile("[A-Za-z]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_UNMARKED = frozenset(("latin", "greek", "hebrew", "arabic", "thai"))
_CASED = frozenset(("latin", "cyrillic", "greek", "georgian", "armenian"))
_ARTICLES = ("ال", "أل", "إل", "آل", "ٱل")
_LATIN_PAIRS = str.maketrans({"œ": "oe", "æ": "ae"})
_ARABIC_LETTERS = str.maketrans({"\u0640": None, "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه"})
WHOLE, SIMPLE = 4, 5
"""Splitters of the native module: a text as one token, and the words of a text for which `is_simple` holds."""
_JAPANESE_SHARE = 0.05
"""Text of Han and kana is Japanese if more than this share of it is kana."""


def split_multilingual(text: str, lowercase: bool, folding: bool) -> list[str]:
    """The tokens of a text in any script, in order with repeats.

    Args:
        text: any text.
        lowercase: whether letters charabia leaves alone (full-width ones) are lower-cased as well.
        folding: whether characters with an ASCII look-alike are replaced by it.
    """
    if is_simple(text):
        return _native.split_text(text, SIMPLE)
    if _depends_on_neighbours(text):
        return _split_runs(text, lowercase, folding)
    tokens: list[str] = []
    parts = [(simple, " ".join(words)) for simple, words in groupby(text.split(" "), _AsciiWords())]
    for number, (simple, part) in enumerate(parts):
        if simple:
            tokens += _native.split_text(part, SIMPLE)
        elif number:  # what has no script at the start of a part goes with the Latin word before it
            tokens += _split_runs(f"a {part}", lowercase, folding)[1:]
        elif len(parts) > 1:  # at the start of the text with what follows
            tokens += _split_runs(f"{part} a", lowercase, folding)[:-1]
        else:
            tokens += _split_runs(part, lowercase, folding)
    return tokens


class _AsciiWords:
    """Tells the words between blanks that are ASCII with a letter from the others, when asked in order.

    Such a word ends any run of another script, so that its neighbours can be split without it. Words without letters
    belong to those before them, and so do digits at the start of a word: one behind another script must begin with a
    letter.
    """

    def __init__(self) -> None:
        self._before = False

    def __call__(self, word: str) -> bool:
        if not is_simple(word):
            self._before = False
        elif not self._before:
            self._before = _ASCII_LETTER.match(word) is not None
        return self._before


def _depends_on_neighbours(text: str) -> bool:
    """Whether letters of no script, which take that of the words around them, are in a text."""
    return any(script_of(char) == "" and char.isalpha() for run in _BEYOND_ASCII.findall(text) for char in run)


def _split_runs(text: str, lowercase: bool, folding: bool) -> list[str]:
    """:func:`split_multilingual` of any text, character by character."""
    tokens = []
    for script, run in _runs(text):
        for piece in _separator().split(run):
            for word in _segments(piece, script):
                token = _token(word, script, lowercase, folding)
                if token is not None:
                    tokens.append(token)
    return tokens


def is_simple(text: str) -> bool:
    """Whether the native splitter `SIMPLE` gives the tokens of a text: ASCII without control characters."""
    return text.isascii() and not _ASCII_CONTROL.search(text)


@lru_cache(maxsize=1 << 16)
def _token(word: str, script: str, lowercase: bool, folding: bool) -> str | None:
    """The token a word becomes, None if no letter is left."""
    token = _normal(word, script)
    if not _has_letter(token):
        return None
    return _finished(token, lowercase, folding) if folding or lowercase else token


def _runs(text: str) -> list[tuple[str, str]]:
    """``(script, run)`` of the maximal runs of one script; characters of no script extend a run."""
    runs: list[list[str]] = []
    for script, chars in groupby(text, script_of):
        script = "han" if script == "kana" else script
        piece = "".join(chars)
        if runs and (not script or script == runs[-1][0]):
            runs[-1][1] += piece
        elif runs and not runs[-1][0]:
            runs[-1] = [script, runs[-1][1] + piece]
        else:
            runs.append([script, piece])
    return [(_dominant(script, run), run) for script, run in runs]


def _dominant(script: str, run: str) -> str:
    """The script of a run, with Japanese told from Chinese, and Armenian, which cuts no runs, found."""
    armenian = sum("\u0531" <= char <= "\u058a" for char in run)
    if armenian and armenian > sum(script_of(char) != "" for char in run):
        return "armenian"
    return "japanese" if script == "han" and _is_japanese(run) else script


def _segments(piece: str, script: str) -> list[str]:
    """The words of a piece without separators."""
    if not piece:
        return []
    if script == "arabic" and len(piece) > 2 and piece.startswith(_ARTICLES):
        return [piece[:2], piece[2:]]
    if script in ("han", "japanese"):
        from edgeshard.text.han import chinese_words, japanese_words

        return chinese_words(piece) if script == "han" else japanese_words(piece)
    if script == "thai":
        from edgeshard.text.thai import thai_words

        return thai_words(piece)
    return [piece]


def _is_japanese(run: str) -> bool:
    scripts = [script_of(char) for char in run]
    kana, han = scripts.count("kana"), scripts.count("han")
    return kana > _JAPANESE_SHARE * (kana + han)


def _normal(word: str, script: str) -> str:
    """The normalised form of a word; the order of the steps matters for words that end in a mark."""
    if script == "japanese":
        # Kana stay composed.
        word = "".join(c if "\u3040" <= c <= "\u30ff" else unicodedata.normalize("NFKD", c) for c in word)
    elif not word.isascii():
        # Character by character: marks keep their order.
        word = "".join(unicodedata.normalize("NFKD", char) for char in word)
    word = word.translate(_controls())
    if script in _CASED:
        word = "".join(map(str.lower, word))  # no final sigma
    if script == "latin":
        word = word.translate(_LATIN_PAIRS)
    elif script == "greek" and word.endswith("ς"):
        word = word[:-1] + "σ"
    elif script == "arabic":
        word = word.translate(_ARABIC_LETTERS)
    elif script == "han":
        word = word.translate(_han_variants())
    return word.translate(_removed()) if script in _UNMARKED else word


def _has_letter(token: str) -> bool:
    """Whether a character is alphabetic (token characters that are no number)."""
    if any(map(str.isalpha, token)):
        return True
    words = _native.split_text(token)
    return any(unicodedata.category(char) not in ("Nd", "No") for word in words for char in word)


def _finished(token: str, lowercase: bool, folding: bool) -> str:
    """ASCII folding and lower-casing as every other tokenizer does them."""
    if token.isascii() and not lowercase:
        return token
    [done] = _native.split_text(token, WHOLE, lowercase, folding)
    return done


def _ranges(name: str) -> list[range]:
    """The code points a file of ``multilingual_tables`` lists as hexadecimal ranges."""
    text = Path(__file__).with_name("multilingual_tables").joinpath(name).read_text(encoding="ascii")
    bounds = [item.partition("-")[::2] for item in text.split()]
    return [range(int(first, 16), int(last or first, 16) + 1) for first, last in bounds]


@cache
def _separator() -> re.Pattern[str]:
    """Matches one separator."""
    inside = "".join(f"{re.escape(chr(r[0]))}-{re.escape(chr(r[-1]))}" for r in _ranges("separators.txt"))
    return re.compile(f"[{inside}]")


@cache
def _removed() -> dict[int, None]:
    """Control characters and nonspacing marks, to translate away."""
    return dict.fromkeys(code for codes in _ranges("removed.txt") for code in codes)


@cache
def _controls() -> dict[int, None]:
    """Control characters, to translate away."""
    return dict.fromkeys(code for code in _removed() if unicodedata.category(chr(code)) == "Cc")


@cache
def _han_variants() -> dict[int, str]:
    """The character that replaces each Chinese variant form."""
    path = Path(__file__).with_name("multilingual_tables") / "han_variants.txt"
    pairs = path.read_text(encoding="utf-8").strip()
    return {ord(old): new for old, new in zip(pairs[::2], pairs[1::2], strict=True)}
