"""Carrying out optimisation tasks while reads and writes go on.

For each task, under the shard's write lock: flush, freeze the inputs (points in them are from now on changed by
copy-on-write, so their vectors and payloads stand still) and make sure that another segment takes new points. Without
the lock: build the output in ``temp_segments/``. Under the lock again: flush; carry over to the output what was
deleted from the inputs meanwhile; make it durable; rename it into ``segments/``; write its ``version.info``; remove the
inputs. Killed before ``version.info`` the inputs are the truth; killed after it, inputs and output hold the same
points and the next load keeps one copy of each.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshard.segment.config import write_version
from edgeshard.segment.files import open_segment, sync_tree
from edgeshard.segment.segment import Segment
from edgeshard.shard.layout import optimised_segment_config
from edgeshard.shard.optimizer.build import Progress, Source, build_segment, write_out
from edgeshard.shard.optimizer.plan import Task
from edgeshard.shard.rwlock import ReadWriteLock
from edgeshard.storage import files

if TYPE_CHECKING:
    from edgeshard.shard.store import Store

TEMPORARY = "temp_segments"


def run_task(
    store: Store, lock: ReadWriteLock, task: Task, *, progress: Progress, cancelled: Callable[[], bool]
) -> None:
    """Replace the segments of a task by one.

    Raises:
        CancelledError: ``cancelled`` said so; the shard is as it was.
        StorageError: the disk refused; the shard is as it was.
    """
    with lock.writing():
        inputs = [segment for segment in store.segments if segment.name in task.names]
        frozen = [(segment, segment.appendable) for segment in inputs]
        store.flush()
        for segment in inputs:
            segment.appendable = False
        if not any(segment.appendable for segment in store.segments):
            store.add_segment()
        source = Source(inputs)
    directory = store.path / TEMPORARY / f"segment_builder_{secrets.token_hex(3)}"
    try:
        config = optimised_segment_config(store.config, inputs, len(source))
        config.initial_version = config.version = max(segment.version for segment in inputs)
        build_segment(directory, source, config, progress=progress, cancelled=cancelled)
        with lock.writing():
            _swap(store, inputs, source, directory)
    except BaseException:
        with lock.writing():
            for segment, appendable in frozen:
                segment.appendable = appendable
        files.disk.remove_tree(directory)
        raise
    for segment in inputs:
        remove_segment(segment.path)


def _swap(store: Store, inputs: Sequence[Segment], source: Source, directory: Path) -> None:
    """Put the built segment in place of its inputs."""
    store.flush(checkpoint=True)
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
    output.close()
    sync_tree(directory)
    path = store.path / "segments" / str(uuid.uuid4())
    files.disk.rename(directory, path)
    write_version(path)
    files.disk.sync_directory(path.parent)
    output = open_segment(path)
    store.segments = [segment for segment in store.segments if segment not in inputs] + [output]
    for segment in inputs:
        segment.close()


def remove_segment(path: Path) -> None:
    """Remove a segment directory in two steps, so that a crash leaves nothing that looks like a segment."""
    grave = path.with_name(f"{path.name}{secrets.token_hex(3)}.deleted")
    files.disk.rename(path, grave)
    files.disk.sync_directory(path.parent)
    files.disk.remove_tree(grave)
