"""The default word tokenizer against hand-picked texts and the reference."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import qdrant_edge as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeshard import _native
from edgeshard.text.tokenizer import Tokenizer, default_tokens

PLAIN = {"language": "chinese", "stopwords": reference.StopwordsSet(), "stemmer": reference.DisabledStemmer()}


def reference_ids(text: str, **config: object) -> list[int]:
    return reference.Bm25(reference.Bm25Config(**PLAIN, **config)).embed_query(text).indices


def our_ids(tokens: list[str]) -> list[int]:
    return sorted(set(_native.token_ids(tokens).tolist()))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("Don't stop_here: 3.14 e-mail", ["don", "t", "stop", "here", "3", "14", "e", "mail"]),
        ("ΟΔΟΣ ΣΑΣ Σ", ["οδος", "σας", "σ"]),
        ("İstanbul", ["i\u0307stanbul"]),
        ("x² Ⅷ ④", ["x²", "ⅷ", "④"]),
        ("e\u0301a", ["e", "a"]),
        ("東京タワー test", ["東京タワー", "test"]),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert default_tokens(text) == tokens
    assert reference_ids(text) == our_ids(tokens)


def test_every_character_separates_or_joins_as_in_the_reference() -> None:
    model = reference.Bm25(reference.Bm25Config(**PLAIN))
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    texts = [f"a{c}b{c}" for c in characters]
    assert [text for text in texts if model.embed_query(text).indices != our_ids(default_tokens(text))] == []


@settings(max_examples=500)
@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("aA1 _-Σσ'.İ"))))
def test_random_text(text: str) -> None:
    assert our_ids(default_tokens(text)) == reference_ids(text)


def test_batch_equals_one_by_one() -> None:
    texts = ["The quick brown fox", "", "fox, FOX; fox!", "Zürich und Köln"]
    vocabulary, numbers, bounds = Tokenizer().batch(texts)
    for i, text in enumerate(texts):
        assert [vocabulary[j] for j in numbers[bounds[i] : bounds[i + 1]]] == default_tokens(text)


def test_bytes_equal_strings() -> None:
    texts = ["a B", "ÄÖ ü", ""]
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    bounds = np.cumsum([0, *(len(text.encode()) for text in texts)])
    from_bytes = _native.split_bytes(data, bounds)
    from_strings = _native.split_texts(texts)
    assert from_bytes[0] == from_strings[0]
    np.testing.assert_array_equal(from_bytes[1], from_strings[1])
    np.testing.assert_array_equal(from_bytes[2], from_strings[2])


@pytest.mark.parametrize("bounds", [[0, 9], [-1, 2], [2, 1]])
def test_bounds_outside_the_data_are_refused(bounds: list[int]) -> None:
    with pytest.raises(ValueError, match="bounds"):
        _native.split_bytes(np.zeros(4, np.uint8), np.array(bounds))


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        default_tokens("a\ud800")
