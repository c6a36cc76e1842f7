"""Writing one segment from several: live points in id order, every storage in one streaming pass.

The output lies in a hidden directory until it is whole and durable. Inputs are frozen by the caller: nobody changes
their vectors and payloads meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CancelledError
from edgeshard.segment.batch import Column, DenseColumn, MultiColumn, SparseColumn
from edgeshard.segment.config import SegmentConfig
from edgeshard.segment.fields import vector_directory
from edgeshard.segment.files import schema_of
from edgeshard.segment.payload_indexes import PayloadIndexes
from edgeshard.segment.schema import VectorSchema
from edgeshard.shard.optimizer.code_shelves import CodeShelves
from edgeshard.shard.optimizer.graphs import build_graphs, open_vectors
from edgeshard.shard.optimizer.source import BLOCK, Source
from edgeshard.shard.optimizer.sparse import build_sparse_indexes
from edgeshard.storage import files
from edgeshard.storage.dense import ChunkedDense, MatrixDense
from edgeshard.storage.files import sync_tree
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.gridstore_build import write_packed
from edgeshard.storage.id_tracker import MutableIdTracker, write_disk_tracker, write_immutable_tracker
from edgeshard.storage.multi import MultiDense
from edgeshard.storage.sparse import SparseStorage

RELEASED_AT_ONCE = 16 * BLOCK
"""After so many points the memory of what was read is given back: soon enough to bound it, so seldom that searches in
the segments read from hardly notice."""

Progress = Callable[[str, float], None]
"""Called with the name of a step and its share done, 0 to 1."""


def build_segment(
    directory: Path,
    source: Source,
    config: SegmentConfig,
    shelves: CodeShelves,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    threads: int | None = None,
) -> None:
    """Write all files of a segment but ``version.info``, durable when this returns.

    Args:
        directory: where, made if missing.
        source: the points.
        config: of the output; decides between appendable and immutable storages.
        shelves: where codes are kept.
        progress: told how far the build is.
        cancelled: asked now and then.
        threads: how many may build graphs, None for one per core.

    Raises:
        CancelledError: ``cancelled`` said so.
        StorageError: the disk refused.
    """
    files.disk.mkdir(directory)

    def at(step: str, start: int) -> None:
        if cancelled():
            raise CancelledError("the optimisation was cancelled; the shard is as it was")
        progress(step, start / max(len(source), 1))

    def blocks(step: str) -> Iterator[tuple[int, int]]:
        for start, stop in source.blocks():
            at(step, start)
            yield start, stop

    def payloads() -> Iterator[list[bytes | None]]:
        for start, block in source.payload_blocks():
            at("payloads", start)
            yield block

    write_packed(directory / "payload_storage", payloads(), durable=False)
    progress("payload indexes", 0.0)
    _write_payload_indexes(directory, source, config)
    for name, spec in schema_of(config).items():
        _write_vectors(directory, name, spec, source, config, blocks(f"vectors {name}".rstrip()))
    _write_ids(directory, source, config)
    build_sparse_indexes(directory, config, len(source), progress=progress, cancelled=cancelled)
    store = Gridstore.open(directory / "payload_storage", read_only=True)
    try:
        build_graphs(
            directory,
            config,
            source=source,
            payloads=_Payloads(store, len(source)),
            schema=_index_schema(source),
            shelves=shelves,
            progress=progress,
            cancelled=cancelled,
            threads=threads,
        )
    finally:
        store.close()
    files.replace_file(directory / "segment.json", config.to_json())
    sync_tree(directory)


class _Payloads:
    """The payloads of a segment that is being written."""

    __slots__ = ("count", "store")

    def __init__(self, store: Gridstore, count: int) -> None:
        self.store = store
        self.count = count

    @property
    def origin(self) -> str:
        """Where they are, for messages."""
        return str(self.store.directory)

    def read_batch(self, offsets: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Raw payloads as one buffer and bounds."""
        return self.store.get_batch(offsets)


def _index_schema(source: Source) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for segment in source.segments:
        schema.update(segment.indexes.schema)
    return schema


def _write_payload_indexes(directory: Path, source: Source, config: SegmentConfig) -> None:
    schema = _index_schema(source)
    store = Gridstore.open(directory / "payload_storage", read_only=True)
    try:
        PayloadIndexes.build(directory, schema, _Payloads(store, len(source)), appendable=config.appendable)
    finally:
        store.close()


def _write_vectors(
    directory: Path,
    name: str,
    spec: VectorSchema,
    source: Source,
    config: SegmentConfig,
    ranges: Iterator[tuple[int, int]],
) -> None:
    target = vector_directory(directory, name)
    matrix = spec.kind == "dense" and config.vector_data[name].storage_type in ("Mmap", "InRamMmap")
    if matrix:
        deleted = np.zeros(len(source), np.bool_)

        def rows() -> Iterator[npt.NDArray[np.generic]]:
            for start, stop in ranges:
                column = source.column(name, spec, start, stop)
                assert isinstance(column, DenseColumn)
                if column.present is not None:
                    deleted[start:stop] = ~column.present
                yield column.rows
                if stop == len(source) or stop % RELEASED_AT_ONCE == 0:
                    source.release(name)

        MatrixDense.write(target, rows(), deleted, turbo=spec.turbo_bits is not None)
        _write_codes(open_vectors(target, spec), target, name, spec, config)
        return
    storage = _appendable(target, spec)
    for start, stop in ranges:
        put_column(storage, np.arange(start, stop, dtype=np.uint32), source.column(name, spec, start, stop))
        write_out(storage)
    source.release(name)
    if spec.kind != "sparse":
        _write_codes(storage, target, name, spec, config)
    storage.close()


def _write_codes(storage: Any, target: Path, name: str, spec: VectorSchema, config: SegmentConfig) -> None:
    dense = config.vector_data[name]
    if dense.quantization is not None:
        from edgeshard.segment.coded_fields import write_codes

        write_codes(storage, target, dense.quantization, spec, dense.is_plain)


def _appendable(target: Path, spec: VectorSchema) -> Any:
    if spec.kind == "sparse":
        return SparseStorage.create(target)
    kind: Any = MultiDense if spec.kind == "multi" else ChunkedDense
    if spec.turbo_bits is None:
        return kind.create(target, spec.size, spec.dtype)
    from edgeshard.index.turbo import record_bytes

    return kind.create(target, record_bytes(spec.size, spec.distance, spec.turbo_bits), np.uint8, turbo=True)


def put_column(storage: Any, offsets: npt.NDArray[np.uint32], column: Column) -> None:
    """Store a block of vectors in any of the appendable storages."""
    if isinstance(column, DenseColumn):
        storage.put(offsets, column.rows)
        if column.present is not None:
            storage.set_deleted(offsets[~column.present], True)
        return
    if column.present is not None:
        kept = np.flatnonzero(column.present)
        storage.ensure_count(int(offsets[-1]) + 1)
        storage.set_deleted(offsets[~column.present], True)
        offsets, column = offsets[kept], column.take(kept)
    if isinstance(column, MultiColumn):
        storage.put_batch(offsets, column.indptr, column.rows)
    elif isinstance(column, SparseColumn):
        storage.put_batch(offsets, column.indptr, column.indices, column.values)


def write_out(storage: Any) -> set[Path]:
    """Write what a storage holds in memory straight to its files, which nobody else uses yet; those that changed."""
    from edgeshard.storage.checkpoint import replace_unsynced, write_ranges

    plan = FlushPlan()
    storage.collect(plan)
    changed = write_ranges(plan.fresh + plan.changes)
    for path, data in plan.replacements.items():
        replace_unsynced(path, data)
    for path in plan.removals:
        files.disk.unlink(path)
    plan.done()
    return changed.union(plan.replacements, plan.removals)


def _write_ids(directory: Path, source: Source, config: SegmentConfig) -> None:
    arguments = (directory, source.lo, source.hi, source.is_uuid, source.versions)
    if config.appendable:
        tracker = MutableIdTracker.create(directory)
        tracker.insert(_native.make_ids(source.lo, source.hi, source.is_uuid))
        for version in np.unique(source.versions).tolist():
            tracker.set_versions(np.flatnonzero(source.versions == version).astype(np.uint32), version)
        write_out(tracker)
        tracker.close()
    elif config.id_tracker_memory in ("cold", "cached"):
        write_disk_tracker(*arguments)
    else:
        write_immutable_tracker(*arguments)
