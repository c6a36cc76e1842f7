"""Carrying out optimisation tasks while reads and writes go on.

For each task, under the shard's write lock: flush, freeze the inputs (points in them are from now on changed by
copy-on-write, so their vectors and payloads stand still) and make sure that another segment takes new points. Without
the lock: build the output in ``temp_segments/``. Under the lock again: flush; carry over to the output what was
deleted from the inputs meanwhile; make it durable; rename it into ``segments/``; write its ``version.info``; remove the
inputs. Killed before ``version.info`` the inputs are the truth; killed after it, inputs and output hold the same
points and the next load keeps one copy of each.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeshard._native import CallLock
from edgeshard.errors import CorruptedError, StorageError
from edgeshard.index import kept_codes
from edgeshard.models.config import EdgeConfig, EdgeOptimizersConfig
from edgeshard.segment.config import write_version
from edgeshard.segment.files import open_segment
from edgeshard.segment.segment import Segment
from edgeshard.shard.layout import is_indexable, is_mismatched, optimised_segment_config, vector_bytes
from edgeshard.shard.mending import bury, remove_graves
from edgeshard.shard.optimizer.build import Progress, build_segment, write_out
from edgeshard.shard.optimizer.code_shelves import CodeShelves
from edgeshard.shard.optimizer.plan import Candidate, Task, Thresholds, plan, thresholds
from edgeshard.shard.optimizer.source import Source
from edgeshard.storage import files, generation
from edgeshard.storage.files import sync_tree

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
) -> bool:
    """Plan and carry out tasks until nothing is left to do; see :meth:`EdgeShard.optimize`."""
    deadline = None if budget_ms is None else time.monotonic() + budget_ms / 1e3
    progress = on_progress or (lambda step, share: None)
    done, previous, outdated = False, None, False

    def stopped() -> bool:
        return store.closed or cancelled()  # the end of the program does not wait for threads that optimise

    with lock.reading():
        known = {segment.name for segment in store.segments}
    for _ in range(MAX_ROUNDS):
        with lock.reading():  # segments that take writes meanwhile would keep this going for as long as writers do
            tasks = plan([one for one in candidates(store) if one.name in known], limits_of(store.config))
        if not tasks or (tasks == previous and not outdated):
            break
        outdated = False
        for task in tasks:
            if deadline is not None and time.monotonic() > deadline:
                return done
            built = run_task(store, lock, task, progress=progress, cancelled=stopped, threads=threads)
            if built is None:  # the same task can be carried out now
                outdated = True
                break
            known.add(built[0])
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
    threads: int | None = None,
) -> tuple[str, int] | None:
    """Replace the segments of a task by one; its name and how many points it has. None if an update failed half way
    meanwhile: the segments were opened anew, and what was built is of others.

    Raises:
        CancelledError: ``cancelled`` said so; the shard is as it was.
        StorageError: the disk refused; the shard is as it was.
    """
    directory = store.path / TEMPORARY / f"segment_builder_{files.random_suffix()}"
    target = store.path / "segments" / str(uuid.uuid4())
    frozen: list[tuple[Segment, bool]] = []
    spare: Segment | None = None
    reopenings = -1
    try:
        with lock.writing():
            store.mend()
            reopenings = store.reopenings
            inputs = [segment for segment in store.segments if segment.name in task.names]
            store.unseal()
            store.flush()
            frozen = [(segment, segment.appendable) for segment in inputs]
            for segment in inputs:
                segment.appendable = False
            if not any(segment.appendable for segment in store.segments):
                spare = store.add_segment()
            source = Source(inputs)
        config = optimised_segment_config(store.config, inputs)
        version = max(segment.version for segment in inputs)
        config.initial_version = config.version = version if version >= 0 else None  # nobody wrote to them yet
        shelf = CodeShelves(store.path, directory.name, store.config)
        build_segment(directory, source, config, shelf, progress=progress, cancelled=cancelled, threads=threads)
        with lock.writing():
            store.mend()
            if store.reopenings != reopenings:
                raise _OutdatedError
            try:
                store.flush(checkpoint=True)
                with generation.changing(store.path):
                    kept_codes.adopt(store.path, directory.name, target.name)
                    _swap(store, inputs, source, directory, target)
                    _give_up(store, inputs, spare)
                    graves = bury(store)
            except BaseException:
                _settle(store, frozen, target)  # before anybody else sees both
                raise
    except BaseException as error:
        with lock.writing():
            outdated = reopenings not in (-1, store.reopenings)
            _settle(store, frozen, target)
            _give_up(store, [], spare)
        with suppress(OSError):  # the next load removes what is left of it
            files.disk.remove_tree(directory)
            kept_codes.clean_up(store.path, [segment.name for segment in store.segments])
        if outdated and isinstance(error, (_OutdatedError, CorruptedError)):  # of files that changed under the builder
            return None
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise StorageError(error.errno, f"cannot optimise {store.path}: {error.strerror}") from error
        raise
    remove_graves(graves)
    with suppress(OSError):  # likewise
        for segment in inputs:
            kept_codes.remove(store.path, segment.name)
    return target.name, len(source)


class _OutdatedError(Exception):
    """The segments that are being replaced were opened anew meanwhile."""


def _give_up(store: Store, inputs: Sequence[Segment], spare: Segment | None) -> None:
    """Leave the directories of segments that were replaced to be buried; so that of the segment that took new points
    meanwhile, if none came and another one can take them."""
    paths = [segment.path for segment in inputs]
    others = any(segment.appendable for segment in store.segments if segment is not spare)
    if spare is not None and spare in store.segments and not spare.count and spare.version < 0 and others:
        store.segments = [segment for segment in store.segments if segment is not spare]
        spare.close()
        paths.append(spare.path)
    store.leftovers += paths


def _settle(store: Store, frozen: Sequence[tuple[Segment, bool]], target: Path) -> None:
    """Leave either the inputs or the output of a task that was interrupted, never both: a point deleted in one would
    live on in the other."""
    used = {segment.path for segment in store.segments}
    if target in used:
        gone = [segment.path for segment, _ in frozen]
    else:
        gone = [target]
        for segment, appendable in frozen:
            segment.appendable = appendable
    store.leftovers += [path for path in gone if path.is_dir() and path not in used and path not in store.leftovers]
    with suppress(StorageError):  # the next change of the shard tries again, and is refused until it succeeds
        remove_graves(bury(store))


def _swap(store: Store, inputs: Sequence[Segment], source: Source, directory: Path, path: Path) -> None:
    """Put the built segment in place of its inputs, at ``path``."""
    output = open_segment(directory, complete=False)
    gone = np.zeros(len(source), np.bool_)
    versions = np.zeros(len(source), np.uint64)
    for number, segment in enumerate(inputs):
        places = np.flatnonzero(source.number == number)
        dead = segment.ids.deleted_mask()[source.offset[places]]
        gone[places] = dead
        versions[places] = segment.ids.versions[source.offset[places]]
    for offset in np.flatnonzero(gone).tolist():
        output.ids.delete(np.array([offset], np.uint32), int(versions[offset]))
    write_out(output.ids)
    schema: dict[str, Any] = {}
    for segment in inputs:
        schema.update(segment.indexes.schema)
    output.indexes.adopt(schema)  # fields indexed or dropped meanwhile
    write_out(output.indexes)
    output.close()
    sync_tree(directory)
    files.disk.rename(directory, path)
    write_version(path)
    files.disk.sync_directory(path.parent)
    output = open_segment(path)
    store.segments = [segment for segment in store.segments if segment not in inputs] + [output]
    for segment in inputs:
        segment.close()
