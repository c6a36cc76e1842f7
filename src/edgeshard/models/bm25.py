"""BM25 as an embedding: text to sparse vectors, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeshard.errors import ArgumentError
from edgeshard.models.base import (
    Model,
    f64,
    instance,
    opt_boolean,
    opt_instance,
    opt_text,
    opt_u64,
    put_fields,
    text,
)
from edgeshard.models.enums import Language, TokenizerType
from edgeshard.models.text_params import DisabledStemmer, SnowballParams, Stemmer, Stopwords, StopwordsSet
from edgeshard.models.vectors import SparseVector

__all__ = ["Bm25", "Bm25Config"]


class Bm25Config(Model):
    """Parameters of `Bm25` (Robertson & Zaragoza 2009).

    Args:
        k: saturation of the term frequency (k1), 1.2 if None.
        b: weight of the document's length, 0 to 1, 0.75 if None.
        avg_len: average length of a document in tokens, 256 if None.
        tokenizer: how text is split, by words if None.
        language: whose stop words and stemmer are used, as ``"english"`` or ``"en"``; English if None.
        lowercase: ignore case, yes if None.
        ascii_folding: ignore accents, no if None.
        stopwords: words left out, instead of the language's.
        stemmer: how words are reduced to stems, instead of the language's.
        min_token_len: shortest token kept, in characters.
        max_token_len: longest token kept, in characters.
    """

    __slots__ = (
        "ascii_folding",
        "avg_len",
        "b",
        "k",
        "language",
        "lowercase",
        "max_token_len",
        "min_token_len",
        "stemmer",
        "stopwords",
        "tokenizer",
    )
    __match_args__ = (
        "k",
        "b",
        "avg_len",
        "tokenizer",
        "language",
        "lowercase",
        "ascii_folding",
        "stopwords",
        "stemmer",
        "min_token_len",
        "max_token_len",
    )

    k: float
    b: float
    avg_len: float
    tokenizer: TokenizerType
    language: str | None
    lowercase: bool | None
    ascii_folding: bool | None
    stopwords: Stopwords | None
    stemmer: Stemmer | None
    min_token_len: int | None
    max_token_len: int | None

    def __init__(
        self,
        k: float | None = None,
        b: float | None = None,
        avg_len: float | None = None,
        tokenizer: TokenizerType | None = None,
        language: str | None = None,
        lowercase: bool | None = None,
        ascii_folding: bool | None = None,
        stopwords: Stopwords | None = None,
        stemmer: Stemmer | None = None,
        min_token_len: int | None = None,
        max_token_len: int | None = None,
    ) -> None:
        put_fields(
            self,
            k=1.2 if k is None else _number(k, "k"),
            b=0.75 if b is None else _number(b, "b"),
            avg_len=256.0 if avg_len is None else _number(avg_len, "avg_len"),
            tokenizer=opt_instance(tokenizer, TokenizerType, "tokenizer") or TokenizerType.Word,
            language=opt_text(language, "language"),
            lowercase=opt_boolean(lowercase, "lowercase"),
            ascii_folding=opt_boolean(ascii_folding, "ascii_folding"),
            stopwords=opt_instance(stopwords, (Language, StopwordsSet), "stopwords"),
            stemmer=opt_instance(stemmer, (SnowballParams, DisabledStemmer), "stemmer"),
            min_token_len=opt_u64(min_token_len, "min_token_len"),
            max_token_len=opt_u64(max_token_len, "max_token_len"),
        )


def _number(value: float, name: str) -> float:
    """A setting, which may be out of range until a `Bm25` is made of it, but not NaN."""
    number = f64(value, name)
    if number != number:
        raise ArgumentError(f"{name} must not be NaN")
    return number


class Bm25(Model):
    """A BM25 embedding model.

    Args:
        config: its parameters, the defaults if None.

    Raises:
        ValidationError: an unknown language, `avg_len` not positive, `b` outside 0 to 1, `k` negative.
    """

    __slots__ = ("_document", "_query", "config")
    __match_args__ = ("config",)

    config: Bm25Config
    _document: Callable[[str], SparseVector]
    _query: Callable[[str], SparseVector]

    def __init__(self, config: Bm25Config | None = None) -> None:
        from edgeshard.text.bm25 import Bm25Model

        config = Bm25Config() if config is None else instance(config, Bm25Config, "config")
        model = Bm25Model(config)
        model.make(SparseVector)
        put_fields(self, config=config, _document=model.document, _query=model.query)

    def embed_query(self, text: str) -> SparseVector:
        """The query's distinct tokens, each with weight 1.

        Raises:
            ValidationError: the text holds half of a surrogate pair.
        """
        try:
            return self._query(text)
        except (TypeError, UnicodeEncodeError):
            _text(text, "text")  # says so if it is at fault
            raise

    def embed_document(self, text: str) -> SparseVector:
        """The document's tokens, weighted by frequency and length; combine with ``Modifier.Idf``.

        Raises:
            ValidationError: the text holds half of a surrogate pair.
        """
        try:
            return self._document(text)
        except (TypeError, UnicodeEncodeError):
            _text(text, "text")  # says so if it is at fault
            raise

    def _state(self) -> tuple[Any, ...]:
        return (self.config,)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config,)


_text = text
