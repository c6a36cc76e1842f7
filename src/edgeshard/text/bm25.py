"""BM25: the sparse embedder and the ranking formula of text queries.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgeshard.errors import ArgumentError
from edgeshard.text.stemmer import STEMMED_LANGUAGES
from edgeshard.text.stopwords import STOP_WORD_LANGUAGES
from edgeshard.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    pass

__all__ = ["Bm25Model", "check_bm25_params"]

_ISO_CODES = {
    "ar": "arabic", "az": "azerbaijani", "bn": "bengali", "ca": "catalan", "da": "danish", "de": "german",
    "el": "greek", "en": "english", "es": "spanish", "eu": "basque", "fi": "finnish", "fr": "french",
    "he": "hebrew", "hi-en": "hinglish", "hu": "hungarian", "id": "indonesian", "it": "italian",
    "jp": "japanese", "kk": "kazakh", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sl": "slovene", "sv": "swedish", "tg": "tajik", "tr": "turkish",
    "zh": "chinese",
}  # fmt: skip


class Bm25Model:
    """Turns texts into sparse vectors whose dot product ranks like BM25 without the rarity of words.

    Args:
        config: an object with the attributes of ``Bm25Config``; None and missing attributes mean k 1.2,
            b 0.75, avg_len 256, the word tokenizer, lower-case, and English stop words and stemmer.

    Raises:
        ValidationError: unknown language, avg_len not above 0, b outside [0, 1], k below 0.
    """

    __slots__ = ("_documents", "_queries", "_tokenizer", "document", "query")

    document: Callable[[str], Any]
    """What embeds a stored text: the bytes of the indices u32 and those of the weights f32, or what `make` asked for.

    Indices ascend, one per distinct token; the weight of one with n of the L tokens, in float64, is
    n (k + 1) / (n + k (1 - b + b L / avg_len)). Raises UnicodeEncodeError for half of a surrogate pair.
    """
    query: Callable[[str], Any]
    """The same for a query: weight 1 for every distinct token."""

    def __init__(self, config: Any = None) -> None:
        def given(name: str, default: Any) -> Any:
            value = getattr(config, name, None)
            return default if value is None else value

        k, b, avg_len = float(given("k", 1.2)), float(given("b", 0.75)), float(given("avg_len", 256.0))
        _check_model_numbers(k, b, avg_len)
        language = _language_name(given("language", "english"))
        self._tokenizer = Tokenizer(_Pipeline(config, language))
        self._documents, self._queries = self._tokenizer.embedders((k, b, avg_len))
        direct = self._tokenizer.kind != "Multilingual"
        self.document = self._documents.document if direct else self._split_document
        self.query = self._queries.query if direct else self._split_query

    def make(self, type: type) -> None:
        """Let `document` and `query` give their bytes in the field ``_packed`` of objects of a type."""
        self._documents.make(type)
        self._queries.make(type)

    def _split_document(self, text: str) -> Any:
        tokens = self._tokenizer.split(text)
        return self._documents.document(text) if tokens is None else self._documents.document_of(tokens)

    def _split_query(self, text: str) -> Any:
        tokens = self._tokenizer.split(text)
        return self._queries.query(text) if tokens is None else self._queries.query_of(tokens)


class _Pipeline:
    """The tokenizer parameters of a config, with the stop words and stemmer of its language filled in."""

    def __init__(self, config: Any, language: str) -> None:
        for name in ("tokenizer", "lowercase", "ascii_folding", "min_token_len", "max_token_len"):
            setattr(self, name, getattr(config, name, None))
        stop_words, stemmer = getattr(config, "stopwords", None), getattr(config, "stemmer", None)
        self.stopwords = language if stop_words is None else stop_words
        self.stemmer = (language if language in STEMMED_LANGUAGES else None) if stemmer is None else stemmer


def check_bm25_params(k: float, b: float) -> None:
    """Refuse saturation and length weights outside their range.

    Raises:
        ValidationError: k negative or not finite, b outside [0, 1].
    """
    if not (math.isfinite(k) and k >= 0.0):
        raise ArgumentError(f"BM25 k1 must be finite and >= 0, got {k:g}")
    if not 0.0 <= b <= 1.0:
        raise ArgumentError(f"BM25 b must be finite and in [0.0, 1.0], got {b:g}")


def _check_model_numbers(k: float, b: float, avg_len: float) -> None:
    for name, value in (("k", k), ("b", b), ("avg_len", avg_len)):
        if math.isnan(value):
            raise ArgumentError(f"{name} must not be NaN")
    check_bm25_params(k, b)
    if not (math.isfinite(avg_len) and avg_len > 0.0):
        raise ArgumentError(f"BM25 avg_doc_len must be finite and > 0, got {avg_len:g}")


def _language_name(language: str) -> str:
    """The lower-case English name of a language given by that name or its ISO code."""
    name = _ISO_CODES.get(language, language)
    if name not in STOP_WORD_LANGUAGES:
        raise ArgumentError(f'unsupported language: "{language}"')
    return name
