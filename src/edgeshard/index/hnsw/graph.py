"""An HNSW graph over the vectors of one name: built, searched, saved, loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard._native import Codes8, HnswLinks, HnswSearcher, HnswSpace
from edgeshard.errors import CancelledError, CorruptedError
from edgeshard.index.hnsw import files

Offsets = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
RowTable = tuple[Offsets, Offsets]
Records = tuple[_native.RecordCodec, "list[npt.NDArray[np.uint8]] | None"]
Hits = tuple[Offsets, npt.NDArray[np.float32], npt.NDArray[np.int64]]

WALLS, ACORN, THROUGH = 0, 1, 2
"""Filter modes: see :meth:`HnswGraph.search`."""
CODED_AT_ONCE: Final = 4096
"""Rows that become codes between two moments at which Ctrl-C is noticed and what was read is let go."""
THROUGH_FROM: Final = 0.25
"""From this share of wanted points on walking through the others is the best mode (docs/design/hnsw.md)."""


class OldGraph(NamedTuple):
    """A graph that a new one is started from, see :meth:`HnswGraph.build`."""

    links: HnswLinks
    old_points: Offsets
    """Its points that are kept, in any order."""
    offsets: Offsets
    """What they are called in the new graph."""


class HnswGraph:
    """A graph and the vectors it is about.

    Make one with :meth:`build` or :meth:`load`. Searches may run at the same time from several threads. The
    vectors are used where they are: they must not change (points deleted later are left out with a mask), and
    further chunks need a new object (:meth:`attach`).
    """

    __slots__ = ("_searcher", "_space", "ef_construct", "links_table", "path")

    def __init__(
        self, links: HnswLinks, space: HnswSpace, ef_construct: int, path: Path | None = None, *, fast: bool = False
    ) -> None:
        self.links_table = links
        self.ef_construct = ef_construct
        self.path = path
        self._space = space
        try:
            self._searcher = HnswSearcher(links, space, fast)
        except ValueError as error:
            raise CorruptedError(path or "graph", str(error)) from error

    @classmethod
    def build(
        cls,
        chunks: Sequence[npt.NDArray[Any]],
        distance: int,
        offsets: Offsets | None = None,
        *,
        m: int = 16,
        ef_construct: int = 100,
        seed: int = 42,
        threads: int = 0,
        codes: Codes8 | None = None,
        deleted: Mask | None = None,
        row_table: RowTable | None = None,
        records: Records | None = None,
        blocks: Sequence[Offsets] = (),
        payload_m: int | None = None,
        old: OldGraph | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> HnswGraph:
        """A new graph (Malkov & Yashunin 2016, neighbour selection of Algorithm 4).

        With one thread it depends on the arguments only.

        Args:
            chunks: stored rows in offset order, ``(rows, dim)`` float32, float16 or uint8; at least one,
                maybe empty.
            distance: 0 Cosine, 1 Euclid, 2 Dot, 3 Manhattan.
            offsets: points to link, in the order of insertion; by default all in an order drawn from the seed. The
                order of ids is often that of some property: graphs built in it find less.
            m: links of a point above level 0 (M), on which it has twice as many; 0 = links inside blocks only.
            ef_construct: beam while building (efConstruction).
            seed: of the levels.
            threads: 0 = as many as there are processors.
            codes: build on them and walk on them (:func:`make_codes`): less than half the time at the same
                recall. Manhattan and uint8 rows are used as they are.
            deleted: ``(n,)`` True = leave out; ``n`` is the number of points of the graph.
            row_table: for multi-vectors ``(first row, number of rows)`` of each point.
            records: ``(codec, chunks)``: compressed copies of the rows to build and walk on, instead of codes;
                chunks None if the rows are records themselves. Not for multi-vectors unless they are.
            blocks: sets of points that filters are expected to select; each gets links of its own.
            payload_m: links inside a block, by default ``m``.
            old: a graph over the same vectors whose links are kept; only the other points are inserted. It is ignored
                if its ``m`` differs or a list is damaged.
            progress: called with ``(done, total)`` now and then.
            cancel: asked now and then whether to stop.

        Raises:
            CancelledError: ``cancel`` said so.
            ValueError: arrays of the wrong shape or type.
        """
        space = make_space(chunks, distance, codes, row_table, records)
        total = len(deleted) if deleted is not None else space.points
        draw = np.random.default_rng(seed)
        if offsets is None:
            offsets = draw.permutation(total).astype(np.uint32)
        if deleted is not None:
            offsets = offsets[~deleted[offsets]]
        if old is not None:
            offsets = np.concatenate([old.offsets, offsets[~np.isin(offsets, old.offsets)]]).astype(np.uint32)
        payload_m = m if payload_m is None else payload_m
        links = _native.hnsw_build(
            space,
            np.ascontiguousarray(offsets),
            total,
            m,
            2 * m,
            ef_construct,
            seed,
            threads,
            [draw.permutation(block) for block in blocks],
            payload_m,
            2 * payload_m,
            progress,
            cancel,
            None if old is None else old.links,
            None if old is None else np.ascontiguousarray(old.old_points),
        )
        if links is None:
            raise CancelledError("building the graph was cancelled")
        return cls(links, space, ef_construct)

    @classmethod
    def load(
        cls,
        directory: Path,
        chunks: Sequence[npt.NDArray[Any]],
        distance: int,
        *,
        codes: Codes8 | None = None,
        row_table: RowTable | None = None,
        records: Records | None = None,
        in_memory: bool = False,
    ) -> HnswGraph:
        """The graph in a directory.

        Args:
            directory: ``vector_index`` or ``vector_index-NAME``.
            chunks: as for :meth:`build`.
            distance: as for :meth:`build`.
            codes: as for :meth:`build`.
            row_table: as for :meth:`build`.
            records: as for :meth:`build`.
            in_memory: unpack the links (about three times the size of the file) instead of walking on the
                mapped file, which takes about 10 % longer per search and no time to open.

        Raises:
            CorruptedError: a file is missing or damaged.
        """
        header = files.GraphHeader.read(directory / files.GRAPH)
        links = files.open_links(directory, header)
        path = files.find_links(directory)[0]
        if in_memory:
            check(links, path)
            links = links.unpacked()
        space = make_space(chunks, distance, codes, row_table, records)
        return cls(links, space, header.ef_construct, path)

    def attach(
        self,
        chunks: Sequence[npt.NDArray[Any]],
        distance: int,
        codes: Codes8 | None = None,
        *,
        records: Records | None = None,
        walk_codes: _native.WalkCodes | None = None,
        fast: bool = False,
    ) -> HnswGraph:
        """The same links over other chunks holding (at least) the same points, which are no multi-vectors.

        Args:
            chunks: as for :meth:`build`.
            distance: as for :meth:`build`.
            codes: as for :meth:`build`.
            records: as for :meth:`build`.
            walk_codes: made of the records, to walk on instead; the records decide between the best they find.
            fast: unpack the lists of level 0 at the first search (``4 m0`` bytes per point).
        """
        space = make_space(chunks, distance, codes, None, records, walk_codes)
        return HnswGraph(self.links_table, space, self.ef_construct, self.path, fast=fast)

    def save(self, directory: Path, *, inline: files.InlineVectors | None = None) -> None:
        """Write ``graph.bin`` and the links; the caller writes the :class:`HnswConfig`.

        Args:
            directory: made if it does not exist.
            inline: write ``links_comp_vec.bin`` with these vectors inside instead of ``links_compressed.bin``.
        """
        links = self.links_table
        header = files.GraphHeader(links.m, links.m0, self.ef_construct, links.entries, links.extra_entries)
        kind = files.WITH_VECTORS if inline else files.COMPRESSED
        files.write(directory, links, header, kind, inline)

    def search(
        self,
        queries: npt.NDArray[Any],
        k: int,
        ef: int,
        mask: Mask | None = None,
        *,
        bounds: npt.NDArray[np.int64] | None = None,
        threads: int = 1,
        mode: int | None = None,
        selectivity: float | None = None,
        rescore: int | None = None,
        exact: bool = False,
    ) -> Hits:
        """The approximate ``k`` nearest points of every query.

        Args:
            queries: ``(q, dim)`` in the stored dtype (normalised for cosine, as the rows are).
            k: how many.
            ef: beam on level 0 (at least ``k`` is used).
            mask: ``(n,)`` True = may be returned.
            bounds: for multi-vectors ``(q + 1,)``: query ``i`` owns the rows from ``bounds[i]`` to below
                ``bounds[i + 1]``.
            threads: at most this many share the queries.
            mode: what to do with points outside the mask. ``WALLS``: they are neither scored nor walked (as
                Qdrant does; needs payload links). ``ACORN``: their neighbours are looked at (Patel et al.
                2024). ``THROUGH``: they are walked, and the beam is as wide as it must be to hold enough
                wanted ones (:func:`held_share`). By default the best one for the share
                of wanted points.
            selectivity: share of wanted points, counted if not given.
            rescore: with codes or records, how many of the best at most are scored with the originals; by
                default ``max(2 k, k + 10)``, 0 for the similarities of the codes. Byte codes say how far off they
                can be: those that cannot be among the ``k`` best are left out.
            exact: walk on the originals although there are codes.

        Returns:
            ``(offsets (q, k), sims (q, k), counts (q,))``, best first; unused places hold 2^32 - 1 and -inf.

        Raises:
            CorruptedError: the links file is damaged.
        """
        if mask is not None and selectivity is None:
            selectivity = int(np.count_nonzero(mask)) / max(len(mask), 1)
        if mode is None:
            mode = ACORN if selectivity is not None and selectivity < THROUGH_FROM else THROUGH
        hits = self._searcher.search(
            queries,
            bounds,
            k,
            ef,
            mask,
            mode,
            1.0 if selectivity is None else selectivity,
            1.0 if selectivity is None else held_share(selectivity),
            max(2 * k, k + 10) if rescore is None else rescore,
            exact,
            threads,
        )
        if hits[0] is None:
            raise self._damaged()
        return hits

    def search_one(
        self,
        query: npt.NDArray[Any],
        k: int,
        ef: int,
        mask: Mask | None,
        selectivity: float,
        rescore: int | None,
        exact: bool,
    ) -> tuple[Offsets, npt.NDArray[np.float32]]:
        """:meth:`search` for one query ``(1, dim)`` without what only several need: ``(offsets, sims)`` as found.

        Raises:
            CorruptedError: the links file is damaged.
        """
        mode, held = THROUGH, 1.0
        if mask is not None:
            mode, held = ACORN if selectivity < THROUGH_FROM else THROUGH, held_share(selectivity)
        if rescore is None:
            rescore = max(2 * k, k + 10)
        found = self._searcher.search_one(query, k, ef, mask, mode, selectivity, held, rescore, exact)
        if found is None:
            raise self._damaged()
        return found

    def _damaged(self) -> CorruptedError:
        return CorruptedError(self.path or "graph", "a list of links is damaged; rebuild the index")

    @property
    def points(self) -> int:
        """Number of point offsets the graph covers, unlinked ones included."""
        return self.links_table.points

    @property
    def list_bytes(self) -> int:
        """Memory that all lists take at most once a search with ``fast`` has unpacked them: those of level 0 at one
        stride, those above one after the other."""
        table = self.links_table
        return 4 * (table.points * table.m0 + sum(table.populations[1:]) * (table.m + 1))

    @property
    def entry_points(self) -> list[tuple[int, int]]:
        """``(point, level)`` where searches start; further ones belong to blocks."""
        return self.links_table.entries

    def links(self, point: int, level: int = 0) -> Offsets:
        """Neighbours of a point; empty if it is not on that level.

        Raises:
            CorruptedError: the list is damaged.
        """
        found = self.links_table.links(point, level)
        if found is None:
            raise CorruptedError(self.path or "graph", f"the links of point {point} are damaged")
        return found

    def verify(self) -> None:
        """Check every list.

        Raises:
            CorruptedError: with the first thing that is wrong.
        """
        check(self.links_table, self.path or Path("graph"))


def held_share(selectivity: float) -> float:
    """How much of the beam of a walk through unwanted points must be wanted ones before it ends.

    Holding as many as without a filter finds more than a walk without one does. So a filter that has nothing to do with
    the vectors widens the beam by the fourth root of the share where half or more is wanted, rising to its root at
    :data:`THROUGH_FROM`. One that goes against them widens it until so many are found.

    Args:
        selectivity: share of wanted points.
    """
    return float(selectivity ** min(selectivity + 0.25, 0.75))


def check(links: HnswLinks, path: Path) -> None:
    """Raise :class:`CorruptedError` if any list of a graph is damaged."""
    reason, _ = links.verify()
    if reason:
        raise CorruptedError(path, reason)


def make_codes(
    chunks: Sequence[npt.NDArray[Any]], threads: int = 0, release: Callable[[], None] | None = None
) -> Codes8:
    """Byte codes of float32 or float16 rows, for :meth:`HnswGraph.build` and exact search alike.

    Args:
        chunks: as for :meth:`HnswGraph.build`.
        threads: 0 = as many as there are processors.
        release: called now and then: what was read of the chunks need not stay in memory.
    """
    codes = Codes8(chunks[0].shape[1])
    for chunk in chunks:
        for start in range(0, len(chunk), CODED_AT_ONCE):
            codes.extend(np.ascontiguousarray(chunk[start : start + CODED_AT_ONCE], np.float32), threads)
            if release is not None:
                release()
    return codes


def make_space(
    chunks: Sequence[npt.NDArray[Any]],
    distance: int,
    codes: Codes8 | None,
    row_table: RowTable | None,
    records: Records | None = None,
    walk_codes: _native.WalkCodes | None = None,
) -> HnswSpace:
    """The native view of vectors."""
    first, count = row_table if row_table is not None else (None, None)
    codec, record_chunks = records if records is not None else (None, None)
    return HnswSpace(list(chunks), int(distance), first, count, codes, codec, record_chunks, walk_codes)
