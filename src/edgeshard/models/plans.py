"""What `EdgeShard.explain` returns: how a query was carried out."""

from __future__ import annotations

from collections.abc import Iterable

from edgeshard.models.base import Model, f64, instances, opt_u64, put_fields, text, u64

__all__ = ["SegmentPlan", "StagePlan"]


class SegmentPlan(Model):
    """How one stage searched one segment.

    Args:
        segment: name of the segment.
        strategy: ``scan`` (of all points), ``filtered scan`` (of the matching ones), ``graph``, ``index`` (posting
            lists of sparse vectors or words), or ``left out`` (no index, and too large for
            ``SearchParams.indexed_only``).
        points: number of points in the segment.
        estimated: how many points the filters were expected to leave.
        cardinality: how many they left.
        scored: how many points were compared with the query, None where only the index knows.
        milliseconds: time taken, filters included.
    """

    __slots__ = ("cardinality", "estimated", "milliseconds", "points", "scored", "segment", "strategy")
    __match_args__ = ("segment", "strategy", "points", "estimated", "cardinality", "scored", "milliseconds")

    segment: str
    strategy: str
    points: int
    estimated: int
    cardinality: int
    scored: int | None
    milliseconds: float

    def __init__(
        self,
        segment: str,
        strategy: str,
        points: int,
        estimated: int,
        cardinality: int,
        scored: int | None,
        milliseconds: float,
    ) -> None:
        put_fields(
            self,
            segment=text(segment, "segment"),
            strategy=text(strategy, "strategy"),
            points=u64(points, "points"),
            estimated=u64(estimated, "estimated"),
            cardinality=u64(cardinality, "cardinality"),
            scored=opt_u64(scored, "scored"),
            milliseconds=f64(milliseconds, "milliseconds"),
        )


class StagePlan(Model):
    """One stage of a query, with the stages below it.

    Args:
        stage: what it does, ``nearest``, ``fusion rrf``, ``formula``...
        limit: how many points it was asked for.
        hits: how many it returned.
        milliseconds: time taken, stages below included.
        segments: how it searched each segment; empty for stages that rank what the stages below found.
        prefetches: the stages below.
    """

    __slots__ = ("_prefetches", "_segments", "hits", "limit", "milliseconds", "stage")
    __match_args__ = ("stage", "limit", "hits", "milliseconds", "segments", "prefetches")

    stage: str
    limit: int
    hits: int
    milliseconds: float
    _segments: tuple[SegmentPlan, ...]
    _prefetches: tuple[StagePlan, ...]

    def __init__(
        self,
        stage: str,
        limit: int,
        hits: int,
        milliseconds: float,
        segments: Iterable[SegmentPlan] = (),
        prefetches: Iterable[StagePlan] = (),
    ) -> None:
        put_fields(
            self,
            stage=text(stage, "stage"),
            limit=u64(limit, "limit"),
            hits=u64(hits, "hits"),
            milliseconds=f64(milliseconds, "milliseconds"),
            _segments=instances(segments, SegmentPlan, "segments"),
            _prefetches=instances(prefetches, StagePlan, "prefetches"),
        )

    @property
    def segments(self) -> list[SegmentPlan]:
        """How it searched each segment; a fresh list."""
        return list(self._segments)

    @property
    def prefetches(self) -> list[StagePlan]:
        """The stages below; a fresh list."""
        return list(self._prefetches)

    def draw(self) -> str:
        """The tree as text, a line per stage and per segment."""
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> list[str]:
        lines = [f"{indent}{self.stage}: {self.hits} of at most {self.limit}, {self.milliseconds:.3f} ms"]
        for plan in self._segments:
            scored = "" if plan.scored is None else f", {plan.scored} scored"
            lines.append(
                f"{indent}  segment {plan.segment[:8]}: {plan.strategy}, {plan.cardinality} of {plan.points} points "
                f"(estimated {plan.estimated}){scored}, {plan.milliseconds:.3f} ms"
            )
        for prefetch in self._prefetches:
            lines += prefetch._lines(indent + "  ")
        return lines
