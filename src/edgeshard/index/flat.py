"""Exact search: every row of a vector storage compared with the query, by native scans.

:class:`FlatIndex` serves one vector per point, :class:`MultiFlatIndex` several (MaxSim). Both hold no data of
their own but byte codes, which :class:`FlatIndex` derives from float32 rows when searching has cost more than
deriving them would have; a search through codes reads a quarter of the bytes and gives the same answer
(native/kernels/scan_codes.hpp). Where searches go on, half-byte codes are kept beside them, and an eighth is read.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.index.codes_budget import BUDGET, coded_bytes
from edgeshard.index.copied_codes import Chosen, CopiedCodes
from edgeshard.index.kept_codes import Shelf, in_memory
from edgeshard.models.options import options
from edgeshard.storage.convert import MANHATTAN

Offsets: TypeAlias = NDArray[np.uint32]
Sims: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

CODES_MIN_ROWS = 2048
"""Fewer rows are scanned as floats: that takes less than 0.1 ms."""
CODES_AFTER_SCANS = 8
"""Codes are built once this many times the rows have been scanned: about what building them costs."""
NIBBLES_AFTER_SCANS = 64
"""Half-byte codes are built once codes have been scanned so many times: about what building them costs."""
MEMORY_AFTER_SCANS = 32
"""Codes that lie in a mapped file are copied into memory once they have been scanned so many times."""

LISTED_AS_FLOATS = 128
"""So few listed rows are compared as floats at once: codes would only add the cost of two passes."""


KIND, LAYOUT = "bytes", 1
"""What byte codes are called where they are kept, and the version of their layout."""
_NUMBERS = ("codes", "scale", "error", "norm")
_NIBBLES = "half-byte codes"


class RowSource(Protocol):
    """What the scans need of a vector storage."""

    def chunks(self) -> list[NDArray[Any]]:
        """Return ``(rows, dim)`` views in offset order, float32, float16 or uint8."""
        ...


class PointRows(RowSource, Protocol):
    """What the scans need of a multi-vector storage."""

    def row_table(self) -> tuple[Offsets, Offsets]:
        """Return ``(first, count)``: the rows of each point."""
        ...

    def rows_of(self, offsets: Offsets) -> tuple[Offsets, Offsets, Offsets]:
        """Return ``(first, count, places)``: a table and where in it some points are."""
        ...


class FlatIndex:
    """Exact nearest neighbours over one storage.

    Reading is safe from several threads; rows must not change during a call. Whoever changes stored rows
    calls :meth:`invalidate`; rows appended at the end are noticed.

    Args:
        source: the storage.
        distance: ``int(Distance.X)``.

    Attributes:
        cold: the vectors are not to take memory: no codes unless ``options.codes_for_cold_vectors``. There are never
            any for Manhattan or for storages that are not float32; others take a quarter of the vectors' size.
        shelf: where codes of rows that never change are kept, if they are.
    """

    __slots__ = (
        "__weakref__",
        "_codes",
        "_copies",
        "_distance",
        "_lock",
        "_mapped",
        "_scanned",
        "_scanned_codes",
        "_source",
        "_stale",
        "cold",
        "shelf",
    )  # fmt: skip

    def __init__(self, source: RowSource, distance: int) -> None:
        self._source = source
        self._distance = distance
        self._scanned_codes = 0
        self._codes: _native.Codes8 | None = None
        self._copies = CopiedCodes()
        self._stale: list[Offsets] = []
        self._scanned = 0
        self._lock = threading.Lock()
        self._mapped = False
        self.cold = False
        self.shelf: Shelf | None = None

    def search(
        self, queries: NDArray[Any], k: int, *, mask: Mask | None = None, listed: Chosen | None = None
    ) -> list[tuple[Offsets, Sims]]:
        """Return the at most ``k`` most similar points of each query, best first, ties by offset.

        Args:
            queries: ``(q, dim)`` in the storage's dtype, normalised for Cosine (not for uint8).
            k: how many per query.
            mask: ``(n,)``, True = may be returned.
            listed: candidates instead of a mask.

        Returns:
            Per query ``(offsets, sims)``; points whose similarity is NaN are left out.
        """
        chunks = self._source.chunks()
        offsets = None if listed is None else listed.offsets
        n = sum(map(len, chunks)) if offsets is None else len(offsets)
        few = offsets is not None and n <= LISTED_AS_FLOATS
        codes = None if few else self._codes_for(chunks, n * len(queries))
        k, distance = min(k, n), self._distance
        single = len(queries) == 1
        found: Any
        if codes is not None:
            copies = None if listed is None else self._copies.of(listed, codes, len(queries))
            found = codes.search(queries, chunks, mask, offsets, k, distance, single=single, copies=copies)
        elif offsets is None:
            found = _native.scan_topk(queries, chunks, mask, k, distance, single=single)
        else:
            found = _native.topk_listed(queries, chunks, offsets, k, distance, single=single)
        return [found] if single else [(o[:c], s[:c]) for o, s, c in zip(*found, strict=True)]

    def score_matrix(self, queries: NDArray[Any], offsets: Offsets) -> Sims:
        """Return the ``(q, m)`` similarities of every query with the points at ``offsets``."""
        return _native.score_matrix(queries, self._source.chunks(), offsets, self._distance)

    def invalidate(self, offsets: Offsets) -> None:
        """Take note that the rows at ``offsets`` have changed."""
        with self._lock:
            if self._codes is not None:
                self._stale.append(offsets.astype(np.uint32, copy=True))
                self._copies.changed()

    def invalidate_one(self, offset: int) -> None:
        """:meth:`invalidate` for one row."""
        if self._codes is not None:
            self.invalidate(np.array([offset], np.uint32))

    @property
    def codes_bytes(self) -> int:
        """Memory held by codes."""
        codes = self._codes
        return 0 if codes is None else codes.size_bytes + self._copies.size_bytes

    @property
    def kept(self) -> bool:
        """Whether codes need not be built: a file has them."""
        return self.shelf is not None and self.shelf.holds(KIND)

    def check_kept(self, parts: int) -> bool:
        """Compare a part of the checksums of kept codes, see :meth:`Shelf.check_some`; True if there are no more."""
        with self._lock:
            return self.shelf is None or self._codes is not None or self.shelf.check_some(KIND, parts)

    def all_codes(self, *, often: bool = False) -> _native.Codes8 | None:
        """Codes of all rows, made now if there are none yet; None where there can be none.

        Args:
            often: many searches will read them: those of a mapped file are copied into memory.
        """
        chunks = self._source.chunks()
        if not self._may_code(chunks):
            return None
        with self._lock:
            codes = self._current_codes(chunks)
            return self._copied(codes) if often and codes is not None else codes

    def _codes_for(self, chunks: list[NDArray[Any]], scanning: int) -> _native.Codes8 | None:
        """Return codes that describe ``chunks``, if there are any or it is time to build them."""
        if not self._may_code(chunks):
            return None
        rows = len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))
        settled = None if self._mapped or self._stale else self._codes
        if settled is not None and settled.count == rows and settled.has_nibbles:
            return settled  # nothing to build or to count: rows do not change during a call
        with self._lock:
            if self._codes is None:
                self._scanned += scanning
                if rows < CODES_MIN_ROWS or (self._scanned < CODES_AFTER_SCANS * rows and not self.kept):
                    return None
            codes = self._current_codes(chunks)
            if codes is None:
                return None
            if self._mapped or not codes.has_nibbles:
                self._scanned_codes += scanning
            if self._scanned_codes >= MEMORY_AFTER_SCANS * rows:
                codes = self._copied(codes)
            worth_nibbles = rows >= CODES_MIN_ROWS and self._scanned_codes >= NIBBLES_AFTER_SCANS * rows
            if not codes.has_nibbles and worth_nibbles:
                self._scanned_codes = 0
                if BUDGET.reserve(self, coded_bytes(rows, codes.dim, nibbles=True)):
                    codes.make_nibbles()
                    self._keep(codes, chunks)
            return codes

    def _may_code(self, chunks: list[NDArray[Any]]) -> bool:
        if self._distance == MANHATTAN or not chunks or chunks[0].dtype != np.float32:
            return False
        return not self.cold or options.codes_for_cold_vectors

    def _current_codes(self, chunks: list[NDArray[Any]]) -> _native.Codes8 | None:
        """The codes of all rows; None, and none are kept, where there is no memory for them."""
        rows, dim = sum(map(len, chunks)), chunks[0].shape[1]
        codes = self._codes
        nibbles = codes is not None and codes.has_nibbles
        if (codes is None or rows > codes.count) and not BUDGET.reserve(self, coded_bytes(rows, dim, nibbles=nibbles)):
            self._codes, self._stale, self._scanned, self._scanned_codes = None, [], 0, 0
            BUDGET.release(self)
            self._copies.give_up()
            return None
        if codes is None:
            codes = self._codes = self._kept_codes(chunks, rows, dim)
        if codes is None:
            codes = self._codes = _native.Codes8(dim)
            self._catch_up(codes, chunks)
            self._keep(codes, chunks)
        self._catch_up(codes, chunks)
        return codes

    def _kept_codes(self, chunks: list[NDArray[Any]], rows: int, dim: int) -> _native.Codes8 | None:
        found = None if self.shelf is None else self.shelf.take(KIND, LAYOUT, chunks)
        if found is None:
            return None
        halves = found.get(_NIBBLES)
        if halves is not None and not BUDGET.reserve(self, coded_bytes(rows, dim, nibbles=True)):
            halves = None
        try:
            codes = _native.Codes8.around(dim, rows, _parts(found), halves)
        except (KeyError, ValueError):  # not what this layout holds: they are built
            return None
        self._mapped = self.shelf is not None and self.shelf.writable  # readers of one shard share its pages
        return codes

    def _copied(self, codes: _native.Codes8) -> _native.Codes8:
        """The codes in memory of their own; whoever reads those of the mapped file goes on with them."""
        if self._mapped:
            halves = codes.nibbles()
            parts = tuple(in_memory(part) for part in codes.parts())
            codes = _native.Codes8.around(codes.dim, codes.count, parts, None if halves is None else in_memory(halves))
            self._codes, self._mapped = codes, False
        return codes

    def _keep(self, codes: _native.Codes8, chunks: list[NDArray[Any]]) -> None:
        """Keep the codes of rows that do not change."""
        if self.shelf is not None:
            self.shelf.put(KIND, LAYOUT, chunks, sections_of(codes))

    def _catch_up(self, codes: _native.Codes8, chunks: list[NDArray[Any]]) -> None:
        known, start = codes.count, 0
        for chunk in chunks:
            if start + len(chunk) > codes.count:
                codes.extend(chunk[codes.count - start :])
            start += len(chunk)
        if self._stale:
            changed = np.unique(np.concatenate(self._stale))
            changed = changed[changed < known]
            if len(changed):
                codes.update(changed, take_rows(chunks, changed))
            self._stale = []


class MultiFlatIndex:
    """Exact MaxSim over the multi-vectors of one storage.

    Args:
        source: the storage.
        distance: ``int(Distance.X)``.
    """

    __slots__ = ("_distance", "_source")

    def __init__(self, source: PointRows, distance: int) -> None:
        self._source = source
        self._distance = distance

    def search(self, query: NDArray[Any], k: int, *, mask: Mask | None = None) -> tuple[Offsets, Sims]:
        """Return ``(offsets, sims)`` of the at most ``k`` best points for a query of ``(rows, dim)``.

        Args:
            query: rows in the storage's dtype, normalised for Cosine (not for uint8).
            k: how many.
            mask: ``(points,)``, True = may be returned.
        """
        first, count = self._source.row_table()
        chunks = self._source.chunks()
        return _native.maxsim_topk(query, chunks, first, count, mask, k, self._distance)

    def score(self, query: NDArray[Any], offsets: Offsets) -> Sims:
        """Return MaxSim of ``query`` ``(rows, dim)`` per offset; NaN for points without rows."""
        first, count, places = self._source.rows_of(offsets)
        return _native.maxsim_offsets(query, self._source.chunks(), first, count, places, self._distance)


def best_of(sims: Sims, offsets: Offsets, k: int) -> tuple[Offsets, Sims]:
    """Return the at most ``k`` best ``(offsets, sims)``: by similarity, then by offset, without NaN."""
    keep = np.flatnonzero(sims == sims)
    order = keep[np.lexsort((offsets[keep], -sims[keep]))][:k]
    return offsets[order], sims[order]


def take_rows(chunks: list[NDArray[Any]], offsets: Offsets) -> NDArray[Any]:
    """Return ``(len(offsets), dim)``, the rows at ascending ``offsets`` of consecutive chunks."""
    ends = np.cumsum([len(chunk) for chunk in chunks])
    cuts = np.searchsorted(offsets, ends)
    starts = np.concatenate(([0], cuts[:-1]))
    parts = [
        chunk[offsets[a:b] - (end - len(chunk))] for chunk, end, a, b in zip(chunks, ends, starts, cuts, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(parts))


def sections_of(codes: _native.Codes8) -> dict[str, NDArray[Any]]:
    """The arrays of codes, by the names they are kept under."""
    sections: dict[str, NDArray[Any]] = dict(zip(_NUMBERS, codes.parts(), strict=True))
    nibbles = codes.nibbles()
    if nibbles is not None:
        sections[_NIBBLES] = nibbles
    return sections


def _parts(sections: dict[str, NDArray[np.uint8]]) -> tuple[NDArray[Any], ...]:
    first, *numbers = (sections[name] for name in _NUMBERS)
    return first, *(part.view(np.float32) for part in numbers)
