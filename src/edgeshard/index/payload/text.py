"""Text indexes in memory: the tokens of a field's distinct strings, for text conditions and BM25.

The table follows the payload column of the field, which is kept current, so it is right after every update; it is made
when first asked for.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from edgeshard import _native
from edgeshard.index.payload.mutable import document_tokens, tokenizer_of
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.uuids import only_match, to_points
from edgeshard.index.payload.values import Array, Mask

_BATCH = 1 << 14
"""Strings tokenised at a time."""


class Documents(NamedTuple):
    """The texts of a field: one document per point, or per array element of a nested index."""

    column: Any
    table: Any
    """Tokens of the column's strings."""
    size: int
    """Number of documents."""
    points: Array | None
    """The point of each document; None if document i is point i."""


class Statistics(NamedTuple):
    """What BM25 asks of one segment."""

    documents: int
    """Documents with a token."""
    tokens: int
    """Tokens of all of them."""
    holders: list[int]
    """Documents with each query token."""


class TextIndex:
    """Answers text conditions on a field, and scores its documents.

    Args:
        field: its schema.
        segment: has the payload columns.
    """

    __slots__ = ("_field", "_lock", "_phrases", "_segment", "_strings", "_table", "tokenizer")

    def __init__(self, field: FieldSchema, segment: Any) -> None:
        self._field = field
        self._segment = segment
        self._lock = threading.Lock()
        self._strings: Any = None
        self._table: Any = None
        self._phrases: Any = None
        self.tokenizer = tokenizer_of(field)

    @property
    def scored(self) -> bool:
        """Whether the index was made for BM25."""
        return self._field.scored

    # --- conditions ------------------------------------------------------------------------------------

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass a text condition; None for any other condition.

        The tokens of a query may be spread over all texts of a point (or, with a nested index, of an element); those of
        a phrase stand in one text.
        """
        match = only_match(condition)
        name = type(match).__name__
        if name == "MatchText":
            return self._all_of(self._query_tokens(match.text), count)
        if name == "MatchTextAny":
            return self._any_of(self._query_tokens(match.text_any), count)
        if name == "MatchPhrase":
            return self._phrase(match.phrase, count)
        return None

    def filled(self, count: int) -> Mask:
        """``(count,) bool`` of the points that have a token."""
        documents = self.documents()
        return self._points(documents, self._holders(documents, documents.table.lengths() > 0), count)

    def _query_tokens(self, text: str) -> list[str]:
        with self._lock:
            return list(dict.fromkeys(self.tokenizer.tokens_query(text)))

    def _all_of(self, tokens: list[str], count: int) -> Mask:
        documents = self.documents()
        numbers = [documents.table.find(token) for token in tokens]
        if not numbers or None in numbers:
            return np.zeros(count, np.bool_)
        hits = np.ones(documents.size, np.bool_)
        for number in numbers:
            hits &= self._holders(documents, documents.table.frequencies(number) > 0)
        return self._points(documents, hits, count)

    def _any_of(self, tokens: list[str], count: int) -> Mask:
        documents = self.documents()
        by_code = np.zeros(len(documents.table) + 1, np.bool_)
        for token in tokens:
            number = documents.table.find(token)
            if number is not None:
                by_code |= documents.table.frequencies(number) > 0
        return self._points(documents, self._holders(documents, by_code), count)

    def _phrase(self, text: str, count: int) -> Mask:
        if not self._field.phrases:
            return np.zeros(count, np.bool_)
        with self._lock:
            tokens = self.tokenizer.tokens_phrase(text)
        documents = self.documents(phrases=True)
        numbers = [documents.table.find(token) for token in tokens]
        if not numbers or None in numbers:
            return np.zeros(count, np.bool_)
        return self._points(documents, self._holders(documents, documents.table.phrase(numbers)), count)

    def _holders(self, documents: Documents, by_code: Mask) -> Mask:
        """The documents that have one of the strings."""
        column = documents.column
        if column.codes is None:
            return np.zeros(documents.size, np.bool_)
        return to_points(column, by_code.take(column.codes, mode="clip"), documents.size)

    def _points(self, documents: Documents, hits: Mask, count: int) -> Mask:
        mask = np.zeros(count, np.bool_)
        if documents.points is None:
            mask[: len(hits)] = hits[:count]
            return mask
        owners = documents.points[: len(hits)][hits]
        mask[owners[owners < count]] = True
        return mask

    # --- the table -------------------------------------------------------------------------------------

    def documents(self, *, phrases: bool = False) -> Documents:
        """The texts as they are now and their tokens (with ``phrases`` those whose order counts)."""
        columns, points, path = self._segment.columns, None, self._field.path
        count = self._segment.count
        if self._field.nested is not None:
            nested = columns.nested(self._field.nested)
            columns, points, path, count = nested.columns, nested.owners, self._field.relative, nested.objects
        column = columns.column(path)
        with self._lock:
            return Documents(column, self._current_table(column.strings, phrases), count, points)

    def _current_table(self, strings: Any, phrases: bool) -> Any:
        if self._strings is not strings:
            self._strings, self._table, self._phrases = strings, _native.TokenTable(), None
        table = self._table
        if phrases and self.tokenizer.kind == "Code":
            table = self._phrases = self._phrases or _native.TokenTable()
        for first in range(len(table) + 1, len(strings) + 1, _BATCH):
            codes = np.arange(first, min(first + _BATCH, len(strings) + 1), dtype=np.uint32)
            texts = _native.string_texts(strings, codes)
            table.add(*document_tokens(self.tokenizer, texts, phrases=table is self._phrases))
        return table

    # --- scoring ---------------------------------------------------------------------------------------

    def prepare(self, text: str) -> Scorer:
        """What it takes to score this segment's documents for a query."""
        return Scorer(self.documents(), self._query_tokens(text), self._segment.live_mask())


class Scorer:
    """The documents of one segment under one query.

    Args:
        documents: the texts.
        tokens: distinct query tokens.
        live: ``(points,)`` which points there are; others do not count.
    """

    __slots__ = ("_documents", "_frequencies", "_lengths", "statistics")

    def __init__(self, documents: Documents, tokens: list[str], live: Mask) -> None:
        self._documents = documents
        alive = self._alive(documents, live)
        self._lengths = np.where(alive, self._sums(documents.table.lengths()), 0)
        self._frequencies: list[Array | None] = []
        holders = []
        for token in tokens:
            number = documents.table.find(token)
            sums = (
                None
                if number is None
                else np.where(alive, self._sums(documents.table.frequencies(number)), 0)
            )
            self._frequencies.append(sums)
            holders.append(0 if sums is None else int(np.count_nonzero(sums)))
        self.statistics = Statistics(int(np.count_nonzero(self._lengths)), int(self._lengths.sum()), holders)

    def _alive(self, documents: Documents, live: Mask) -> Mask:
        if documents.points is None:
            return live[: documents.size]
        owners = documents.points[: documents.size]
        return np.append(live, False)[np.minimum(owners, len(live))]

    def _sums(self, by_code: Array) -> Array:
        """A number of each string added up by document."""
        column, count = self._documents.column, self._documents.size
        if column.codes is None:
            return np.zeros(count, np.int64)
        values = by_code.take(column.codes, mode="clip")
        if column.owners is None:
            sums = np.zeros(count, np.int64)
            sums[: len(values)] = values[:count]
            return sums
        owners = column.owners[: len(values)]
        kept = np.flatnonzero((values > 0) & (owners < count))
        return np.bincount(owners[kept], values[kept], minlength=count).astype(np.int64)

    def scores(self, weights: list[float], k: float, b: float, average: float) -> tuple[Array, Array]:
        """Points with a query token and their scores (the best of its elements for a nested index).

        Args:
            weights: inverse document frequency of each query token.
            k: how fast repeats of a token saturate.
            b: how much the length of a document counts, 0 to 1.
            average: length of a document in tokens over all segments.

        Returns:
            ``(offsets uint32, scores float32)``, offsets ascending.
        """
        total = np.zeros(len(self._lengths), np.float64)
        found = np.zeros(len(self._lengths), np.bool_)
        for weight, sums in zip(weights, self._frequencies, strict=True):
            if sums is None:
                continue
            some = np.flatnonzero(sums)
            count = sums[some].astype(np.float64)
            norm = k * (1 - b + b * self._lengths[some] / average)
            total[some] += weight * count * (k + 1) / (count + norm)
            found[some] = True
        documents = np.flatnonzero(found)
        scores = total[documents].astype(np.float32)
        if self._documents.points is None:
            return documents.astype(np.uint32), scores
        owners = self._documents.points[documents]
        offsets, places = np.unique(owners, return_inverse=True)
        best = np.full(len(offsets), -np.inf, np.float32)
        np.maximum.at(best, places, scores)
        return offsets, best
