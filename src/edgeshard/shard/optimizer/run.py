"""Carrying out optimisation tasks while reads and writes go on.

For each task: make an empty segment, if no other one takes new points. Under the shard's write lock: flush, and freeze
the inputs (points in them are from now on changed by copy-on-write, so their vectors and payloads stand still). Without
the lock: build the output in ``temp_segments/``. Under the lock again: flush; carry over to the output what was deleted
from the inputs meanwhile; make it durable; rename it into ``segments/``; write its ``version.info``; remove the
inputs. Killed before ``version.info`` the inputs are the truth; killed after it, inputs and output hold the same
points and the next load keeps one copy of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from edgeshard._native import CallLock
from edgeshard.errors import CorruptedError, StorageError
from edgeshard.index import kept_codes
from edgeshard.models.config import EdgeConfig, EdgeOptimizersConfig
from edgeshard.segment.segment import Segment
from edgeshard.shard import heap
from edgeshard.shard.layout import is_indexable, is_mismatched, optimised_segment_config, vector_bytes
from edgeshard.shard.mending import remove_graves
from edgeshard.shard.optimizer.build import Progress, build_segment
from edgeshard.shard.optimizer.code_shelves import CodeShelves
from edgeshard.shard.optimizer.exchange import Exchange, OutdatedError
from edgeshard.shard.optimizer.plan import Candidate, Task, Thresholds, plan, thresholds
from edgeshard.shard.optimizer.urgent import Urgent, at_once
from edgeshard.storage import files

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

TEMPORARY = "temp_segments"
MAX_ROUNDS = 100
"""A bound on rounds of planning; each makes the shard smaller or better, so it is never reached."""


def optimise(
    store: Store,
    lock: CallLock,
    *,
    on_progress: Progress | None,
    cancelled: Callable[[], bool],
    threads: int | None,
    budget_ms: float | None,
    urgent: Urgent = at_once,
) -> bool:
    """Plan and carry out tasks until nothing is left to do; see :meth:`EdgeShard.optimize`.

    ``urgent`` carries out what keeps other calls of the shard waiting.
    """
    deadline = None if budget_ms is None else time.monotonic() + budget_ms / 1e3
    progress = on_progress or (lambda step, share: None)
    done, previous, outdated = False, None, False

    def stopped() -> bool:
        return store.closed or cancelled()  # the end of the program does not wait for threads that optimise

    with lock.reading():
        known = {segment.name for segment in store.segments}

    fresh = set[str]()

    def planned() -> list[Task]:
        # Segments that take writes meanwhile would keep this going for as long as writers do, and so would those built
        # here: only writers delete their points.
        with lock.reading():
            tasks = plan([one for one in candidates(store) if one.name in known], limits_of(store.config))
        return [task for task in tasks if task.reason != "vacuum" or not fresh.issuperset(task.names)]

    for _ in range(MAX_ROUNDS):
        tasks = urgent(planned)
        if not tasks or (tasks == previous and not outdated):
            break
        outdated = False
        for task in tasks:
            if deadline is not None and time.monotonic() > deadline:
                return done
            built = run_task(store, lock, task, progress=progress, cancelled=stopped, urgent=urgent, threads=threads)
            if built is None:  # the same task can be carried out now
                outdated = True
                break
            heap.give_back()
            known.add(built[0])
            fresh.add(built[0])
            done = done or built[1] > 0
        previous = tasks
    return done


def limits_of(config: EdgeConfig) -> Thresholds:
    """The optimiser settings of a shard."""
    settings = config.optimizers or EdgeOptimizersConfig()
    return thresholds(
        default_segment_number=settings.default_segment_number,
        max_segment_size_kb=settings.max_segment_size,
        indexing_threshold_kb=settings.indexing_threshold,
        deleted_threshold=settings.deleted_threshold,
        vacuum_min_vector_number=settings.vacuum_min_vector_number,
    )


def candidates(store: Store) -> list[Candidate]:
    """What the planner looks at."""
    limits = limits_of(store.config)
    return [candidate(segment, store.config, limits) for segment in store.segments]


def candidate(segment: Segment, config: EdgeConfig, limits: Thresholds) -> Candidate:
    """One segment as the planner sees it."""
    sizes = vector_bytes(segment)
    size = max(sizes.values(), default=0)
    return Candidate(
        segment.name,
        size,
        segment.count,
        segment.live,
        indexable=is_indexable(segment, sizes, limits.indexing_threshold_bytes),
        indexed=not segment.config.appendable,
        mismatched=is_mismatched(segment, config),
        index_stale=any(_is_stale(segment, name, limits) for name in segment.config.vector_data),
    )


def _is_stale(segment: Segment, name: str, limits: Thresholds) -> bool:
    """Whether many vectors that an index finds are gone; their points may have others and be there still."""
    indexed = segment.fields[name].indexed_count
    gone = indexed - segment.alive(name)[1]
    return indexed >= max(limits.vacuum_min_vectors, 1) and gone / indexed > limits.deleted_threshold


def run_task(
    store: Store,
    lock: CallLock,
    task: Task,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    urgent: Urgent,
    threads: int | None = None,
) -> tuple[str, int] | None:
    """Replace the segments of a task by one; its name and how many points it has. None if an update failed half way
    meanwhile: the segments were opened anew, and what was built is of others.

    Raises:
        CancelledError: ``cancelled`` said so; the shard is as it was.
        StorageError: the disk refused; the shard is as it was.
    """
    suffix = files.random_suffix()
    directory = store.path / TEMPORARY / f"segment_builder_{suffix}"
    drafts = store.path / TEMPORARY / f"spare_{suffix}"
    exchange = Exchange(store, lock, task.names, directory)
    try:
        spare = exchange.make_spare(drafts) if urgent(exchange.lacks_spare) else None
        source = urgent(lambda: exchange.freeze(spare))
        config = optimised_segment_config(store.config, exchange.inputs)
        version = max(segment.version for segment in exchange.inputs)
        config.initial_version = config.version = version if version >= 0 else None  # nobody wrote to them yet
        shelf = CodeShelves(store.path, directory.name, store.config)
        build_segment(directory, source, config, shelf, progress=progress, cancelled=cancelled, threads=threads)
        graves = urgent(lambda: exchange.finish(source))
    except BaseException as error:
        outdated = urgent(exchange.undo)
        with suppress(OSError):  # the next load removes what is left of it
            files.disk.remove_tree(directory)
            files.disk.remove_tree(drafts)
            kept_codes.clean_up(store.path, [segment.name for segment in store.segments])
        if outdated and isinstance(error, (OutdatedError, CorruptedError)):  # of files that changed under the builder
            return None
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise StorageError(error.errno, f"cannot optimise {store.path}: {error.strerror}") from error
        raise
    remove_graves(graves)
    with suppress(OSError):  # likewise
        files.disk.remove_tree(drafts)
        for segment in exchange.inputs:
            kept_codes.remove(store.path, segment.name)
    return exchange.target.name, len(source)
