"""Vectors of an immutable segment that an HNSW graph finds.

A search decides by what is cheaper. Scanning the byte codes of the wanted points is exact and takes about 15 ns for
each; walking the graph takes as long as scanning some thousands, and longer the fewer points are wanted. So selective
filters and small segments are scanned, everything else is walked. The graph walks on the originals until searches
have paid for the codes, then on those, and re-scores the best with the originals.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard._native import RecordCodec, WalkCodes
from edgeshard.errors import CorruptedError
from edgeshard.filter.selections import Selection
from edgeshard.index.codes_budget import BUDGET, Holder
from edgeshard.index.flat import FlatIndex
from edgeshard.index.hnsw import HnswConfig, HnswGraph
from edgeshard.index.hnsw.graph import Records
from edgeshard.index.kept_codes import Shelf, in_memory
from edgeshard.models.options import options
from edgeshard.segment.batch import Mask, Offsets
from edgeshard.segment.fields import DenseField, Hits, MultiField, RowField
from edgeshard.segment.schema import VectorSchema
from edgeshard.segment.whole_walk import WholeWalk
from edgeshard.storage.dense import MatrixDense
from edgeshard.storage.multi import MultiDense
from edgeshard.storage.runs import bounds_of

SCAN_ROWS = 6000
"""Scanning the codes of this many rows takes about as long as a walk with the default beam."""
SCAN_SHARE = 0.02
"""Below this share of wanted points a walk has to look at too many others."""
WALK_KIND, WALK_LAYOUT = "records", 1
"""What records laid out for walks are called where they are kept, and the version of that layout."""
CODES_AFTER = 64
"""Walks on the originals before codes are built: about what building them costs for 30,000 rows."""


class Graph:
    """The graph of one field, loaded when it is first searched.

    Args:
        directory: ``vector_index`` or ``vector_index-NAME``.
        storage: the vectors.
        spec: their size, distance and type.
        records: compressed copies to walk on, as :class:`HnswGraph` takes them.
        flat: the exact search of the same vectors, whose codes are walked on, too; None to walk on the vectors.

    Attributes:
        broken: the files are missing or damaged: scan instead.
        damage: what was found wrong with them, None if nothing was.
        pinned: keep the links in memory instead of reading the mapped file.
        cold: the records are not to take memory: they are walked on where they are, unless
            ``options.codes_for_cold_vectors``.
        shelf: where records laid out for walks are kept, if they are.
        inline: the links have vectors inside; searches through codes are then always re-scored, as in Qdrant.
        holds_vectors: they are the only copy of the vectors.
        short_walks: how many walks saw too few wanted points, so that those were scanned; for explanations.
    """

    __slots__ = (
        "__weakref__", "_code_bytes", "_coded", "_config", "_flat", "_graph", "_lock", "_pinned_links", "_settled",
        "_walks", "broken", "cold", "damage", "directory", "holds_vectors", "inline", "pinned", "records", "shelf",
        "short_walks", "spec", "storage",
    )  # fmt: skip

    def __init__(
        self,
        directory: Path,
        storage: MatrixDense | MultiDense,
        spec: VectorSchema,
        records: Records | None = None,
        flat: FlatIndex | None = None,
    ) -> None:
        self.directory = directory
        self.storage = storage
        self.spec = spec
        self.records = records
        self.broken = not directory.is_dir()
        self.damage: str | None = None
        self.inline = self.holds_vectors = self.pinned = False
        self._config = None if self.broken else HnswConfig.read(directory)
        self._graph: HnswGraph | None = None
        self._flat = flat
        self._settled = self._coded = self.cold = False
        self.shelf: Shelf | None = None
        self._walks = self._code_bytes = self.short_walks = 0
        self._pinned_links = Holder()
        self._lock = threading.Lock()

    @property
    def indexed(self) -> int:
        """Vectors in the graph, as it was built."""
        if self._config is not None and self._config.indexed_vector_count is not None:
            return self._config.indexed_vector_count
        return 0 if self.broken else self.storage.count

    @property
    def indexed_vectors(self) -> int | None:
        """How many vectors the graph was made of, None if its files do not say."""
        return None if self._config is None else self._config.indexed_vector_count

    @property
    def ef(self) -> int:
        """The beam of a search that names none."""
        return 100 if self._config is None else self._config.ef

    def load(self, walks: int = 1) -> HnswGraph | None:
        """The graph, with codes once they are worth their cost; None if its files are damaged.

        Args:
            walks: how many searches it is for.
        """
        if self._settled:
            return self._graph
        with self._lock:
            if self.broken:
                return None
            self._walks += walks
            try:
                if self._graph is None:
                    self._graph = HnswGraph.load(
                        self.directory,
                        self.storage.chunks(),
                        self.spec.distance,
                        row_table=self._row_table(),
                        records=self.records,
                        in_memory=self.pinned,
                    )
                    if self.pinned:
                        BUDGET.hold(self._pinned_links, self._graph.links_table.size_bytes)
                self._graph = self._on_codes(self._graph, walks)
            except CorruptedError as error:
                self.broken, self.damage = True, str(error)
                warnings.warn(
                    f"{error}; vectors are scanned until the next optimize() rebuilds the graph",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return self._graph

    def settled(self) -> HnswGraph | None:
        """The graph once it has all that makes it fast, if searches for all points are to walk on it."""
        total = self.storage.count
        return self._graph if self._settled and not self.prefers_scan(total, total, None) else None

    def _kept(self) -> bool:
        """Whether what walks are done on is kept in a file, sound as far as is known."""
        if self.records is not None:
            return self.shelf is not None and self.shelf.holds(WALK_KIND)
        return self._flat is not None and self._flat.kept

    def _checked(self, walks: int) -> bool:
        """Whether the file has been read as far as to tell that it is sound, or that it is not; reads on a little."""
        if self.records is not None:
            return self.shelf is None or self.shelf.check_some(WALK_KIND, walks)
        return self._flat is None or self._flat.check_kept(walks)

    def _on_codes(self, graph: HnswGraph, walks: int) -> HnswGraph:
        """The graph over codes, once walks have paid for them, or they need not be built."""
        paid = self._walks > CODES_AFTER
        if isinstance(self.storage, MultiDense) or not (paid or (self._kept() and not self._coded)):
            self._settled = paid
            return graph
        if not self._coded and self._kept() and not self._checked(walks):
            return graph
        if not (paid or self._kept()):  # what is kept turned out to be damaged
            return graph
        self._coded, self._settled = True, paid
        chunks, distance = self.storage.chunks(), self.spec.distance
        if self.records is not None:
            walk_codes = self._walk_codes(*self.records, often=paid)
            fast = paid and not self.cold and self._room_for_lists(graph)
            return graph.attach(chunks, distance, records=self.records, walk_codes=walk_codes, fast=fast)
        codes = None if self._flat is None else self._flat.all_codes(often=paid)
        if codes is None:
            return graph
        return graph.attach(chunks, distance, codes, fast=paid and self._room_for_lists(graph))

    def _room_for_lists(self, graph: HnswGraph) -> bool:
        """Whether there is memory for links laid out for walks, beside the records laid out so."""
        return BUDGET.reserve(self, self._code_bytes + graph.list_bytes)

    def _walk_codes(self, codec: RecordCodec, records: list[Any] | None, *, often: bool) -> WalkCodes | None:
        """The records laid out for walks, kept or made now; None where they cannot be, or memory is short.

        Args:
            codec: of the records.
            records: their chunks, None where they are the rows themselves.
            often: many walks will read them, see :meth:`FlatIndex.all_codes`.
        """
        if not WalkCodes.possible(codec) or (self.cold and not options.codes_for_cold_vectors):
            return None
        chunks = self.storage.chunks() if records is None else records
        count = sum(map(len, chunks))
        size_bytes = WalkCodes.expected_bytes(codec, count)
        if not BUDGET.reserve(self, size_bytes):
            return None
        self._code_bytes = size_bytes
        found = None if self.shelf is None else self.shelf.take(WALK_KIND, WALK_LAYOUT, chunks)
        if found is not None and len(found["data"]) == size_bytes:
            shared = not often or self.shelf is None or not self.shelf.writable
            return WalkCodes.around(codec, count, found["data"] if shared else in_memory(found["data"]))
        return make_walk_codes(codec, chunks, self.shelf)

    def _row_table(self) -> tuple[Offsets, Offsets] | None:
        return self.storage.row_table() if isinstance(self.storage, MultiDense) else None

    def prefers_scan(self, wanted: int, total: int, params: Any) -> bool:
        """Whether scanning the wanted points is the better plan.

        It is below the ``full_scan_threshold`` that the graph was built with, too: Qdrant scans there, and nobody is to
        find less here than there.
        """
        if self.broken or self._config is None or (params is not None and params.exact):
            return True
        if not self._config.m and 2 * wanted >= total:
            return True  # there are links inside of blocks only: a walk would not leave the first one
        return wanted <= SCAN_ROWS or wanted < self._config.full_scan_threshold or wanted < SCAN_SHARE * total

    def walk(
        self,
        queries: list[Any],
        mask: Mask | None,
        k: int,
        params: Any,
        *,
        wanted: int | None = None,
        rescore: int | None = None,
        exact: bool = False,
    ) -> list[Hits] | None:
        """What the graph finds for each query, None if the wanted points should be scanned, be it because the walk saw
        too few of them.

        Args:
            queries: ``(rows, dim)`` each.
            mask: which points may be returned, None for all.
            k: how many.
            params: the beam is what they ask for, or the graph's own, and never below ``k`` or ``rescore``.
            wanted: how many the mask leaves, counted if not given.
            rescore: see :meth:`HnswGraph.search`.
            exact: walk on the originals.
        """
        total = self.storage.count
        if wanted is None:
            wanted = total if mask is None else int(np.count_nonzero(mask))
        k = min(k, wanted)
        if self.prefers_scan(wanted, total, params):
            return None
        graph = self._graph if self._settled else self.load(len(queries))
        if graph is None or k == 0:
            return None
        asked = None if params is None else params.hnsw_ef
        ef = max(k, asked or self.ef, rescore or 0)
        if mask is not None:
            mask = padded(mask, graph)
        bounds = None
        if isinstance(self.storage, MultiDense):
            bounds = bounds_of([len(query) for query in queries])
        elif len(queries) == 1:
            one = graph.search_one(queries[0], k, ef, mask, wanted / total, rescore, exact)
            if mask is None or len(one[0]) >= k:
                return [one]
            self.short_walks += 1
            return None
        rows = np.ascontiguousarray(np.concatenate(queries))
        found = graph.search(rows, k, ef, mask, bounds=bounds, selectivity=wanted / total, rescore=rescore, exact=exact)
        if mask is not None and int(found[2].min()) < k:
            self.short_walks += 1
            return None
        return [(o[:c], s[:c]) for o, s, c in zip(found[0], found[1], found[2].tolist(), strict=True)]


def make_walk_codes(codec: RecordCodec, chunks: list[Any], shelf: Shelf | None) -> WalkCodes:
    """Records laid out for walks, kept on the shelf if there is one."""
    made = WalkCodes.build(codec, chunks)
    if shelf is not None:
        shelf.put(WALK_KIND, WALK_LAYOUT, chunks, {"data": made.data})
    return made


class FoundByGraph(RowField):
    """What a graph changes about a field: searches walk on it. It stands before the kind of field in the bases."""

    __slots__ = ()

    graph: Graph

    @property
    def indexed_count(self) -> int:
        """Vectors in the graph."""
        return self.graph.indexed

    def topk(self, queries: list[Any], mask: Mask | None, k: int, params: Any = None) -> list[Hits]:
        """See :class:`Field`."""
        found = self.graph.walk(queries, mask, k, params)
        return super().topk(queries, mask, k, params) if found is None else found


class GraphField(FoundByGraph, DenseField):
    """One dense vector per point, found by a graph.

    Args:
        storage: the rows.
        spec: their size, distance and type.
        directory: of the graph.
    """

    __slots__ = ("graph",)

    def __init__(self, storage: MatrixDense, spec: VectorSchema, directory: Path) -> None:
        super().__init__(storage, spec)
        self.graph = Graph(directory, storage, spec, flat=self.flat)

    def whole_walk(self) -> WholeWalk | None:
        """How to search for the nearest of all points; None where :meth:`Graph.walk` is to decide."""
        graph = self.graph.settled()
        return None if graph is None else WholeWalk(graph, self.storage.count, self.graph.ef, self.spec)

    def topk_of(self, queries: list[Any], chosen: Selection, k: int, params: Any = None) -> list[Hits]:
        """See :class:`DenseField`."""
        wanted = len(chosen)
        if not self.graph.prefers_scan(wanted, chosen.total, params):
            found = self.graph.walk(queries, chosen.mask, k, params, wanted=wanted)
            if found is not None:
                return found
        return self.scan(queries, chosen, k)


class MultiGraphField(FoundByGraph, MultiField):
    """A multi-vector per point, found by a graph.

    Args:
        storage: rows and the table that says which belong to a point.
        spec: their size, distance and type.
        directory: of the graph.
    """

    __slots__ = ("graph",)

    def __init__(self, storage: MultiDense, spec: VectorSchema, directory: Path) -> None:
        super().__init__(storage, spec, writable=False)
        self.graph = Graph(directory, storage, spec)


def padded(mask: Mask, graph: HnswGraph) -> Mask:
    """The mask as long as the graph."""
    if len(mask) == graph.points:
        return mask
    result = np.zeros(graph.points, np.bool_)
    result[: min(len(mask), graph.points)] = mask[: graph.points]
    return result


def index_directory(segment: Path, name: str) -> Path:
    """Where the index of a vector name is; the unnamed vector has no suffix."""
    return segment / (f"vector_index-{name}" if name else "vector_index")
