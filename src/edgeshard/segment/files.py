"""Opening and creating segment directories.

``version.info`` is written last and makes a segment complete; a directory without it is one whose creation was cut
short. Nothing here deletes a segment that holds data.
"""

from __future__ import annotations

import uuid
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.index.hnsw.files import has_inline_vectors, inline_rows
from edgeshard.segment.absent_field import AbsentField
from edgeshard.segment.config import DenseConfig, SegmentConfig, SparseConfig, read_segment_config, write_version
from edgeshard.segment.fields import DenseField, Field, MultiField, create_field, open_field, vector_directory
from edgeshard.segment.graph_field import GraphField, MultiGraphField, index_directory
from edgeshard.segment.payload_indexes import PayloadIndexes
from edgeshard.segment.schema import Kind, Schema, VectorSchema
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField
from edgeshard.segment.sparse_index import prepare_index
from edgeshard.storage import files
from edgeshard.storage.chunked import STATUS_FILE
from edgeshard.storage.dense import MatrixDense
from edgeshard.storage.files import sync_tree
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.id_tracker import IdTracker, MutableIdTracker, open_id_tracker

PAYLOAD = "payload_storage"
PAYLOAD_PAGE_BYTES = 32 << 20
PAYLOAD_BLOCK_BYTES = 128


def open_segment(path: Path, *, read_only: bool = False, complete: bool = True) -> Segment:
    """An existing segment, repaired as far as a crash between two files requires.

    Args:
        path: its directory.
        read_only: change nothing.
        complete: demand ``version.info``.

    Raises:
        CorruptedError: a file is missing or damaged.
        StorageError: the segment was written by a newer version.
    """
    config = read_segment_config(path, complete=complete)
    appendable = config.appendable
    schema = schema_of(config)
    if not (path / PAYLOAD).is_dir():
        raise CorruptedError(path / PAYLOAD, "the payload storage is missing")
    ids = open_id_tracker(path, appendable=appendable, read_only=read_only)
    payload = Gridstore.open(path / PAYLOAD, read_only=read_only, expected_slots=ids.total)
    fields = {name: _open_field(path, name, spec, config, ids, read_only=read_only) for name, spec in schema.items()}
    segment = Segment(path, config, ids, payload, fields, PayloadIndexes.open(path, appendable=appendable))
    for name, field in fields.items():
        _check_entries(segment, name, field)
    if not read_only:
        _repair(segment)
    return segment


def create_segment(parent: Path, config: SegmentConfig, index_schema: dict[str, Any]) -> Segment:
    """A new, empty, appendable segment, durable when this returns.

    Args:
        parent: the ``segments`` directory.
        config: what ``segment.json`` will say.
        index_schema: payload indexes to start with, by field path.
    """
    path = parent / str(uuid.uuid4())
    try:
        files.disk.mkdir(path)
        payload = Gridstore.create(
            path / PAYLOAD, page_size_bytes=PAYLOAD_PAGE_BYTES, block_size_bytes=PAYLOAD_BLOCK_BYTES, compression="LZ4"
        )
        fields = {name: _create_field(path, name, spec, config) for name, spec in schema_of(config).items()}
        indexes = PayloadIndexes.create(path, index_schema)
        files.replace_file(path / "segment.json", config.to_json())
        sync_tree(path)
        write_version(path)
        files.disk.sync_directory(parent)
    except OSError as error:
        with suppress(OSError):  # as of a path that is too long, of which nothing can be removed
            files.disk.remove_tree(path)
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot create segment {path}: {error.strerror}") from error
    return Segment(path, config, MutableIdTracker.create(path), payload, fields, indexes)


def schema_of(config: SegmentConfig) -> Schema:
    """The vectors a segment stores."""
    schema: Schema = {}
    for name, dense in config.vector_data.items():
        kind: Kind = "multi" if dense.multi else "dense"
        schema[name] = VectorSchema(kind, dense.size, dense.distance, dense.datatype or "float32")
    for name, sparse in config.sparse_vector_data.items():
        schema[name] = VectorSchema("sparse", idf=sparse.modifier == "idf")
    return schema


def add_field(segment: Segment, name: str, config: DenseConfig | SparseConfig) -> None:
    """Give a segment a vector name that no point of it has yet."""
    if isinstance(config, SparseConfig):
        segment.config.sparse_vector_data[name] = config
    else:
        segment.config.vector_data[name] = config
    spec = schema_of(segment.config)[name]
    segment.touched()
    for left in (vector_directory(segment.path, name), index_directory(segment.path, name)):
        files.disk.remove_tree(left)  # of a vector that was called so before
    files.disk.sync_directory(segment.path)
    if not segment.appendable:
        segment.fields[name] = AbsentField(spec)
        return
    segment.fields[name] = _create_field(segment.path, name, spec, segment.config)
    segment.fields[name].ensure_count(segment.count)
    sync_tree(vector_directory(segment.path, name))
    files.disk.sync_directory(segment.path)


def drop_field(segment: Segment, name: str) -> None:
    """Forget a vector name of a segment; its files stay until the name is created again or the segment rebuilt."""
    segment.fields.pop(name).close()
    segment.touched()
    segment.config.vector_data.pop(name, None)
    segment.config.sparse_vector_data.pop(name, None)


def _open_field(
    path: Path, name: str, spec: VectorSchema, config: SegmentConfig, ids: IdTracker, *, read_only: bool
) -> Field:
    directory = vector_directory(path, name)
    if name in config.sparse_vector_data:
        if config.sparse_vector_data[name].storage_type == "empty":
            return AbsentField(spec)
        storage_type = "mmap"
    else:
        storage_type = config.vector_data[name].storage_type
        if storage_type == "Empty":
            return AbsentField(spec)
    if not directory.is_dir():
        if not config.appendable:
            return AbsentField(spec)
        raise CorruptedError(directory, "the vector storage is missing")
    if storage_type == "GraphInline":
        field = _open_inside_graph(directory, index_directory(path, name), spec, read_only)
        return _with_codes(field, directory, name, config, read_only)
    plain = open_field(
        path, name, spec,
        storage_type=storage_type, appendable=config.appendable, read_only=read_only, points=ids.total,
    )  # fmt: skip
    if isinstance(plain, SparseField):
        prepare_index(plain, index_directory(path, name), config.sparse_vector_data[name].index, ids, read_only)
        return plain
    return _with_codes(_with_graph(plain, path, name, config), directory, name, config, read_only)


def _open_inside_graph(directory: Path, index: Path, spec: VectorSchema, read_only: bool) -> Field:
    """Vectors of which the lists of their graph hold the only copy."""
    rows = inline_rows(index)
    if rows is None:
        raise CorruptedError(index, "the graph that holds the vectors is missing")
    if spec.turbo_bits is None:
        field = GraphField(MatrixDense.around(directory, rows, spec.size, spec.dtype, read_only=read_only), spec, index)
        field.graph.holds_vectors = True
        return field
    from edgeshard.segment.turbo_fields import TurboGraphField, around_records

    records = TurboGraphField(around_records(directory, rows, spec, read_only=read_only), spec, index)
    records.graph.holds_vectors = True
    return records


def _with_codes(field: Field, directory: Path, name: str, config: SegmentConfig, read_only: bool) -> Field:
    """The field, searched through its quantized codes if the segment has them."""
    if name in config.vector_data and config.vector_data[name].quantization is not None:
        from edgeshard.segment.coded_fields import with_codes

        field = with_codes(field, directory, read_only=read_only)
        graph = getattr(field, "graph", None)
        if graph is not None:
            graph.inline = has_inline_vectors(graph.directory)
    return field


def _create_field(path: Path, name: str, spec: VectorSchema, config: SegmentConfig) -> Field:
    field = create_field(path, name, spec)
    if name in config.vector_data and config.vector_data[name].quantization is not None:
        from edgeshard.segment.coded_fields import create_codes

        return create_codes(field, vector_directory(path, name), config.vector_data[name].quantization)
    return field


def _with_graph(field: Field, path: Path, name: str, config: SegmentConfig) -> Field:
    """The field, searched by its graph if the segment has one."""
    if config.vector_data[name].is_plain:
        return field
    directory = index_directory(path, name)
    if type(field) is DenseField and isinstance(field.storage, MatrixDense):
        return GraphField(field.storage, field.spec, directory)
    if type(field) is MultiField:
        return MultiGraphField(field.storage, field.spec, directory)
    if field.spec.turbo_bits is not None:
        from edgeshard.segment.turbo_fields import TurboField, TurboGraphField, TurboMultiField, TurboMultiGraphField

        if type(field) is TurboField and isinstance(field.storage, MatrixDense):
            return TurboGraphField(field.storage, field.spec, directory)
        if type(field) is TurboMultiField:
            return TurboMultiGraphField(field.storage, field.spec, directory)
    return field


def _check_entries(segment: Segment, name: str, field: Field) -> None:
    """Compare how many vectors there are with how many points.

    In an appendable segment both ends may lag behind after a crash of another engine, whose files reach the disk one
    by one; its log makes up for it. What is left then was lost, which is said. Nothing is changed on the disk here.
    """
    if not isinstance(field, (DenseField, MultiField)):
        return
    if field.storage.count != segment.count:
        counted = _counting_file(vector_directory(segment.path, name))
        reason = f"{field.storage.count} vectors for {segment.count} points"
        if not field.writable or isinstance(field.storage, MatrixDense):
            raise CorruptedError(counted, reason)
        field.storage.cut(segment.count)
        advice = "what the log does not bring back is lost"
        warnings.warn(f"{counted}: {reason}; {advice}", RuntimeWarning, stacklevel=3)
    codes = getattr(field, "codes", None)
    if codes is not None:
        codes.settle(field.storage.count)


def _counting_file(directory: Path) -> Path:
    """The file of a vector storage that says how many vectors it has."""
    found = [file for name in ("*offsets", "*vectors") for file in directory.glob(f"{name}/{STATUS_FILE}")]
    return found[0] if found else directory / "matrix.dat"


def _repair(segment: Segment) -> None:
    """Clear what points without an id left behind, and give every field one entry per offset."""
    if isinstance(segment.ids, MutableIdTracker):
        orphans = segment.ids.repair.offsets
        if len(orphans):
            segment.payload.remove_batch(orphans)
    for field in segment.fields.values():
        field.ensure_count(segment.count)
