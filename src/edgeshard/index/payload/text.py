"""Text indexes: what they add to filtering by columns, and BM25.

An optimised segment's files are read in place; an appendable segment has its tokens in memory, as has one whose files
are damaged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload import schema
from edgeshard.index.payload.conditions import question
from edgeshard.index.payload.mutable import tokenizer_of
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.text_files import POSTINGS, open_text_files
from edgeshard.index.payload.text_memory import TextMemory
from edgeshard.index.payload.typed import TypedIndex
from edgeshard.index.payload.values import Array, Mask, Offsets
from edgeshard.models.matches import MatchPhrase, MatchText
from edgeshard.models.paths import JsonPath

Native: TypeAlias = "_native.TextIndex"
T = TypeVar("T")


class Statistics(NamedTuple):
    """What BM25 asks of one segment."""

    documents: int
    """Documents with a token."""
    tokens: int
    """Tokens of all of them."""
    holders: list[int]
    """Documents with each query token."""


class TextIndex:
    """Answers text conditions on a field, and scores its documents: points, or elements of a nested index.

    Args:
        field: its schema.
        segment: has the payloads.
        report: told once what is wrong with the files, which are not used any more then.
        directory: of files to use; None for an index in memory.
        owners: reads the point of each element, for a nested index in files.
    """

    __slots__ = (
        "_directory",
        "_field",
        "_files",
        "_lock",
        "_memory",
        "_owners",
        "_report",
        "_rest",
        "_segment",
        "tokenizer",
    )

    def __init__(
        self,
        field: FieldSchema,
        segment: Any,
        report: Callable[[str], None],
        *,
        directory: Path | None = None,
        owners: Callable[[], Offsets] | None = None,
    ) -> None:
        self._field = field
        self._segment = segment
        self._directory = directory
        self._report = report
        self._owners = owners
        self._files: tuple[_native.TextIndexFiles, Offsets | None] | None = None
        self._lock = threading.Lock()
        self.tokenizer = tokenizer_of(field)
        self._memory = TextMemory(field, segment, self.tokenizer)
        self._rest: Any = TypedIndex(field, segment)

    @property
    def scored(self) -> bool:
        """Whether the index was made for BM25."""
        return self._field.scored

    @property
    def directory(self) -> Path | None:
        """Where the files are that answer queries; None if none do."""
        return self._directory

    @property
    def nested(self) -> JsonPath | None:
        """The array whose elements the index is about; None if it is about points."""
        return self._field.nested

    def changed(self, offsets: Offsets) -> None:
        """Points have new payloads, or none any more."""
        self._memory.changed(offsets)

    # --- conditions ------------------------------------------------------------------------------------

    def offsets(self, condition: Any, count: int) -> None:
        """Nothing: words are looked up for all points."""
        return

    def mask(self, condition: Any, count: int) -> Mask | None:
        """``(count,) bool`` of the points that pass a text condition; None for any other condition.

        The tokens of a query may be spread over all texts of a point (or, with a nested index, of an element); those of
        a phrase stand in one text.
        """
        asked = question(condition, self._field.kinds)
        if asked is None or asked.kind != schema.TEXT:
            other: Mask | None = self._rest.mask(condition, count)
            return other
        return self._marked(self._ask(asked.clause), count)

    def elements(self, condition: Any) -> tuple[Mask, Offsets] | None:
        """Which elements of a nested index pass, and the point of each; None if the index cannot tell."""
        asked = question(condition, self._field.kinds)
        if asked is None or asked.kind != schema.TEXT:
            other: tuple[Mask, Offsets] | None = self._rest.elements(condition)
            return other
        ask = self._ask(asked.clause)

        def documents(index: Native, owners: Offsets | None) -> tuple[Mask, Offsets]:
            assert owners is not None
            return ask(index, len(owners)), owners

        return self._using(documents)

    def _ask(self, match: Any) -> Callable[[Native, int], Mask]:
        """What answers a text condition: ``ask(index, documents)``."""
        if isinstance(match, MatchPhrase):
            if not self._field.phrases:
                return lambda index, size: np.zeros(size, np.bool_)
            with self._lock:
                phrase = self.tokenizer.tokens_phrase(match.phrase)
            return lambda index, size: index.phrase(phrase, size)
        if isinstance(match, MatchText):
            every = self._asked_tokens(match.text)
            return lambda index, size: index.all_of(every, size)
        some = self._asked_tokens(match.text_any)
        return lambda index, size: index.any_of(some, size)

    def filled(self, count: int) -> Mask:
        """``(count,) bool`` of the points that have a token."""
        return self._marked(lambda index, size: index.filled(size), count)

    def _asked_tokens(self, text: str) -> list[str]:
        """The distinct tokens a condition asks for."""
        with self._lock:
            return list(dict.fromkeys(self.tokenizer.tokens_condition(text)))

    def query_tokens(self, text: str) -> list[str]:
        """The distinct tokens a query ranks by."""
        with self._lock:
            return list(dict.fromkeys(self.tokenizer.tokens_query(text)))

    def _marked(self, ask: Callable[[Native, int], Mask], count: int) -> Mask:
        """The points of the documents that ``ask(index, documents)`` marks."""

        def points(index: Native, owners: Offsets | None) -> Mask:
            if owners is None:
                return ask(index, count)
            found = owners[ask(index, len(owners))]
            mask = np.zeros(count, np.bool_)
            mask[found[found < count]] = True
            return mask

        return self._using(points)

    def _using(self, work: Callable[[Native, Offsets | None], T]) -> T:
        """What ``work(index, owners)`` makes of the files, or of the index in memory if they turn out damaged."""
        directory = self._directory
        if directory is not None:
            try:
                return self._in_files(directory, work)
            except CorruptedError as error:
                damage = str(error)
            self._directory = self._files = None
            self._report(damage)
        with self._lock:
            index, owners = self._memory.current()
        return work(index, owners)

    def damage(self) -> str | None:
        """What is wrong with the files, of which every list is read; None if nothing is, or there are none."""
        try:
            if self._directory is not None:
                self._in_files(self._directory, lambda files, _: files.check())
        except CorruptedError as error:
            return str(error)
        return None

    def _in_files(self, directory: Path, work: Callable[[_native.TextIndexFiles, Offsets | None], T]) -> T:
        index, owners = self._open(directory)
        try:
            return work(index, owners)
        except RuntimeError as error:
            if len(error.args) != 2:
                raise
            raise CorruptedError(directory / POSTINGS, *error.args) from error

    def _open(self, directory: Path) -> tuple[_native.TextIndexFiles, Offsets | None]:
        """The files, and of a nested index the point of each element."""
        files = self._files
        if files is None:
            owners = None if self._owners is None else self._owners()
            documents = self._segment.count if owners is None else len(owners)
            files = self._files = open_text_files(directory, self._field, documents), owners
        return files

    # --- scoring ---------------------------------------------------------------------------------------

    def statistics(self, tokens: list[str]) -> Statistics:
        """What BM25 asks of this segment; only points that exist count."""
        live: Mask = self._segment.live_mask()
        everything = bool(live.all())

        def count(index: Native, owners: Offsets | None) -> Statistics:
            if everything and owners is None:
                return Statistics(*index.statistics(tokens, None))
            return Statistics(*index.statistics(tokens, _of_documents(live, owners)))

        return self._using(count)

    def search(
        self, tokens: list[str], rarity: list[float], shape: tuple[float, float, float], mask: Mask, limit: int
    ) -> tuple[Offsets, Array]:
        """The best points by BM25 (by the best of its elements for a nested index).

        Args:
            tokens: distinct query tokens.
            rarity: inverse document frequency of each.
            shape: k, how fast repeats saturate; b, how much the length of a document counts, 0 to 1; the average
                length of a document in tokens over all segments.
            mask: ``(points,)`` candidates.
            limit: how many at most.

        Returns:
            ``(offsets uint32, scores float32)``, best first.
        """

        def rank(index: Native, owners: Offsets | None) -> tuple[Offsets, Array]:
            documents = mask if owners is None else _of_documents(mask, owners)
            most = min(limit, len(documents)) if owners is None else len(documents)
            found, scores = index.search(tokens, rarity, *shape, documents, most)
            if owners is None:
                return found, scores
            offsets, places = np.unique(owners[found], return_inverse=True)
            best = np.full(len(offsets), -np.inf, np.float32)
            np.maximum.at(best, places, scores)
            order = np.lexsort((offsets, -best))[:limit]
            return offsets[order], best[order]

        return self._using(rank)


def _of_documents(points: Mask, owners: Offsets | None) -> Mask:
    """Which documents belong to one of the points."""
    if owners is None:
        return points
    chosen: Mask = np.append(points, False)[np.minimum(owners, len(points))]
    return chosen
