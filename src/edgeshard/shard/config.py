"""``edge_config.json``, and how a configuration is put together when a shard is loaded.

Per setting the first that says something wins: the argument of ``load``, the stored file, what the segments imply.
``vectors`` and ``sparse_vectors`` are taken whole. The result must fit the segments. Format: docs/format/config.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeshard.errors import CorruptedError, ValidationError
from edgeshard.models.base import restore
from edgeshard.models.config import (
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    HnswIndexConfig,
    MultiVectorConfig,
)
from edgeshard.models.enums import (
    Distance,
    Memory,
    Modifier,
    MultiVectorComparator,
    VectorStorageDatatype,
)
from edgeshard.models.stored_settings import (
    hnsw_config,
    hnsw_object,
    memory_from_wire,
    memory_to_wire,
    put_given,
    quantization_config,
    quantization_object,
)
from edgeshard.models.wire import from_wire, to_wire
from edgeshard.segment.config import DISTANCES, DenseConfig, SegmentConfig, SparseConfig
from edgeshard.segment.schema import shown_name
from edgeshard.storage import files

FILE = "edge_config.json"
SEAL = "edgeshard_seal"
"""Key that says that no other engine has opened the shard since its checksums were written."""
PAYLOAD_FIELDS = ("on_disk_payload", "payload_memory")
PLAIN_FIELDS = ("on_disk_payload", "max_search_threads", "search_pool_core")
OPTIMIZER_FIELDS = (
    "deleted_threshold",
    "vacuum_min_vector_number",
    "default_segment_number",
    "max_segment_size",
    "indexing_threshold",
    "prevent_unoptimized",
)


def read_config(path: Path) -> EdgeConfig | None:
    """The stored configuration of a shard, None if there is none.

    Raises:
        CorruptedError: the file cannot be read.
    """
    file = path / FILE
    if not file.exists():
        return None
    try:
        return from_object(files.parse_json(files.read_file(file, files.SETTINGS_LIMIT_BYTES)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CorruptedError(file, f"Failed to deserialize {file}: {error}") from error


def write_config(path: Path, config: EdgeConfig, new_seal: str | None = None) -> None:
    """Store a configuration, replacing the file atomically; settings of other engines in it are kept.

    A new shard is given its seal at once, so that the first close need not write the file again for its checksums.
    """
    files.replace_file(path / FILE, encoded(path, config, new_seal))


def encoded(path: Path, config: EdgeConfig, new_seal: str | None = None) -> bytes:
    """What ``edge_config.json`` is to hold, with the settings of other engines that are in it now, and ``new_seal`` if
    there is none."""
    file = path / FILE
    kept: dict[str, Any] = {}
    if file.exists():
        try:
            stored = files.parse_json(file.read_bytes())
            kept = {key: stored[key] for key in ("wal_options", SEAL) if key in stored}
        except (ValueError, TypeError):
            kept = {}
    if new_seal is not None:
        kept.setdefault(SEAL, new_seal)
    return msgspec.json.encode({**to_object(config), **kept})


def wal_options(path: Path) -> dict[str, int]:
    """Sizes of the log that another engine configured, empty if none."""
    file = path / FILE
    if not file.exists():
        return {}
    try:
        options = files.parse_json(files.read_file(file, files.SETTINGS_LIMIT_BYTES)).get("wal_options") or {}
        return {key: value for key, value in options.items() if isinstance(value, int) and value > 0}
    except (ValueError, AttributeError) as error:
        raise CorruptedError(file, f"Failed to deserialize {file}: {error}") from error


def wal_enabled(given: EdgeConfig | None, stored: EdgeConfig | None) -> bool:
    """Whether a shard has a log, which is fixed when it is created.

    Raises:
        ValidationError: the argument of ``load`` says otherwise than the file.
    """
    if stored is None:
        return given is None or given.wal_enabled is not False
    if given is not None and given.wal_enabled is not None and given.wal_enabled != (stored.wal_enabled is not False):
        fixed = stored.wal_enabled is not False
        raise ValidationError(
            "Validation failed: wal_enabled cannot be changed after the shard is created "
            f"(the shard was created with wal_enabled={str(fixed).lower()})"
        )
    return stored.wal_enabled is not False


def merge_config(given: EdgeConfig | None, stored: EdgeConfig | None, segments: Sequence[SegmentConfig]) -> EdgeConfig:
    """The configuration in force.

    Raises:
        ValidationError: it does not fit the segments.
    """
    layers = [layer for layer in (given, stored, derive(segments)) if layer is not None]
    fields: dict[str, Any] = {}
    for field in EdgeConfig.__match_args__:
        empty: Any = {} if field in ("vectors", "sparse_vectors") else None
        values = (getattr(layer, field) for layer in layers)
        fields[field] = next((value for value in values if value != empty), empty)
    for layer in layers:  # the old and the new setting of one thing come from one layer
        if any(getattr(layer, field) is not None for field in PAYLOAD_FIELDS):
            fields.update({field: getattr(layer, field) for field in PAYLOAD_FIELDS})
            break
    config = config_of(fields)
    for segment in segments:
        check_fits(config, segment)
    return config


def config_of(fields: dict[str, Any]) -> EdgeConfig:
    """A configuration from its fields; unlike one that is given, that of a shard may have lost its last vector."""
    if fields["vectors"] or fields["sparse_vectors"]:
        return EdgeConfig(**fields)
    bare = EdgeConfig(**{**fields, "sparse_vectors": {"": EdgeSparseVectorParams()}})
    return restore(EdgeConfig, {**{slot: getattr(bare, slot) for slot in bare._slots}, "_sparse_vectors": {}})


def check_fits(config: EdgeConfig, segment: SegmentConfig) -> None:
    """Refuse a configuration whose vectors are not those of a segment.

    Raises:
        ValidationError: they differ.
    """
    prefix = "config is incompatible with existing segments: "
    for what, wanted, found in (
        ("vectors", config.vectors, segment.vector_data),
        ("sparse vectors", config.sparse_vectors, segment.sparse_vector_data),
    ):
        if set(wanted) != set(found):
            raise ValidationError(f"{prefix}{what} {sorted(wanted)} were given, the segments have {sorted(found)}")
    for name, dense in config.vectors.items():
        stored = segment.vector_data[name]
        for trait, wanted_trait, found_trait in (
            ("size", dense.size, stored.size),
            ("distance", dense.distance.name, Distance(stored.distance).name),
            ("datatype", datatype_name(dense.datatype), stored.datatype or "float32"),
            ("multi-vectors", dense.multivector_config is not None, stored.multi),
        ):
            if wanted_trait != found_trait:
                raise ValidationError(
                    f"{prefix}{shown_name(name)} has {trait} {found_trait}, not {wanted_trait}; it cannot be changed: "
                    "create another shard, or another vector name"
                )
    for name, sparse in config.sparse_vectors.items():
        wanted_idf, found_idf = (
            sparse.modifier == Modifier.Idf,
            segment.sparse_vector_data[name].modifier == "idf",
        )
        if wanted_idf != found_idf:
            raise ValidationError(
                f"{prefix}the idf modifier of sparse vector {name!r} is {found_idf}, not {wanted_idf}"
            )


def datatype_name(datatype: VectorStorageDatatype | None) -> str:
    """How an element type is spelled in files; None is float32."""
    return "float32" if datatype is None else to_wire(datatype)


# --- JSON


def to_object(config: EdgeConfig) -> dict[str, Any]:
    """A configuration as ``edge_config.json`` has it: what was not specified is left out."""
    result: dict[str, Any] = {
        "vectors": {name: _dense_object(params) for name, params in config.vectors.items()},
        "sparse_vectors": {name: _sparse_object(params) for name, params in config.sparse_vectors.items()},
    }
    for field in PLAIN_FIELDS:
        put_given(result, field, getattr(config, field))
    for field in ("payload_memory", "id_tracker_memory"):
        put_given(result, field, memory_to_wire(getattr(config, field)))
    if config.hnsw_config is not None:
        result["hnsw_config"] = hnsw_object(config.hnsw_config)
    if config.quantization_config is not None:
        result["quantization_config"] = quantization_object(config.quantization_config)
    if config.optimizers is not None:
        result["optimizers"] = {field: getattr(config.optimizers, field) for field in OPTIMIZER_FIELDS}
    put_given(result, "wal_enabled", config.wal_enabled)
    return result


def from_object(stored: dict[str, Any]) -> EdgeConfig:
    """A configuration from the content of ``edge_config.json``; unknown keys are ignored."""
    optimizers = stored.get("optimizers")
    if optimizers is not None:
        renamed = {key.removesuffix("_kb"): value for key, value in optimizers.items()}
        optimizers = EdgeOptimizersConfig(**{field: renamed.get(field) for field in OPTIMIZER_FIELDS})
    fields = {
        "vectors": {name: _dense_params(params) for name, params in stored.get("vectors", {}).items()},
        "sparse_vectors": {name: _sparse_params(params) for name, params in stored.get("sparse_vectors", {}).items()},
        "hnsw_config": hnsw_config(stored.get("hnsw_config")),
        "quantization_config": quantization_config(stored.get("quantization_config")),
        "optimizers": optimizers,
        "payload_memory": memory_from_wire(stored.get("payload_memory")),
        "id_tracker_memory": memory_from_wire(stored.get("id_tracker_memory")),
        "wal_enabled": stored.get("wal_enabled"),
    }
    return config_of(fields | {field: stored.get(field) for field in PLAIN_FIELDS})


def _dense_object(params: EdgeVectorParams) -> dict[str, Any]:
    result: dict[str, Any] = {"size": params.size, "distance": DISTANCES[int(params.distance)]}
    put_given(result, "on_disk", params.on_disk)
    if params.multivector_config is not None:
        result["multivector_config"] = {"comparator": to_wire(params.multivector_config.comparator)}
    put_given(result, "datatype", None if params.datatype is None else to_wire(params.datatype))
    if params.quantization_config is not None:
        result["quantization_config"] = quantization_object(params.quantization_config)
    if params.hnsw_config is not None:
        result["hnsw_config"] = hnsw_object(params.hnsw_config)
    put_given(result, "memory", memory_to_wire(params.memory))
    return result


def _dense_params(stored: dict[str, Any]) -> EdgeVectorParams:
    datatype = stored.get("datatype")
    multi = stored.get("multivector_config")
    return EdgeVectorParams(
        size=stored["size"],
        distance=from_wire(Distance, stored["distance"]),
        on_disk=stored.get("on_disk"),
        multivector_config=None if multi is None else MultiVectorConfig(MultiVectorComparator.MaxSim),
        datatype=None if datatype is None else from_wire(VectorStorageDatatype, datatype),
        quantization_config=quantization_config(stored.get("quantization_config")),
        hnsw_config=hnsw_config(stored.get("hnsw_config")),
        memory=memory_from_wire(stored.get("memory")),
    )


def _sparse_object(params: EdgeSparseVectorParams) -> dict[str, Any]:
    result: dict[str, Any] = {}
    put_given(result, "full_scan_threshold", params.full_scan_threshold)
    put_given(result, "on_disk", params.on_disk)
    put_given(result, "modifier", None if params.modifier is None else to_wire(params.modifier))
    put_given(result, "datatype", None if params.datatype is None else to_wire(params.datatype))
    put_given(result, "memory", memory_to_wire(params.memory))
    return result


def _sparse_params(stored: dict[str, Any]) -> EdgeSparseVectorParams:
    modifier, datatype = stored.get("modifier"), stored.get("datatype")
    return EdgeSparseVectorParams(
        full_scan_threshold=stored.get("full_scan_threshold"),
        on_disk=stored.get("on_disk"),
        modifier=None if modifier is None else from_wire(Modifier, modifier),
        datatype=None if datatype is None else from_wire(VectorStorageDatatype, datatype),
        memory=memory_from_wire(stored.get("memory")),
    )


# --- derivation from segments


def derive(segments: Sequence[SegmentConfig]) -> EdgeConfig | None:
    """What the segments imply, None without segments: the vectors of the first, and settings it has."""
    if not segments:
        return None
    first = segments[0]
    in_ram = first.payload_storage_type == "in_ram_mmap"
    fields = dict.fromkeys(EdgeConfig.__match_args__)
    return config_of(
        fields
        | {
            "vectors": {name: _derived_dense(config) for name, config in first.vector_data.items()},
            "sparse_vectors": {name: _derived_sparse(config) for name, config in first.sparse_vector_data.items()},
            "on_disk_payload": not in_ram,
            "payload_memory": Memory.Cached if in_ram else Memory.Cold,
            "hnsw_config": _derived_hnsw(segments),
            "id_tracker_memory": memory_from_wire(first.id_tracker_memory),
        }
    )


def _derived_dense(config: DenseConfig) -> EdgeVectorParams:
    on_disk = config.storage_type in ("ChunkedMmap", "Mmap")
    return EdgeVectorParams(
        size=config.size,
        distance=Distance(config.distance),
        on_disk=on_disk,
        multivector_config=MultiVectorConfig(MultiVectorComparator.MaxSim) if config.multi else None,
        datatype=None if config.datatype is None else from_wire(VectorStorageDatatype, config.datatype),
        quantization_config=quantization_config(config.quantization),
        hnsw_config=None if config.is_plain else hnsw_config(config.index["options"]),
        memory=Memory.Cold if on_disk else Memory.Cached,
    )


def _derived_sparse(config: SparseConfig) -> EdgeSparseVectorParams:
    datatype = config.index.get("datatype")
    return EdgeSparseVectorParams(
        full_scan_threshold=config.index.get("full_scan_threshold"),
        on_disk=config.index["index_type"] == "Mmap",
        modifier=None if config.modifier is None else from_wire(Modifier, config.modifier),
        datatype=None if datatype is None else from_wire(VectorStorageDatatype, datatype),
        memory=memory_from_wire(config.index.get("memory")),
    )


def _derived_hnsw(segments: Sequence[SegmentConfig]) -> HnswIndexConfig | None:
    for segment in segments:
        graphs = [dense.index["options"] for dense in segment.vector_data.values() if not dense.is_plain]
        if graphs and all(graph == graphs[0] for graph in graphs):
            return hnsw_config(graphs[0])
    return None
