"""Searches of a graph for the nearest of all its points: what most searches are.

On a graph in memory a walk takes 30 us, and what it walked over is then in the cache instead of the interpreter. So
whatever is the same for all such searches is looked up once, and few functions lie on the way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import Hits as Table
from edgeshard.index.quantization import QuantizedVectors, code_search
from edgeshard.segment.fields import Hits
from edgeshard.segment.schema import VectorSchema
from edgeshard.storage.convert import COSINE, ELEMENTS, to_stored


class Plan(NamedTuple):
    """How searches for so many points with some parameters are carried out.

    Attributes:
        params: the parameters, which do not change.
        asked: how many points are asked for.
        k: how many are looked for; 0 if this is not for walks.
        ef: the beam.
        rescore: see :meth:`HnswGraph.search`.
        originals: walk on the vectors although there are codes.
    """

    params: Any
    asked: int
    k: int
    ef: int
    rescore: int | None
    originals: bool


class WholeWalk:
    """Searches of a graph all of whose points may be returned; it counts until a point comes or goes.

    Args:
        graph: with all that makes it fast.
        total: its points.
        ef: the beam of a search that names none.
        spec: of the vectors.
        codes: compressed copies of the vectors that it walks on instead, if it does.
    """

    __slots__ = ("_codes", "_ef", "_element", "_graph", "_normalise", "_plan", "_total", "spec")

    def __init__(
        self, graph: HnswGraph, total: int, ef: int, spec: VectorSchema, codes: QuantizedVectors | None = None
    ) -> None:
        self._graph = graph
        self._total = total
        self._ef = ef
        self._codes = codes
        self.spec = spec
        self._normalise = spec.distance == COSINE
        self._element = ELEMENTS[spec.dtype]
        self._plan = self._make_plan(0, None)

    def find(self, vector: npt.NDArray[Any], k: int, params: Any) -> Hits | None:
        """The ``k`` points nearest to one vector of numbers of any type; None if it is not ``size`` finite ones, or no
        such search."""
        plan = self._plan
        if plan.params is not params or plan.asked != k:
            plan = self._plan = self._make_plan(k, params)
        row = _native.number_row(vector, self.spec.size, self._normalise, self._element)
        if row is None or not plan.k:
            return None
        return self._graph.search_one(row, plan.k, plan.ef, None, 1.0, plan.rescore, plan.originals)

    def find_many(self, rows: npt.NDArray[np.float32], k: int, params: Any) -> Table | None:
        """:meth:`find` for each of some vectors ``(q, size)``: offsets and similarities ``(q, k)``, counts ``(q,)``."""
        plan = self._make_plan(k, params)
        if not plan.k:
            return None
        stored = to_stored(rows, self.spec.distance, self.spec.dtype)
        return self._graph.search(stored, plan.k, plan.ef, rescore=plan.rescore, exact=plan.originals)

    def _make_plan(self, k: int, params: Any) -> Plan:
        if params is not None and (params.exact or params.idf is not None):
            return Plan(params, k, 0, 0, None, False)
        ef = self._ef if params is None else params.hnsw_ef or self._ef
        rescore, originals = None, False
        if self._codes is not None:
            search = code_search(self._codes, params)
            originals = search is None
            if search is not None:
                rescore = search.rescored(k)
        least = min(k, self._total)
        return Plan(params, k, least, max(least, ef, rescore or 0), rescore, originals)
