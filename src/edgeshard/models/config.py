"""What a shard stores and how: `EdgeConfig` and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeshard.errors import ArgumentError, ValidationError
from edgeshard.models.base import (
    Model,
    instance,
    opt_boolean,
    opt_f64,
    opt_instance,
    opt_u64,
    put_fields,
    text,
    u64,
)
from edgeshard.models.enums import Distance, Memory, Modifier, MultiVectorComparator, VectorStorageDatatype
from edgeshard.models.quantization import QUANTIZATION_CONFIGS, QuantizationConfig

__all__ = [
    "EdgeConfig",
    "EdgeOptimizersConfig",
    "EdgeSparseVectorParams",
    "EdgeVectorParams",
    "HnswIndexConfig",
    "MultiVectorConfig",
    "PlainIndexConfig",
]


class PlainIndexConfig(Model):
    """No index: every vector is compared. As in Qdrant Edge, nothing takes one; programs may name it."""

    __slots__ = ()


class HnswIndexConfig(Model):
    """Parameters of an HNSW graph (Malkov & Yashunin 2016).

    Args:
        m: links per node and level (M of the paper); level 0 has twice as many. 0 builds no graph.
        ef_construct: candidates looked at for each new node (efConstruction).
        full_scan_threshold: KiB of vectors below which everything is compared instead.
        max_indexing_threads: threads that build the graph, 0 chooses.
        on_disk: read the graph from disk. `memory` overrides it.
        payload_m: links per node of the graphs per payload value, None as `m`.
        inline_storage: keep vectors beside the links.
        memory: where the graph lives.
    """

    __slots__ = (
        "ef_construct",
        "full_scan_threshold",
        "inline_storage",
        "m",
        "max_indexing_threads",
        "memory",
        "on_disk",
        "payload_m",
    )
    __match_args__ = (
        "m",
        "ef_construct",
        "full_scan_threshold",
        "max_indexing_threads",
        "on_disk",
        "payload_m",
        "inline_storage",
        "memory",
    )

    m: int
    ef_construct: int
    full_scan_threshold: int
    max_indexing_threads: int
    on_disk: bool | None
    payload_m: int | None
    inline_storage: bool | None
    memory: Memory | None

    def __init__(
        self,
        m: int,
        ef_construct: int,
        full_scan_threshold: int,
        max_indexing_threads: int = 0,
        on_disk: bool | None = None,
        payload_m: int | None = None,
        inline_storage: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            m=u64(m, "m"),
            ef_construct=u64(ef_construct, "ef_construct"),
            full_scan_threshold=u64(full_scan_threshold, "full_scan_threshold"),
            max_indexing_threads=u64(max_indexing_threads, "max_indexing_threads"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            payload_m=opt_u64(payload_m, "payload_m"),
            inline_storage=opt_boolean(inline_storage, "inline_storage"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class MultiVectorConfig(Model):
    """A vector of several rows per point.

    Args:
        comparator: how two multi-vectors are compared.
    """

    __slots__ = ("comparator",)
    __match_args__ = ("comparator",)

    comparator: MultiVectorComparator

    def __init__(self, comparator: MultiVectorComparator) -> None:
        put_fields(self, comparator=instance(comparator, MultiVectorComparator, "comparator"))


class EdgeVectorParams(Model):
    """A dense vector (or multi-vector) every point may have.

    Args:
        size: number of components, at least 1.
        distance: how vectors are compared.
        on_disk: read vectors from disk. `memory` overrides it.
        multivector_config: several rows per point.
        datatype: how components are stored, float32 if None.
        quantization_config: compression of this vector, None for the shard's.
        hnsw_config: graph of this vector, None for the shard's.
        memory: where the vectors live.

    Raises:
        ValidationError: `size` is 0.
    """

    __slots__ = (
        "datatype",
        "distance",
        "hnsw_config",
        "memory",
        "multivector_config",
        "on_disk",
        "quantization_config",
        "size",
    )
    __match_args__ = (
        "size",
        "distance",
        "on_disk",
        "multivector_config",
        "datatype",
        "quantization_config",
        "hnsw_config",
        "memory",
    )

    size: int
    distance: Distance
    on_disk: bool | None
    multivector_config: MultiVectorConfig | None
    datatype: VectorStorageDatatype | None
    quantization_config: QuantizationConfig | None
    hnsw_config: HnswIndexConfig | None
    memory: Memory | None

    def __init__(
        self,
        size: int,
        distance: Distance,
        on_disk: bool | None = None,
        multivector_config: MultiVectorConfig | None = None,
        datatype: VectorStorageDatatype | None = None,
        quantization_config: QuantizationConfig | None = None,
        hnsw_config: HnswIndexConfig | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            size=vector_size(size),
            distance=instance(distance, Distance, "distance"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            multivector_config=opt_instance(multivector_config, MultiVectorConfig, "multivector_config"),
            datatype=opt_instance(datatype, VectorStorageDatatype, "datatype"),
            quantization_config=opt_instance(quantization_config, QUANTIZATION_CONFIGS, "quantization_config"),
            hnsw_config=opt_instance(hnsw_config, HnswIndexConfig, "hnsw_config"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class EdgeSparseVectorParams(Model):
    """A sparse vector every point may have.

    Args:
        full_scan_threshold: number of vectors below which everything is compared.
        on_disk: read the index from disk. `memory` overrides it.
        modifier: how query weights are scaled.
        datatype: how weights are stored in the index, float32 if None.
        memory: where the index lives.
    """

    __slots__ = ("datatype", "full_scan_threshold", "memory", "modifier", "on_disk")
    __match_args__ = ("full_scan_threshold", "on_disk", "modifier", "datatype", "memory")

    full_scan_threshold: int | None
    on_disk: bool | None
    modifier: Modifier | None
    datatype: VectorStorageDatatype | None
    memory: Memory | None

    def __init__(
        self,
        full_scan_threshold: int | None = None,
        on_disk: bool | None = None,
        modifier: Modifier | None = None,
        datatype: VectorStorageDatatype | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            full_scan_threshold=opt_u64(full_scan_threshold, "full_scan_threshold"),
            on_disk=opt_boolean(on_disk, "on_disk"),
            modifier=opt_instance(modifier, Modifier, "modifier"),
            datatype=opt_instance(datatype, VectorStorageDatatype, "datatype"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class EdgeOptimizersConfig(Model):
    """When segments are rebuilt.

    Args:
        deleted_threshold: share of deleted vectors from which a segment is rebuilt, 0.2 if None.
        vacuum_min_vector_number: smallest segment rebuilt for that reason, 1000 vectors if None.
        default_segment_number: number of segments aimed at, None or 0 chooses.
        max_segment_size: KiB of vectors a segment may hold, None for 256,000 per thread that builds.
        indexing_threshold: KiB of vectors from which a segment gets its indexes, 0 for never, None for 10,000.
        prevent_unoptimized: kept for servers; nothing goes by it here, as in Qdrant Edge.
    """

    __slots__ = (
        "default_segment_number",
        "deleted_threshold",
        "indexing_threshold",
        "max_segment_size",
        "prevent_unoptimized",
        "vacuum_min_vector_number",
    )
    __match_args__ = (
        "deleted_threshold",
        "vacuum_min_vector_number",
        "default_segment_number",
        "max_segment_size",
        "indexing_threshold",
        "prevent_unoptimized",
    )

    deleted_threshold: float | None
    vacuum_min_vector_number: int | None
    default_segment_number: int | None
    max_segment_size: int | None
    indexing_threshold: int | None
    prevent_unoptimized: bool | None

    def __init__(
        self,
        deleted_threshold: float | None = None,
        vacuum_min_vector_number: int | None = None,
        default_segment_number: int | None = None,
        max_segment_size: int | None = None,
        indexing_threshold: int | None = None,
        prevent_unoptimized: bool | None = None,
    ) -> None:
        put_fields(
            self,
            deleted_threshold=opt_f64(deleted_threshold, "deleted_threshold"),
            vacuum_min_vector_number=opt_u64(vacuum_min_vector_number, "vacuum_min_vector_number"),
            default_segment_number=opt_u64(default_segment_number, "default_segment_number"),
            max_segment_size=opt_u64(max_segment_size, "max_segment_size"),
            indexing_threshold=opt_u64(indexing_threshold, "indexing_threshold"),
            prevent_unoptimized=opt_boolean(prevent_unoptimized, "prevent_unoptimized"),
        )


class EdgeConfig(Model):
    """The configuration of a shard. What is left None is "not specified".

    On loading, such a field keeps what the shard has; a given field replaces the stored one whole.

    Args:
        vectors: one `EdgeVectorParams` for the unnamed vector ``""``, or a dict by vector name.
        sparse_vectors: sparse vectors by name.
        on_disk_payload: read payloads from disk. `payload_memory` overrides it.
        hnsw_config: graph parameters of vectors without their own.
        quantization_config: compression of vectors without their own.
        optimizers: when segments are rebuilt.
        max_search_threads: kept for Qdrant Edge, which makes a pool of so many. Here a search uses its caller's thread
            and, if it is a long scan and no other one runs, further ones up to the environment variable
            ``EDGESHARD_THREADS`` (default: the processors of the process).
        search_pool_core: kept for Qdrant Edge, which pins its pool to that core.
        payload_memory: where payloads live.
        id_tracker_memory: where the id tables of immutable segments live.
        wal_enabled: log updates before they are applied; fixed when a shard is created, None means yes.

    Raises:
        ValidationError: neither `vectors` nor `sparse_vectors` names a vector.
    """

    __slots__ = (
        "_sparse_vectors",
        "_vectors",
        "hnsw_config",
        "id_tracker_memory",
        "max_search_threads",
        "on_disk_payload",
        "optimizers",
        "payload_memory",
        "quantization_config",
        "search_pool_core",
        "wal_enabled",
    )
    __match_args__ = (
        "vectors",
        "sparse_vectors",
        "on_disk_payload",
        "hnsw_config",
        "quantization_config",
        "optimizers",
        "max_search_threads",
        "search_pool_core",
        "payload_memory",
        "id_tracker_memory",
        "wal_enabled",
    )

    _vectors: dict[str, EdgeVectorParams]
    _sparse_vectors: dict[str, EdgeSparseVectorParams]
    on_disk_payload: bool | None
    hnsw_config: HnswIndexConfig | None
    quantization_config: QuantizationConfig | None
    optimizers: EdgeOptimizersConfig | None
    max_search_threads: int | None
    search_pool_core: int | None
    payload_memory: Memory | None
    id_tracker_memory: Memory | None
    wal_enabled: bool | None

    def __init__(
        self,
        vectors: EdgeVectorParams | Mapping[str, EdgeVectorParams] | None = None,
        sparse_vectors: Mapping[str, EdgeSparseVectorParams] | None = None,
        on_disk_payload: bool | None = None,
        hnsw_config: HnswIndexConfig | None = None,
        quantization_config: QuantizationConfig | None = None,
        optimizers: EdgeOptimizersConfig | None = None,
        max_search_threads: int | None = None,
        search_pool_core: int | None = None,
        payload_memory: Memory | None = None,
        id_tracker_memory: Memory | None = None,
        wal_enabled: bool | None = None,
    ) -> None:
        dense = (
            {"": vectors} if isinstance(vectors, EdgeVectorParams) else _by_name(vectors, EdgeVectorParams, "vectors")
        )
        sparse = _by_name(sparse_vectors, EdgeSparseVectorParams, "sparse_vectors")
        if not dense and not sparse:
            raise ArgumentError("EdgeConfig requires at least one of vectors or sparse_vectors to be non-empty")
        put_fields(
            self,
            _vectors=dense,
            _sparse_vectors=sparse,
            on_disk_payload=opt_boolean(on_disk_payload, "on_disk_payload"),
            hnsw_config=opt_instance(hnsw_config, HnswIndexConfig, "hnsw_config"),
            quantization_config=opt_instance(quantization_config, QUANTIZATION_CONFIGS, "quantization_config"),
            optimizers=opt_instance(optimizers, EdgeOptimizersConfig, "optimizers"),
            max_search_threads=opt_u64(max_search_threads, "max_search_threads"),
            search_pool_core=opt_u64(search_pool_core, "search_pool_core"),
            payload_memory=opt_instance(payload_memory, Memory, "payload_memory"),
            id_tracker_memory=opt_instance(id_tracker_memory, Memory, "id_tracker_memory"),
            wal_enabled=opt_boolean(wal_enabled, "wal_enabled"),
        )

    @property
    def vectors(self) -> dict[str, EdgeVectorParams]:
        """Dense vectors by name; a fresh dict."""
        return dict(self._vectors)

    @property
    def sparse_vectors(self) -> dict[str, EdgeSparseVectorParams]:
        """Sparse vectors by name; a fresh dict."""
        return dict(self._sparse_vectors)


def vector_size(size: int) -> int:
    """`size` if a dense vector can have it."""
    if u64(size, "size") == 0:
        raise ValidationError("Validation failed: The vector's dimension cannot be 0")
    return u64(size, "size")


def _by_name(params: Any, kind: type, argument: str) -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise TypeError(f"{argument}: expected a dict of {kind.__name__}, got {type(params).__name__}")
    return {text(name, argument): instance(value, kind, argument) for name, value in params.items()}
