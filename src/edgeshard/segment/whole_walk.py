"""Searches of a graph for the nearest of all its points: what most searches are.

On a graph in memory a walk takes 30 us, and what it walked over is then in the cache instead of the interpreter. So
whatever is the same for all such searches is looked up once, and few functions lie on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import Hits as Table
from edgeshard.segment.fields import Hits
from edgeshard.segment.schema import COSINE, VectorSchema
from edgeshard.storage.convert import ELEMENTS, to_stored


class WholeWalk:
    """Searches of a graph all of whose points may be returned; it counts until a point comes or goes.

    Args:
        graph: with all that makes it fast.
        total: its points.
        ef: the beam of a search that names none.
        spec: of the vectors.
    """

    __slots__ = ("_ef", "_element", "_graph", "_normalise", "_total", "spec")

    def __init__(self, graph: HnswGraph, total: int, ef: int, spec: VectorSchema) -> None:
        self._graph = graph
        self._total = total
        self._ef = ef
        self.spec = spec
        self._normalise = spec.distance == COSINE
        self._element = ELEMENTS[spec.dtype]

    def find(self, vector: npt.NDArray[Any], k: int, params: Any) -> Hits | None:
        """The ``k`` points nearest to one vector of numbers of any type; None if it is not ``size`` finite ones, or no
        such search."""
        ef = self._ef
        if params is not None:
            if params.exact or params.idf is not None:
                return None
            ef = params.hnsw_ef or ef
        row = _native.number_row(vector, self.spec.size, self._normalise, self._element)
        if k > self._total:
            k = self._total
        if row is None or not k:
            return None
        return self._graph.search_one(row, k, ef if ef > k else k, None, 1.0, None, False)

    def find_many(self, rows: npt.NDArray[np.float32], k: int, params: Any) -> Table | None:
        """:meth:`find` for each of some vectors ``(q, size)``: offsets and similarities ``(q, k)``, counts ``(q,)``."""
        if not k or (params is not None and (params.exact or params.idf is not None)):
            return None
        ef = self._ef if params is None else params.hnsw_ef or self._ef
        k = min(k, self._total)
        return self._graph.search(to_stored(rows, self.spec.distance, self.spec.dtype), k, max(ef, k))
