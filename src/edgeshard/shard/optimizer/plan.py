"""Which segments to rebuild, and why: the rules and defaults of Qdrant's four optimisers.

They run in the order merge, indexing, vacuum, config mismatch; each takes segments no earlier one has taken.
Sizes are live vector bytes, the largest over the vector names; 1 KB = 1024 bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

KB = 1024
DEFAULT_INDEXING_THRESHOLD_KB = 10_000
DEFAULT_DELETED_THRESHOLD = 0.2
DEFAULT_VACUUM_MIN_VECTORS = 1000
SEGMENT_KB_PER_THREAD = 256_000


class Thresholds(NamedTuple):
    """The optimiser settings in force."""

    default_segment_number: int
    max_segment_bytes: int
    indexing_threshold_bytes: int
    """0 for never."""
    deleted_threshold: float
    vacuum_min_vectors: int


class Candidate(NamedTuple):
    """What the optimisers look at in one segment."""

    name: str
    size_bytes: int
    """Live vector bytes, the largest over the names."""
    total: int
    """Offsets, deleted ones included."""
    live: int
    indexable: bool
    """Some vector is large enough for an index and has none, or is kept in the wrong place."""
    indexed: bool
    mismatched: bool
    """Built with another configuration than the one in force."""
    index_stale: bool
    """Too many vectors of its index were removed from points since."""


class Task(NamedTuple):
    """Segments to replace by one."""

    reason: str
    names: list[str]


def thresholds(
    *,
    default_segment_number: int | None,
    max_segment_size_kb: int | None,
    indexing_threshold_kb: int | None,
    deleted_threshold: float | None,
    vacuum_min_vector_number: int | None,
) -> Thresholds:
    """Settings with their defaults filled in; None means unset."""
    threads = indexing_threads()
    number = default_segment_number or max(2, min(8, (os.cpu_count() or 1) // 2))
    limit = max_segment_size_kb if max_segment_size_kb is not None else SEGMENT_KB_PER_THREAD * threads
    indexing = DEFAULT_INDEXING_THRESHOLD_KB if indexing_threshold_kb is None else indexing_threshold_kb
    deleted = DEFAULT_DELETED_THRESHOLD if deleted_threshold is None else deleted_threshold
    minimum = DEFAULT_VACUUM_MIN_VECTORS if vacuum_min_vector_number is None else vacuum_min_vector_number
    return Thresholds(number, limit * KB, indexing * KB, deleted, minimum)


def indexing_threads() -> int:
    """Threads an index build uses unless told otherwise: all cores up to 8."""
    return max(1, min(8, os.cpu_count() or 1))


def plan(candidates: Sequence[Candidate], limits: Thresholds) -> list[Task]:
    """Tasks over disjoint segments, in the order they should run."""
    taken: set[str] = set()
    tasks: list[Task] = []
    for optimiser in (_merge, _index, _vacuum, _mismatch):
        for task in optimiser([c for c in candidates if c.name not in taken], limits, len(candidates)):
            tasks.append(task)
            taken.update(task.names)
    return tasks


def _merge(candidates: Sequence[Candidate], limits: Thresholds, count: int) -> list[Task]:
    """Batches of the smallest segments, so that the target number is reached."""
    excess = count - limits.default_segment_number
    if excess <= 0:
        return []
    smallest = sorted(candidates, key=lambda c: c.size_bytes)[: excess + 2]
    batches: list[list[Candidate]] = [[]]
    for candidate in smallest:
        if sum(c.size_bytes for c in batches[-1]) + candidate.size_bytes >= limits.max_segment_bytes:
            batches.append([])
        batches[-1].append(candidate)
    useful = [batch for batch in batches if len(batch) >= 2]
    if len(useful) == 1 and len(useful[0]) < 3:
        return []
    return [Task("merge", [c.name for c in batch]) for batch in useful]


def _index(candidates: Sequence[Candidate], limits: Thresholds, count: int) -> list[Task]:
    """The largest segment that wants an index, with a small companion when there are enough segments."""
    if limits.indexing_threshold_bytes == 0:
        return []
    wanting = sorted((c for c in candidates if c.indexable), key=lambda c: -c.size_bytes)
    if not wanting:
        return []
    largest = wanting[0]
    names = [largest.name]
    if count >= limits.default_segment_number:
        others = [c for c in candidates if c.name != largest.name]
        fits = [c for c in others if c.size_bytes + largest.size_bytes < limits.max_segment_bytes]
        plain = [c for c in fits if not c.indexed]
        if plain or fits:
            names.append(min(plain or fits, key=lambda c: c.size_bytes).name)
    return [Task("indexing", names)]


def _vacuum(candidates: Sequence[Candidate], limits: Thresholds, count: int) -> list[Task]:
    """Segments with too large a share of deleted points."""
    return [Task("vacuum", [c.name]) for c in candidates if c.index_stale or _wasteful(c, limits)]


def _wasteful(candidate: Candidate, limits: Thresholds) -> bool:
    if candidate.total < limits.vacuum_min_vectors or not candidate.total:
        return False
    return (candidate.total - candidate.live) / candidate.total > limits.deleted_threshold


def _mismatch(candidates: Sequence[Candidate], limits: Thresholds, count: int) -> list[Task]:
    """Segments built with another configuration."""
    return [Task("config mismatch", [c.name]) for c in candidates if c.mismatched]
