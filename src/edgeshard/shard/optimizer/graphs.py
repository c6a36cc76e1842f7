"""Building the graphs of a segment whose vectors are already in their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard._native import Codes8
from edgeshard.filter.columns import PayloadSource
from edgeshard.index.flat import KIND, LAYOUT, sections_of
from edgeshard.index.hnsw import HnswConfig, HnswGraph
from edgeshard.index.hnsw.graph import Records, make_codes
from edgeshard.index.kept_codes import Shelf
from edgeshard.index.quantization import QuantizedVectors
from edgeshard.index.turbo import codec
from edgeshard.segment.config import DenseConfig, SegmentConfig
from edgeshard.segment.fields import vector_directory
from edgeshard.segment.files import schema_of
from edgeshard.segment.graph_field import index_directory
from edgeshard.segment.schema import VectorSchema
from edgeshard.shard.optimizer.blocks import payload_blocks
from edgeshard.shard.optimizer.code_shelves import CodeShelves
from edgeshard.shard.optimizer.reuse import old_graph
from edgeshard.shard.optimizer.source import Source
from edgeshard.storage import files
from edgeshard.storage.convert import MANHATTAN
from edgeshard.storage.dense import MatrixDense
from edgeshard.storage.multi import MultiDense

BINARY_ALIGNMENT = 16
"""Of binary codes inside of lists, in bytes."""


def build_graphs(
    directory: Path,
    config: SegmentConfig,
    *,
    source: Source,
    payloads: PayloadSource,
    schema: dict[str, Any],
    shelves: CodeShelves,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    threads: int | None,
) -> None:
    """Write ``vector_index*`` for every name the configuration gives a graph.

    Args:
        directory: the segment being built.
        config: what it is made of.
        source: its points, and the segments they come from, whose graphs may be taken over.
        payloads: of the points, for links along indexed payload values.
        schema: payload indexes by field path.
        shelves: where the codes that graphs are built on are kept.
        progress: told the share of points linked.
        cancelled: asked now and then.
        threads: how many may build, None for one per core.

    Raises:
        CancelledError: ``cancelled`` said so.
        StorageError: the disk refused.
    """
    for name, spec in schema_of(config).items():
        dense = config.vector_data.get(name)
        if dense is None or dense.is_plain:
            continue
        _build(
            directory,
            name,
            spec,
            dense,
            source,
            payloads,
            schema,
            lambda done, total, name=name: progress(f"graph {name}".rstrip(), done / max(total, 1)),  # type: ignore[misc]
            cancelled,
            threads,
            shelves.of(name),
        )


def _build(
    directory: Path,
    name: str,
    spec: VectorSchema,
    dense: DenseConfig,
    source: Source,
    payloads: PayloadSource,
    schema: dict[str, Any],
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    threads: int | None,
    shelf: Shelf | None,
) -> None:
    options = dense.index["options"]
    storage = open_vectors(vector_directory(directory, name), spec)
    deleted = storage.deleted_mask().copy()
    chunks = storage.chunks() or [np.zeros((0, storage.dim), spec.dtype)]
    release = storage.release_pages if isinstance(storage, MatrixDense) else None
    codes, records = _built_on(chunks, spec, threads or 0, release)
    m, payload_m = options["m"], options.get("payload_m")
    live = int(np.count_nonzero(~deleted))
    stored_bytes = live * storage.dim * spec.dtype.itemsize
    threshold = HnswConfig.threshold_of(options["full_scan_threshold"], stored_bytes, len(deleted))
    blocks = payload_blocks(payloads, schema, threshold) if (m if payload_m is None else payload_m) else []
    graph = HnswGraph.build(
        chunks,
        spec.distance,
        m=m,
        ef_construct=options["ef_construct"],
        threads=min((limit for limit in (options.get("max_indexing_threads"), threads) if limit), default=0),
        codes=codes,
        records=records,
        deleted=deleted,
        row_table=storage.row_table() if isinstance(storage, MultiDense) else None,
        blocks=[block[~deleted[block]] for block in blocks],
        payload_m=payload_m,
        old=old_graph(source, name, options, dense.quantization, deleted),
        progress=progress,
        cancel=cancelled,
    )
    target = index_directory(directory, name)
    _save(graph, target, vector_directory(directory, name), spec, dense, chunks)
    written = HnswConfig(
        m,
        options["ef_construct"],
        threshold,
        max_indexing_threads=options.get("max_indexing_threads", 0),
        payload_m=payload_m,
        indexed_vector_count=live,
    )
    files.replace_file(target / "hnsw_config.json", written.to_json())
    if shelf is not None and dense.quantization is not None:
        from edgeshard.segment.coded_fields import keep_walk_codes

        keep_walk_codes(vector_directory(directory, name), spec, shelf)
    elif shelf is not None and codes is not None:
        shelf.put(KIND, LAYOUT, chunks, sections_of(codes), release)
    storage.close()


def _built_on(
    chunks: list[Any], spec: VectorSchema, threads: int, release: Callable[[], None] | None
) -> tuple[Codes8 | None, Records | None]:
    """The codes or records a graph is built on alone, if it is not built on the vectors."""
    if spec.turbo_bits is not None:
        return None, (codec(spec.size, spec.distance, spec.turbo_bits), None)
    if spec.kind == "dense" and spec.distance != MANHATTAN and spec.dtype == np.float32:
        return make_codes(chunks, threads, release), None
    return None, None


def _save(
    graph: HnswGraph, target: Path, directory: Path, spec: VectorSchema, dense: DenseConfig, rows: list[Any]
) -> None:
    """Write a graph; with vectors and the codes of neighbours in its lists if this is asked for and possible.

    The vectors stay in their own file as well: Qdrant Edge 0.9.0 leaves it out, but Qdrant 1.19 does not open segments
    without it.
    """
    if not dense.index["options"].get("inline_storage") or dense.quantization is None or spec.kind != "dense":
        graph.save(target)
        return
    from edgeshard.segment.coded_fields import spec_of

    codes = QuantizedVectors.open(directory, spec_of(spec), read_only=True)
    assert codes is not None  # just written
    try:
        base_align = 1 if spec.turbo_bits is not None else spec.dtype.itemsize
        link_align = BINARY_ALIGNMENT if codes.method == "binary" else 1
        graph.save(target, inline=(_as_bytes(rows), _as_bytes(codes.chunks()), base_align, link_align))
    finally:
        codes.close()


def _as_bytes(chunks: list[Any]) -> npt.NDArray[np.uint8]:
    """Rows of bytes; one chunk, which is what optimised segments have, is not copied."""
    rows = [np.ascontiguousarray(chunk).view(np.uint8).reshape(len(chunk), -1) for chunk in chunks]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def open_vectors(directory: Path, spec: VectorSchema) -> MatrixDense | MultiDense:
    """The dense or multi-vectors of an immutable segment that has just been written.

    Args:
        directory: ``vector_storage[-NAME]``.
        spec: what they are.

    Raises:
        CorruptedError: they are not there.
    """
    if spec.turbo_bits is not None:
        from edgeshard.segment.turbo_fields import open_records

        return open_records(directory, spec)
    if spec.kind == "multi":
        return MultiDense.open(directory, spec.size, spec.dtype, read_only=True)
    return MatrixDense.open(directory, spec.size, spec.dtype, read_only=True)
