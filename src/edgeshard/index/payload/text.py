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

    __slots__ = ("_documents", "_found", "_lengths", "statistics")

    def __init__(self, documents: Documents, tokens: list[str], live: Mask) -> None:
        self._documents = documents
        alive = _alive(documents, live)
        self._lengths, total, filled = _lengths(documents)
        if alive is not None:
            lengths = self._lengths[alive]
            total, filled = int(lengths.sum()), int(np.count_nonzero(lengths))
        starts, owners = _holders_by_code(documents)
        self._found: list[tuple[Array, Array]] = []
        for token in tokens:
            number = documents.table.find(token)
            if number is None:
                self._found.append((np.zeros(0, np.uint32), np.zeros(0, np.uint32)))
                continue
            found, counts = documents.table.holders(number, starts, owners)
            if alive is not None:
                kept = alive[found]
                found, counts = found[kept], counts[kept]
            self._found.append((found, counts))
        self.statistics = Statistics(filled, total, [len(found) for found, _ in self._found])

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
        total = np.zeros(self._documents.size, np.float64)
        for weight, (found, counts) in zip(weights, self._found, strict=True):
            frequency = counts.astype(np.float64)
            norm = k * (1 - b) + (k * b / average) * self._lengths[found]
            total[found] += weight * frequency * (k + 1) / (frequency + norm)
        documents = np.flatnonzero(total).astype(np.uint32)  # every token that is there counts
        scores = total[documents].astype(np.float32)
        if self._documents.points is None:
            return documents, scores
        owners = self._documents.points[documents]
        offsets, places = np.unique(owners, return_inverse=True)
        best = np.full(len(offsets), -np.inf, np.float32)
        np.maximum.at(best, places, scores)
        return offsets, best


def _alive(documents: Documents, live: Mask) -> Mask | None:
    """Which documents belong to a point that exists; None for all."""
    if documents.points is None:
        return None if bool(live[: documents.size].all()) else live[: documents.size]
    owners = documents.points[: documents.size]
    alive: Mask = np.append(live, False)[np.minimum(owners, len(live))]
    return alive


def _lengths(documents: Documents) -> tuple[Array, int, int]:
    """Tokens of each document, of all, and how many documents have one; kept until the column changes."""
    column = documents.column
    found: tuple[Array, int, int] | None = column.memo.get(("lengths", documents.size))
    if found is None:
        sums = np.zeros(documents.size, np.int64)
        if column.codes is not None:
            values = documents.table.lengths().take(column.codes, mode="clip")
            owners = np.arange(len(values)) if column.owners is None else column.owners[: len(values)]
            kept = owners < documents.size
            sums += np.bincount(owners[kept], values[kept], minlength=documents.size).astype(np.int64)
        found = column.memo["lengths", documents.size] = sums, int(sums.sum()), int(np.count_nonzero(sums))
    return found


def _holders_by_code(documents: Documents) -> tuple[Array, Array]:
    """The documents that have each string: ``(starts (codes + 1,), documents)``; kept until the column changes."""
    column = documents.column
    found: tuple[Array, Array] | None = column.memo.get(("by code", documents.size))
    if found is None:
        if column.codes is None:
            return np.zeros(1, np.int64), np.zeros(0, np.uint32)
        places = np.flatnonzero(column.codes)
        owners = places.astype(np.uint32) if column.owners is None else column.owners[places]
        places, owners = places[owners < documents.size], owners[owners < documents.size]
        codes = column.codes[places]
        order = np.argsort(codes, kind="stable")
        starts = np.zeros(int(codes.max(initial=0)) + 2, np.int64)
        np.cumsum(np.bincount(codes, minlength=len(starts) - 1), out=starts[1:])
        found = column.memo["by code", documents.size] = starts, owners[order]
    return found
