"""Watching a query being carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from edgeshard.models.plans import SegmentPlan, StagePlan
from edgeshard.query import depth_of
from edgeshard.query.estimate import estimate
from edgeshard.query.hits import Hits
from edgeshard.query.scope import Filters, Scope
from edgeshard.query.stages import check_depth, run
from edgeshard.segment.batch import Mask
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment


def run_explain(segments: Sequence[Segment], schema: Schema, request: Any) -> StagePlan:
    """The plan of a query, which is carried out for it; its results are thrown away."""
    check_depth(request)
    trace = Trace()
    scope = Scope(segments, schema, trace)
    run(scope, request, (), depth_of(request), root=True)
    return trace.root


class Trace:
    """Collects what the stages of one query report."""

    __slots__ = ("_open", "root")

    def __init__(self) -> None:
        self._open: list[tuple[list[SegmentPlan], list[StagePlan]]] = [([], [])]
        self.root: StagePlan = StagePlan("nothing", 0, 0, 0.0)

    def stage(self, query: Any, limit: int, carry_out: Callable[[], Hits]) -> Hits:
        """Carry out a stage and note what it did."""
        self._open.append(([], []))
        started = perf_counter()
        hits = carry_out()
        spent = (perf_counter() - started) * 1e3
        searched, below = self._open.pop()
        self.root = StagePlan(name_of(query), limit, len(hits), spent, searched, below)
        self._open[-1][1].append(self.root)
        return hits

    def segment(
        self,
        scope: Scope,
        number: int,
        filters: Filters,
        strategy: str,
        mask: Mask | None,
        scored: int | None,
        ms: float,
    ) -> None:
        """Note how a segment was searched."""
        segment = scope.segments[number]
        cardinality = segment.live if mask is None else int(np.count_nonzero(mask))
        expected = estimate(filters, segment)
        plan = SegmentPlan(segment.name, strategy, segment.live, expected, cardinality, scored, ms)
        self._open[-1][0].append(plan)


def name_of(query: Any) -> str:
    """What a stage does, in words."""
    if query is None:
        return "ids in order"
    kind = type(query).__qualname__.lower().replace("query.", "").replace(".", " ")
    using = getattr(query, "using", None)
    return f"{kind} using {using!r}" if using else kind
