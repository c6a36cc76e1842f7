"""From a shard's configuration to what its segments are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeshard.errors import ValidationError
from edgeshard.models.config import EdgeConfig, EdgeSparseVectorParams, EdgeVectorParams
from edgeshard.models.enums import Memory, Modifier
from edgeshard.models.stored_settings import hnsw_object, quantization_object
from edgeshard.models.wire import to_wire
from edgeshard.segment.config import DenseConfig, SegmentConfig, SparseConfig, most_components
from edgeshard.segment.schema import Schema, VectorSchema
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs

DEFAULT_INDEXING_THRESHOLD_KB = 10_000
DEFAULT_HNSW = {
    "m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "max_indexing_threads": 0, "on_disk": False,
}  # fmt: skip
"""Graph parameters when nothing is configured."""


def schema_of_config(config: EdgeConfig) -> Schema:
    """The vectors a shard stores."""
    schema: Schema = {}
    for name, dense in config.vectors.items():
        kind = "dense" if dense.multivector_config is None else "multi"
        schema[name] = VectorSchema(kind, dense.size, int(dense.distance), configs.datatype_name(dense.datatype))  # type: ignore[arg-type]
    for name, sparse in config.sparse_vectors.items():
        schema[name] = VectorSchema("sparse", idf=sparse.modifier == Modifier.Idf)
    return schema


def new_segment_config(config: EdgeConfig) -> SegmentConfig:
    """What a new, appendable segment is made of."""
    return SegmentConfig(
        {name: dense_config(config, params) for name, params in config.vectors.items()},
        {name: sparse_config(params) for name, params in config.sparse_vectors.items()},
        "in_ram_mmap" if payload_in_ram(config) else "mmap",
        None if config.id_tracker_memory is None else to_wire(config.id_tracker_memory),
    )


def dense_config(config: EdgeConfig, params: EdgeVectorParams) -> DenseConfig:
    """A vector name in an appendable segment; only binary and turbo codes are kept while it grows."""
    return DenseConfig(
        params.size,
        int(params.distance),
        "ChunkedMmap" if is_cold(params) else "InRamChunkedMmap",
        None,
        quantization_of(config, params, growing=True),
        params.multivector_config is not None,
        None if params.datatype is None else to_wire(params.datatype),
    )


def quantization_of(config: EdgeConfig, params: EdgeVectorParams, *, growing: bool) -> dict[str, Any] | None:
    """The quantization of a vector name as ``segment.json`` has it.

    Args:
        config: of the shard.
        params: of the vector name.
        growing: in an appendable segment, where nothing can be trained.
    """
    quantization = params.quantization_config or config.quantization_config
    wanted = None if quantization is None else quantization_object(quantization)
    if growing and wanted is not None and not ("binary" in wanted or "turbo" in wanted):
        return None
    return wanted


def sparse_config(params: EdgeSparseVectorParams) -> SparseConfig:
    """A sparse vector name in an appendable segment."""
    index: dict[str, Any] = {"full_scan_threshold": params.full_scan_threshold, "index_type": "MutableRam"}
    if params.datatype is not None:
        index["datatype"] = to_wire(params.datatype)
    if params.memory is not None:
        index["memory"] = to_wire(params.memory)
    return SparseConfig(index, None if params.modifier is None else to_wire(params.modifier))


def field_config(config: EdgeConfig, name: str) -> DenseConfig | SparseConfig:
    """One vector name in an appendable segment."""
    if name in config.sparse_vectors:
        return sparse_config(config.sparse_vectors[name])
    return dense_config(config, config.vectors[name])


def is_cold(params: EdgeVectorParams) -> bool:
    """Whether vectors stay on disk until they are read."""
    if params.memory is not None:
        return params.memory == Memory.Cold
    return params.on_disk is True


def payload_in_ram(config: EdgeConfig) -> bool:
    """Whether payloads are loaded into memory when the shard opens."""
    if config.payload_memory is not None:
        return config.payload_memory != Memory.Cold
    return config.on_disk_payload is False


def with_vectors(config: EdgeConfig, name: str, params: EdgeVectorParams | EdgeSparseVectorParams | None) -> EdgeConfig:
    """The configuration with a vector name added, or removed for None."""
    dense, sparse = config.vectors, config.sparse_vectors
    dense.pop(name, None)
    sparse.pop(name, None)
    if isinstance(params, EdgeVectorParams):
        dense[name] = params
    elif params is not None:
        sparse[name] = params
    fields = {field: getattr(config, field) for field in EdgeConfig.__match_args__}
    return configs.config_of({**fields, "vectors": dense, "sparse_vectors": sparse})


def optimised_segment_config(config: EdgeConfig, inputs: Sequence[Segment]) -> SegmentConfig:
    """What a merged segment is made of: with graphs once its largest vector is large enough for one."""
    result = new_segment_config(config)
    threshold = indexing_threshold_bytes(config)
    sizes: dict[str, int] = {}
    for segment in inputs:
        for name, size in vector_bytes(segment).items():
            sizes[name] = sizes.get(name, 0) + size
    if not threshold or max(sizes.values(), default=0) < threshold:
        return result
    for name, dense in result.vector_data.items():
        params = config.vectors[name]
        dense.storage_type = "Mmap" if is_cold(params) else "InRamMmap"
        dense.index = {"type": "hnsw", "options": hnsw_options(config, params)}
        dense.quantization = quantization_of(config, params, growing=False)
    for name, sparse in result.sparse_vector_data.items():
        sparse.index["index_type"] = sparse_index_type(config.sparse_vectors[name])
    return result


def sparse_index_type(params: EdgeSparseVectorParams) -> str:
    """The kind of index a sparse vector has in an optimised segment."""
    if params.memory is not None:
        return "ImmutableRam" if params.memory == Memory.Pinned else "Mmap"
    return "Mmap" if params.on_disk is True else "ImmutableRam"


def hnsw_options(config: EdgeConfig, params: EdgeVectorParams) -> dict[str, Any]:
    """Graph parameters of a vector as ``segment.json`` has them."""
    chosen = params.hnsw_config or config.hnsw_config
    return hnsw_object(chosen) if chosen is not None else dict(DEFAULT_HNSW)


def indexing_threshold_bytes(config: EdgeConfig) -> int:
    """Size of the vectors of a segment from which they get indexes; 0 for never."""
    settings = config.optimizers
    threshold = None if settings is None else settings.indexing_threshold
    return (DEFAULT_INDEXING_THRESHOLD_KB if threshold is None else threshold) * 1024


def vector_bytes(segment: Segment) -> dict[str, int]:
    """Bytes of live vectors by name, as the optimisers count them."""
    live = segment.live_mask()
    sizes = {}
    for name, field in segment.fields.items():
        present = field.presence(segment.count)
        sizes[name] = field.size_bytes(np.flatnonzero(live & present).astype(np.uint32))
    return sizes


def is_indexable(segment: Segment, sizes: dict[str, int], threshold_bytes: int) -> bool:
    """Whether some vector is large enough for an index and has none."""
    for name, dense in segment.config.vector_data.items():
        if dense.is_plain and sizes[name] >= threshold_bytes and segment.fields[name].indexable:
            return True
    return any(
        sparse.index["index_type"] == "MutableRam" and sizes[name] >= threshold_bytes and segment.fields[name].indexable
        for name, sparse in segment.config.sparse_vector_data.items()
    )


def is_mismatched(segment: Segment, config: EdgeConfig) -> bool:
    """Whether a segment was built with another placement than the one in force. What settings do not speak of stays as
    it was built."""
    if (segment.config.payload_storage_type == "in_ram_mmap") != payload_in_ram(config):
        return True
    for name, dense in segment.config.vector_data.items():
        params = config.vectors[name]
        if _other_dense_placement(dense.storage_type, params):
            return True
        if not dense.is_plain and _other_graph(dense.index["options"], hnsw_options(config, params)):
            return True
        if dense.quantization != quantization_of(config, params, growing=dense.is_plain):
            return True
        graph = getattr(segment.fields[name], "graph", None)
        if graph is not None and graph.indexed_vectors != 0 and graph.load(walks=0) is None:  # missing or damaged
            return True
    return any(
        _other_sparse_placement(sparse.index, config.sparse_vectors[name])
        for name, sparse in segment.config.sparse_vector_data.items()
        if name in config.sparse_vectors
    )


def _other_dense_placement(storage_type: str, params: EdgeVectorParams) -> bool:
    """Whether vectors are stored for another placement than the one asked for, if one is."""
    if storage_type == "GraphInline" or not _asks_for_placement(params):
        return False
    return (storage_type in ("ChunkedMmap", "Mmap")) != is_cold(params)


def _other_sparse_placement(built: dict[str, Any], params: EdgeSparseVectorParams) -> bool:
    """Whether a sparse index was built for another placement than the one asked for, if one is."""
    if built["index_type"] == "MutableRam" or not _asks_for_placement(params):
        return False
    wanted = params.memory
    if wanted is None:
        wanted = Memory.Cold if params.on_disk else Memory.Pinned
    known: str | None = built.get("memory")
    if known is None:
        known = "cold" if built["index_type"] == "Mmap" else "pinned"
    return known != wanted.name.lower()


def _asks_for_placement(params: EdgeVectorParams | EdgeSparseVectorParams) -> bool:
    return params.memory is not None or params.on_disk is not None


def _other_graph(built: dict[str, Any], wanted: dict[str, Any]) -> bool:
    fields = ("m", "ef_construct", "full_scan_threshold", "payload_m", "inline_storage")
    different = any(built.get(field) != wanted.get(field) for field in fields)
    return different or _placement_of(built) != _placement_of(wanted)


def _placement_of(options: dict[str, Any]) -> str:
    """Where the links of a graph are to be."""
    return options.get("memory") or ("cold" if options.get("on_disk") else "cached")


def check_vectors(config: EdgeConfig) -> None:
    """Refuse names and sizes of vectors that cannot be stored.

    Raises:
        ValidationError: see :func:`check_vector_name` and :func:`check_vector_size`.
    """
    for name in (*config.vectors, *config.sparse_vectors):
        check_vector_name(name)
    for name, params in config.vectors.items():
        check_vector_size(name, params)


def check_vector_size(name: str, params: EdgeVectorParams) -> None:
    """Refuse vectors that do not fit a file of their storage; 0.9.0 dies at the first one.

    Raises:
        ValidationError: one takes more than 32 MiB.
    """
    most = most_components(configs.datatype_name(params.datatype))
    if params.size > most:
        raise ValidationError(
            f"Validation failed: vector {name!r} has {params.size} components, and at most {most} can be stored"
        )


def check_vector_name(name: str) -> None:
    """Refuse a vector name that cannot be part of a directory name inside a segment.

    Raises:
        ValidationError: it is too long, holds NUL, or leads out of the segment.
    """
    if "\0" in name or len(name.encode()) > 200:
        raise ValidationError(f"Validation failed: invalid vector name {name[:50]!r}...: at most 200 bytes, no NUL")
    if any(part in ("..", "") for part in name.split("/")) and name:
        raise ValidationError(
            f"Validation failed: invalid vector name {name!r}: it must not escape the segment directory"
        )
