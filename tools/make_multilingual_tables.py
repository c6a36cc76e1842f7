"""Writes the character tables of the multilingual tokenizer by asking the reference implementation.

Three facts per character are measured with ``qdrant_edge.Bm25`` and its multilingual tokenizer: whether it
separates words, whether it is removed from a word, and, for Chinese characters, which variant replaces it::

    python tools/make_multilingual_tables.py src/edgeshard/text/multilingual_tables
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import qdrant_edge

from edgeshard import _native
from edgeshard.text.scripts import script_of

LETTERS = {"": "q", "latin": "q", "cyrillic": "ж", "arabic": "ب", "devanagari": "क", "hebrew": "ב"}
LETTERS |= {"ethiopic": "ለ", "georgian": "ბ", "bengali": "ক", "hangul": "나", "greek": "β", "kannada": "ಕ"}
LETTERS |= {"tamil": "க", "gujarati": "ક", "gurmukhi": "ਕ", "telugu": "క", "malayalam": "ക", "oriya": "କ"}
LETTERS |= {"myanmar": "က", "sinhala": "ක", "khmer": "ក"}
CODES = [*range(0xD800), *range(0xE000, 0x110000)]
EVERY = [chr(code) for code in CODES if unicodedata.category(chr(code)) != "Co"]


def token_id(token: str) -> int:
    """The sparse dimension of a token."""
    return int(_native.token_ids([token])[0])


def multilingual_model() -> qdrant_edge.Bm25:
    """A model with the multilingual tokenizer and nothing behind it."""
    return qdrant_edge.Bm25(
        qdrant_edge.Bm25Config(
            tokenizer=qdrant_edge.TokenizerType.Multilingual,
            stopwords=qdrant_edge.StopwordsSet(),
            stemmer=qdrant_edge.DisabledStemmer(),
        )
    )


def classify(model: qdrant_edge.Bm25) -> tuple[list[str], list[str]]:
    """``(separators, removed)``: characters that split a word of their script, and that vanish from it.

    Thai, kana and Han are cut into dictionary words, so that a word cannot be built around a character; there
    punctuation separates and nonspacing marks vanish.
    """
    separators, removed = [], []
    for char in EVERY:
        letter = LETTERS.get(script_of(char), "")
        if not letter:
            separators += [char] if unicodedata.category(char)[0] == "P" else []
            removed += [char] if unicodedata.category(char) == "Mn" and script_of(char) == "thai" else []
            continue
        found = model.embed_query(letter + letter + char + letter).indices
        if set(found) == {token_id(letter * 2), token_id(letter)}:
            separators.append(char)
        elif found == [token_id(letter * 3)]:
            removed.append(char)
    return separators, removed


def han_variants(model: qdrant_edge.Bm25) -> dict[str, str]:
    """Chinese characters that are replaced by another one, with that one."""
    han = [char for char in EVERY if unicodedata.category(char) == "Lo" and ord(char) >= 0x2E80]
    by_id = {token_id(char): char for char in reversed(han)}
    variants = {}
    for char in han:
        if script_of(char) != "han":
            continue
        found = model.embed_query(char).indices
        plain = unicodedata.normalize("NFKD", char)
        if len(found) == 1 and found[0] in by_id and by_id[found[0]] != plain:
            variants[plain] = by_id[found[0]]
    return variants


def ranges(chars: list[str]) -> str:
    """The characters as hexadecimal ranges, one line of text."""
    runs: list[list[int]] = []
    for code in sorted(map(ord, chars)):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return " ".join(f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in runs)


def main(directory: str) -> None:
    """Write separators.txt, removed.txt and han_variants.txt."""
    model = multilingual_model()
    separators, removed = classify(model)
    variants = han_variants(model)
    target = Path(directory)
    target.mkdir(exist_ok=True)
    (target / "separators.txt").write_text(ranges(separators) + "\n")
    (target / "removed.txt").write_text(ranges(removed) + "\n")
    pairs = "".join(old + new for old, new in variants.items())
    (target / "han_variants.txt").write_text(pairs + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
