"""How much of the exact answer approximate searches find, measured on the data itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard.errors import ValidationError, WrongVectorKindError
from edgeshard.models.base import instance, sequence
from edgeshard.models.filters import Filter
from edgeshard.models.params import SearchParams
from edgeshard.models.vectors import pack_example
from edgeshard.query.hits import Hits, Keys, make_keys
from edgeshard.query.scope import Filters, Scope, all_offsets
from edgeshard.query.vector_search import nearest, stored_vectors
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment

QUANTILES = (0.05, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class RecallReport:
    """What :meth:`EdgeShard.measure_recall` found.

    Attributes:
        queries: how many vectors were searched for.
        limit: how many points each search asked for.
        ef: beam of the graphs, the largest where segments differ; None if no segment has a graph, so that every search
            was exact.
        recall: mean share of the exact answer that was found, 0 to 1.
        minimum: the share for the vector it is smallest for.
        quantiles: of that share: at most a twentieth, a quarter, a half of the vectors have less.
        per_query: ``(queries,) float32``: the share of each.
        approximate_ms: median time of a search, in milliseconds.
        exact_ms: median time of an exact search.
    """

    queries: int
    limit: int
    ef: int | None
    recall: float
    minimum: float
    quantiles: dict[float, float]
    per_query: npt.NDArray[np.float32]
    approximate_ms: float
    exact_ms: float

    def __post_init__(self) -> None:
        instance(self.quantiles, dict, "quantiles")

    def __str__(self) -> str:
        beam = "no graph" if self.ef is None else f"ef {self.ef}"
        spread = "   ".join(f"{quantile:.0%}: {value:.3f}" for quantile, value in self.quantiles.items())
        return (
            f"recall@{self.limit}  {self.recall:.4f}   ({self.queries} queries, {beam})\n"
            f"per query  minimum: {self.minimum:.3f}   {spread}\n"
            f"median ms  {self.approximate_ms:.3f} approximate, {self.exact_ms:.3f} exact"
        )


def measure_recall(
    segments: Sequence[Segment],
    schema: Schema,
    sample: Any,
    *,
    using: str,
    limit: int,
    ef: int | None,
    condition: Filter | None,
    seed: int,
) -> RecallReport:
    """See :meth:`EdgeShard.measure_recall`."""
    scope = Scope(segments, schema)
    spec = scope.spec(using)
    if spec.kind == "sparse":
        raise WrongVectorKindError("Wrong usage of sparse vectors: searches of sparse vectors are exact")
    if limit < 1:
        raise ValidationError(f"Validation failed: limit must be at least 1, not {limit}")
    queries, own = _queries(scope, using, sample, seed)
    filters = () if condition is None else (condition,)
    exact, exact_ms = _run(scope, using, queries, own, filters, limit, SearchParams(exact=True))
    found, approximate_ms = _run(scope, using, queries, own, filters, limit, SearchParams(hnsw_ef=ef))
    shares = np.array([_share(a, b) for a, b in zip(found, exact, strict=True)], np.float32)
    return RecallReport(
        len(queries),
        limit,
        _beam(segments, using, ef, limit),
        float(shares.mean()),
        float(shares.min()),
        {quantile: float(np.quantile(shares, quantile)) for quantile in QUANTILES},
        shares,
        approximate_ms,
        exact_ms,
    )


def _queries(scope: Scope, using: str, sample: Any, seed: int) -> tuple[list[Any], Keys | None]:
    """Query vectors, and which points they belong to if they are stored ones."""
    if isinstance(sample, bool) or not isinstance(sample, (int, np.integer)):
        examples = _examples(sample)
        return scope.queries(using, examples, None), None
    if sample < 1:
        raise ValidationError(f"Validation failed: sample must be at least 1, not {sample}")
    parts = [make_keys(number, all_offsets(segment.alive(using)[0])) for number, segment in enumerate(scope.segments)]
    keys = np.concatenate(parts)
    if not len(keys):
        raise ValidationError(f"Validation failed: there are no vectors {using!r} to take a sample of")
    chosen = np.random.default_rng(seed).choice(len(keys), min(int(sample), len(keys)), replace=False)
    own = keys[np.sort(chosen)]
    return stored_vectors(scope, using, own), own


def _examples(sample: Any) -> list[Any]:
    """The query vectors a caller gave.

    Raises:
        TypeError: these are no vectors.
        ValidationError: there are none.
    """
    try:
        examples = [pack_example(vector, "sample") for vector in sequence(sample, "sample")]
    except TypeError as error:
        raise TypeError(f"sample: expected a number of vectors or a list of vectors; {error}") from None
    if not examples:
        raise ValidationError("Validation failed: sample: expected at least one query vector")
    return examples


def _run(
    scope: Scope, using: str, queries: list[Any], own: Keys | None, filters: Filters, limit: int, params: SearchParams
) -> tuple[list[Hits], float]:
    """Hits of every query without the point it belongs to, and the median time."""
    answers, times = [], []
    for number, query in enumerate(queries):
        started = perf_counter()
        hits = nearest(scope, using, [query], filters, limit + (own is not None), params)[0]
        times.append(perf_counter() - started)
        if own is not None:
            hits = hits.take(hits.keys != own[number])
        answers.append(hits.take(slice(limit)))
    return answers, float(np.median(times)) * 1e3


def _share(found: Hits, exact: Hits) -> float:
    """The share of an exact answer that was found; a point as similar as the last exact one counts as it."""
    if not len(exact):
        return 1.0
    hit = np.isin(found.keys, exact.keys) | (found.scores == exact.scores[-1])
    return int(np.count_nonzero(hit)) / len(exact)


def _beam(segments: Sequence[Segment], using: str, ef: int | None, limit: int) -> int | None:
    graphs = [getattr(segment.fields.get(using), "graph", None) for segment in segments]
    beams = [max(ef or graph.ef, limit) for graph in graphs if graph is not None and not graph.broken]
    return max(beams, default=None)
