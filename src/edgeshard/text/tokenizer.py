"""Tokenizers of text indexes, text filters and BM25.

A text goes through: split, ASCII folding, lower-casing, stop words, stemming, length limits. Splitting,
folding and lower-casing run natively; the rest is decided once per distinct token and remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgeshard import _native
from edgeshard.text.stemmer import stemmer_of
from edgeshard.text.stopwords import stop_words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["TokenBatch", "Tokenizer", "default_tokens"]

WORD, WHITESPACE, CODE, CODE_PARTS = range(4)
"""Splitters of the native module."""

_REMEMBERED = 1 << 16
"""Distinct tokens whose outcome a tokenizer remembers; more and it starts afresh."""


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
        "_lowercase",
        "_max_len",
        "_min_len",
        "_splitter",
        "_stem",
        "_stop_words",
        "kind",
    )

    def __init__(self, params: Any = None) -> None:
        def given(name: str, default: Any) -> Any:
            value = getattr(params, name, None)
            return default if value is None else value

        tokenizer = given("tokenizer", "Word")
        self.kind: str = getattr(tokenizer, "name", str(tokenizer)).capitalize()
        self._splitter = {"Whitespace": WHITESPACE, "Code": CODE}.get(self.kind, WORD)
        self._lowercase = bool(given("lowercase", True))
        self._folding = bool(given("ascii_folding", False))
        self._stop_words = stop_words_of(given("stopwords", None), self._lowercase)
        self._stem: Callable[[str], str] | None = stemmer_of(given("stemmer", None))
        self._min_len = int(given("min_token_len", 0))
        self._max_len = int(given("max_token_len", 1 << 62))
        self._known: dict[str, str | None] = {}

    def tokens_document(self, text: str) -> list[str]:
        """The tokens a stored text has, in order with repeats."""
        return self._finished(_native.split_text(text, self._splitter, self._lowercase, self._folding))

    def tokens_query(self, text: str) -> list[str]:
        """The tokens a query text asks for, in order with repeats."""
        return self._finished(_native.split_text(text, self._splitter, self._lowercase, self._folding))

    def batch(self, texts: Sequence[str]) -> TokenBatch:
        """``tokens_document`` of many texts at once."""
        split = _native.split_texts(list(texts), self._splitter, self._lowercase, self._folding)
        return self._finished_batch(TokenBatch(*split))

    def _finished(self, tokens: list[str]) -> list[str]:
        if self._is_plain():
            return tokens
        known = self._known
        if len(known) > _REMEMBERED:
            known.clear()
        finished = []
        for token in tokens:
            if token in known:
                kept = known[token]
            else:
                kept = known[token] = self._finish(token)
            if kept is not None:
                finished.append(kept)
        return finished

    def _is_plain(self) -> bool:
        return not (self._stop_words or self._stem or self._min_len > 1 or self._max_len < 1 << 62)

    def _finish(self, token: str) -> str | None:
        """What a split, folded and lower-cased token becomes; None if it is dropped."""
        if token in self._stop_words:
            return None
        if self._stem is not None:
            token = self._stem(token)
        return token if self._min_len <= len(token) <= self._max_len else None

    def _finished_batch(self, split: TokenBatch) -> TokenBatch:
        if self._is_plain():
            return split
        vocabulary: dict[str, int] = {}
        becomes = np.full(len(split.vocabulary), -1, np.int64)
        for number, token in enumerate(split.vocabulary):
            finished = self._finish(token)
            if finished is not None:
                becomes[number] = vocabulary.setdefault(finished, len(vocabulary))
        numbers = becomes[split.numbers]
        kept_before = np.concatenate([[0], np.cumsum(numbers >= 0)])
        kept = numbers[numbers >= 0].astype(np.uint32)
        return TokenBatch(list(vocabulary), kept, kept_before[split.bounds].astype(np.int64))
