"""Tokenizers of text indexes, text filters and BM25.

A text goes through: split, ASCII folding, lower-casing, stop words, stemming, length limits. Splitting,
folding and lower-casing run natively; the rest is decided once per distinct token and remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgeshard import _native
from edgeshard.text.stemmer import stemmer_of
from edgeshard.text.stopwords import stop_words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TokenBatch", "Tokenizer", "default_tokens"]

WORD, WHITESPACE, CODE, CODE_PARTS, _, SIMPLE = range(6)
"""Splitters of the native module."""

_SPLITTERS = {"Word": WORD, "Prefix": WORD, "Whitespace": WHITESPACE, "Code": CODE, "Multilingual": WORD}
_NO_LIMIT = 1 << 62
_SEPARATOR = "\0"
"""The token an index puts between the texts of one point; queries cannot ask for it."""
_REMEMBERED = 1 << 16
"""Distinct tokens whose outcome a tokenizer remembers; with more it starts afresh."""


class TokenBatch(NamedTuple):
    """Tokens of many texts: text ``i`` has ``vocabulary[j] for j in numbers[bounds[i]:bounds[i + 1]]``."""

    vocabulary: list[str]
    """Distinct tokens."""
    numbers: NDArray[np.uint32]
    """Positions in the vocabulary, in text order with repeats."""
    bounds: NDArray[np.int64]
    """Where each text starts in ``numbers``, and the end: texts + 1 entries."""


def default_tokens(text: str) -> list[str]:
    """The lower-cased words of a text, in order with repeats: what text filters without an index compare."""
    return _native.split_text(text)


class Tokenizer:
    """A text pipeline compiled from its parameters.

    Args:
        params: an object with the attributes ``tokenizer``, ``lowercase``, ``ascii_folding``, ``stopwords``,
            ``stemmer``, ``min_token_len`` and ``max_token_len`` (``TextIndexParams``, ``Bm25Config``); None
            and a missing attribute mean the default: word tokenizer, lower-case, nothing else.
    """

    __slots__ = (
        "_folding",
        "_known",
        "_known_query",
        "_lowercase",
        "_max_len",
        "_min_len",
        "_splitter",
        "_stemmer",
        "_stop_words",
        "kind",
    )

    def __init__(self, params: Any = None) -> None:
        def given(name: str, default: Any) -> Any:
            value = getattr(params, name, None)
            return default if value is None else value

        tokenizer = given("tokenizer", "Word")
        self.kind: str = getattr(tokenizer, "name", str(tokenizer)).capitalize()
        self._splitter = _SPLITTERS[self.kind]
        self._lowercase = bool(given("lowercase", True))
        self._folding = bool(given("ascii_folding", False))
        self._stop_words = stop_words_of(given("stopwords", None), self._lowercase)
        self._stemmer = stemmer_of(given("stemmer", None))
        self._min_len = int(given("min_token_len", 1 if self.kind == "Prefix" else 0))
        self._max_len = int(given("max_token_len", _NO_LIMIT))
        self._known: dict[str, Sequence[str]] = {}
        self._known_query: dict[str, Sequence[str]] = {} if self.kind == "Prefix" else self._known

    def tokens_document(self, text: str) -> list[str]:
        """The tokens a stored text has, in order with repeats."""
        split = self._split(text, self._splitter)
        return split if self._is_plain() else _mapped(split, self._known, self._finish)

    def tokens_query(self, text: str) -> list[str]:
        """The tokens a ranking query goes by, in order with repeats."""
        if self.kind == "Whitespace" and _SEPARATOR in text:
            return [token for token in self.tokens_document(text) if token != _SEPARATOR]
        if self.kind != "Prefix":
            return self.tokens_document(text)
        return _mapped(self._split(text, WORD), self._known_query, self._finish_prefix_query)

    def tokens_condition(self, text: str) -> list[str]:
        """The tokens a match of all or any words asks for: a query's, of code the smallest parts only."""
        return self.tokens_phrase(text) if self.kind == "Code" else self.tokens_query(text)

    def tokens_phrase(self, text: str) -> list[str]:
        """The tokens whose order a phrase compares: the document's, of code the smallest parts only."""
        if self.kind != "Code":
            return self.tokens_document(text)
        return _mapped(self._split(text, CODE_PARTS), self._known, self._finish)

    def batch(self, texts: Sequence[str]) -> TokenBatch:
        """``tokens_document`` of many texts at once."""
        if self.kind == "Multilingual":
            return _numbered([self._split(text, WORD) for text in texts], self._finish)
        split = TokenBatch(*_native.split_texts(list(texts), self._splitter, self._lowercase, self._folding))
        return split if self._is_plain() else _finished(split, self._finish)

    def embedders(self, shape: tuple[float, float, float]) -> tuple[_native.TextEmbedder, _native.TextEmbedder]:
        """What turns stored texts and queries, or what `split` makes of them, into sparse vectors.

        Args:
            shape: k, b and average length of BM25.
        """
        if self.kind == "Prefix":
            documents = self._embedder(self._stop_words, shape, every_prefix=True)
            return documents, self._embedder((), shape, cut=True)
        documents = self._embedder(self._stop_words, shape)
        if self.kind == "Whitespace":  # the other splitters never make a token of the separator
            return documents, self._embedder((*self._stop_words, _SEPARATOR), shape)
        return documents, documents

    def _embedder(
        self,
        stop_words: Iterable[str],
        shape: tuple[float, float, float],
        *,
        every_prefix: bool = False,
        cut: bool = False,
    ) -> _native.TextEmbedder:
        """An embedder that finishes tokens as `_finish` does, or `_finish_prefix_query` with `cut`."""
        return _native.TextEmbedder(
            SIMPLE if self.kind == "Multilingual" else self._splitter, self._lowercase, self._folding, list(stop_words),
            None if self._stemmer is None else self._stemmer.each,
            self._min_len, self._max_len, every_prefix, cut, *shape,
        )  # fmt: skip

    def split(self, text: str) -> list[str] | None:
        """The split tokens of a text whose embedder cannot split it, None if it can or it is no text."""
        if self.kind != "Multilingual" or not isinstance(text, str):
            return None
        from edgeshard.text.multilingual import is_simple

        return None if is_simple(text) else self._split(text, WORD)

    def _split(self, text: str, splitter: int) -> list[str]:
        if self.kind == "Multilingual":
            from edgeshard.text.multilingual import split_multilingual

            return split_multilingual(text, self._lowercase, self._folding)
        return _native.split_text(text, splitter, self._lowercase, self._folding)

    def _is_plain(self) -> bool:
        """Whether every split token stays as it is."""
        unlimited = self._min_len <= 1 and self._max_len == _NO_LIMIT and self.kind != "Prefix"
        return unlimited and not self._stop_words and self._stemmer is None

    def _finish(self, token: str) -> Sequence[str]:
        """What a split, folded and lower-cased token of a stored text becomes."""
        if token in self._stop_words:
            return ()
        if self._stemmer is not None:
            token = self._stemmer.one(token)
        if self.kind == "Prefix":
            longest = min(self._max_len, len(token))
            return [token[:size] for size in range(self._min_len, longest + 1)]
        return (token,) if self._min_len <= len(token) <= self._max_len else ()

    def _finish_prefix_query(self, token: str) -> Sequence[str]:
        """What a token of a query becomes under the prefix tokenizer, which keeps stop words there."""
        if self._stemmer is not None:
            token = self._stemmer.one(token)
        return (token[: self._max_len],) if len(token) >= self._min_len else ()


def _mapped(tokens: list[str], known: dict[str, Sequence[str]], finish: Callable[[str], Sequence[str]]) -> list[str]:
    """The finished forms of the tokens in order; outcomes are remembered in ``known``."""
    if len(known) > _REMEMBERED:
        known.clear()
    result: list[str] = []
    for token in tokens:
        finished = known.get(token)
        if finished is None:
            finished = known[token] = finish(token)
        result.extend(finished)
    return result


def _finished(split: TokenBatch, finish: Callable[[str], Sequence[str]]) -> TokenBatch:
    """The batch with every token replaced by its finished forms."""
    vocabulary: dict[str, int] = {}
    forms: list[int] = []  # of all tokens of the split vocabulary, one after the other
    starts = [0]
    for token in split.vocabulary:
        forms.extend(vocabulary.setdefault(form, len(vocabulary)) for form in finish(token))
        starts.append(len(forms))
    first = np.array(starts[:-1], np.int64)
    ends = np.array(starts[1:], np.int64)
    counts = (ends - first)[split.numbers]
    before = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(before[-1]) + np.repeat(first[split.numbers] - before[:-1], counts)
    numbers = np.array(forms, np.uint32)[places]
    return TokenBatch(list(vocabulary), numbers, before[split.bounds].astype(np.int64))


def _numbered(texts: list[list[str]], finish: Callable[[str], Sequence[str]]) -> TokenBatch:
    """The batch of texts that are split already."""
    vocabulary: dict[str, int] = {}
    numbers: list[int] = []
    bounds = [0]
    for tokens in texts:
        numbers.extend(vocabulary.setdefault(token, len(vocabulary)) for token in tokens)
        bounds.append(len(numbers))
    split = TokenBatch(list(vocabulary), np.array(numbers, np.uint32), np.array(bounds, np.int64))
    return _finished(split, finish)
