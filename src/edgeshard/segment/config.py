"""``segment.json`` and ``version.info``: what a segment stores and how, and that it is complete.

Format: docs/format/config.md. Unknown keys are ignored when reading. Older forms of the file are migrated in memory;
the directory is rewritten only by a flush.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.models.config import EdgeSparseVectorParams
from edgeshard.models.enums import Memory, Modifier, MultiVectorComparator, VectorStorageDatatype
from edgeshard.models.stored_settings import hnsw_config, quantization_config
from edgeshard.models.wire import from_wire
from edgeshard.storage import files
from edgeshard.storage.chunked import CHUNK_BYTES

VERSION = (0, 6, 0)
VERSION_FILE = "version.info"
SEGMENT_FILE = "segment.json"
DISTANCES = ("Cosine", "Euclid", "Dot", "Manhattan")
"""Names by distance code."""
APPENDABLE_STORAGE = ("ChunkedMmap", "InRamChunkedMmap")
DENSE_STORAGE = (*APPENDABLE_STORAGE, "Mmap", "InRamMmap", "GraphInline", "Empty")
SPARSE_STORAGE = ("mmap", "empty")
DATATYPES = ("float32", "float16", "uint8", "turbo4", "turbo8", "turbo16")
_COMPONENT_BYTES = {"float16": 2, "uint8": 1}
"""Of the datatypes that take less than 4 bytes; what turbo codes take is not counted."""
PLAIN: dict[str, Any] = {"type": "plain", "options": {}}


class DenseConfig:
    """One dense or multi-vector name.

    Args:
        size: dimension.
        distance: distance code.
        storage_type: one of :data:`DENSE_STORAGE`.
        index: ``{"type": "plain" | "hnsw", "options": {..}}``.
        quantization: its JSON object, or None.
        multi: whether points have several rows.
        datatype: element type, None meaning float32.
    """

    __slots__ = ("datatype", "distance", "index", "multi", "quantization", "size", "storage_type")

    def __init__(
        self,
        size: int,
        distance: int,
        storage_type: str,
        index: dict[str, Any] | None = None,
        quantization: dict[str, Any] | None = None,
        multi: bool = False,
        datatype: str | None = None,
    ) -> None:
        self.size = size
        self.distance = distance
        self.storage_type = storage_type
        self.index = index or PLAIN
        self.quantization = quantization
        self.multi = multi
        self.datatype = datatype

    @property
    def is_plain(self) -> bool:
        """Whether there is no graph."""
        return bool(self.index["type"] == "plain")

    def to_object(self) -> dict[str, Any]:
        """As ``segment.json`` has it."""
        result: dict[str, Any] = {
            "size": self.size,
            "distance": DISTANCES[self.distance],
            "storage_type": self.storage_type,
            "index": self.index,
            "quantization_config": self.quantization,
        }
        if self.multi:
            result["multivector_config"] = {"comparator": "max_sim"}
        if self.datatype is not None:
            result["datatype"] = self.datatype
        return result


class SparseConfig:
    """One sparse vector name.

    Args:
        index: ``{"full_scan_threshold", "index_type", "datatype"?, "memory"?}``.
        modifier: ``"idf"``, ``"none"`` or None.
        storage_type: ``"mmap"`` or ``"empty"``.
    """

    __slots__ = ("index", "modifier", "storage_type")

    def __init__(self, index: dict[str, Any], modifier: str | None = None, storage_type: str = "mmap") -> None:
        self.index = index
        self.modifier = modifier
        self.storage_type = storage_type

    def to_object(self) -> dict[str, Any]:
        """As ``segment.json`` has it."""
        result: dict[str, Any] = {"index": self.index, "storage_type": self.storage_type}
        if self.modifier is not None:
            result["modifier"] = self.modifier
        return result


class SegmentConfig:
    """The content of ``segment.json``.

    Args:
        vector_data: dense and multi-vectors by name.
        sparse_vector_data: sparse vectors by name.
        payload_storage_type: ``"mmap"`` or ``"in_ram_mmap"``.
        id_tracker_memory: ``"cold"``, ``"cached"``, ``"pinned"`` or None.
        initial_version: operation the segment was built at, None for segments created empty.
        version: highest operation whose changes are durable, None if it was never written.
    """

    __slots__ = (
        "id_tracker_memory",
        "initial_version",
        "payload_storage_type",
        "sparse_vector_data",
        "vector_data",
        "version",
    )

    def __init__(
        self,
        vector_data: dict[str, DenseConfig],
        sparse_vector_data: dict[str, SparseConfig],
        payload_storage_type: str = "mmap",
        id_tracker_memory: str | None = None,
        initial_version: int | None = None,
        version: int | None = None,
    ) -> None:
        self.vector_data = vector_data
        self.sparse_vector_data = sparse_vector_data
        self.payload_storage_type = payload_storage_type
        self.id_tracker_memory = id_tracker_memory
        self.initial_version = initial_version
        self.version = version

    @property
    def appendable(self) -> bool:
        """Whether new points may go here: every vector is kept in a form that grows."""
        dense = all(
            config.is_plain and config.storage_type in APPENDABLE_STORAGE for config in self.vector_data.values()
        )
        sparse = (config.index.get("index_type") for config in self.sparse_vector_data.values())
        return dense and all(index_type == "MutableRam" for index_type in sparse)

    def to_json(self) -> bytes:
        """As ``segment.json`` has it."""
        config: dict[str, Any] = {"vector_data": {name: dense.to_object() for name, dense in self.vector_data.items()}}
        if self.sparse_vector_data:
            config["sparse_vector_data"] = {
                name: sparse.to_object() for name, sparse in self.sparse_vector_data.items()
            }
        config["payload_storage_type"] = {"type": self.payload_storage_type}
        if self.id_tracker_memory is not None:
            config["id_tracker_memory"] = self.id_tracker_memory
        return msgspec.json.encode({"initial_version": self.initial_version, "version": self.version, "config": config})


def read_segment_config(path: Path, *, complete: bool = True) -> SegmentConfig:
    """The configuration of a segment directory.

    Args:
        path: the segment.
        complete: demand ``version.info``.

    Raises:
        CorruptedError: a file is missing or cannot be read.
        StorageError: the segment was written by a newer version.
    """
    version = read_version(path) if complete else VERSION
    file = path / SEGMENT_FILE
    data = files.read_file(file, files.SETTINGS_LIMIT_BYTES)
    try:
        state = files.parse_json(data)
        if version < VERSION:
            state = _migrated(state)
        return _parse(state)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CorruptedError(file, f"failed to load segment: {type(error).__name__}: {error}") from error


def read_version(path: Path) -> tuple[int, ...]:
    """The format version of a segment.

    Raises:
        CorruptedError: the file is missing or no version.
        StorageError: it is newer than this program.
    """
    file = path / VERSION_FILE
    text = files.read_file(file, 64).decode("ascii", "replace").strip()
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise CorruptedError(file, f"Can't parse version from {text!r}")
    version = tuple(map(int, parts))
    if version > VERSION:
        raise StorageError(
            f"Data version {text} is newer than application version {'.'.join(map(str, VERSION))}. "
            f"Please upgrade to open {path}"
        )
    if version < (0, 3, 0):
        raise StorageError(f"{file}: segments of version {text} are too old to open; rewrite them with Qdrant 1.x")
    return version


def write_version(path: Path) -> None:
    """Mark a segment as complete; everything else in it must be durable before."""
    files.replace_file(path / VERSION_FILE, ".".join(map(str, VERSION)).encode())


def most_components(datatype: str | None) -> int:
    """Components of the longest vector that fits a file of its storage."""
    return CHUNK_BYTES // _COMPONENT_BYTES.get(datatype or "float32", 4)


def _parse(state: dict[str, Any]) -> SegmentConfig:
    config = state["config"]
    payload = config.get("payload_storage_type", {"type": "mmap"})["type"]
    if payload not in ("mmap", "in_ram_mmap"):
        raise ValueError(f"payload storage {payload!r} is not supported")
    id_tracker_memory = config.get("id_tracker_memory")
    if id_tracker_memory not in (None, "cold", "cached", "pinned"):
        raise ValueError(f"id tracker placement {id_tracker_memory!r} is not supported")
    for name in (*config.get("vector_data", {}), *config.get("sparse_vector_data", {})):
        if "\0" in name or ".." in name.split("/"):
            raise ValueError(f"the vector name {name!r} leads out of the segment")
    return SegmentConfig(
        {name: _parse_dense(dense) for name, dense in config.get("vector_data", {}).items()},
        {name: _parse_sparse(sparse) for name, sparse in config.get("sparse_vector_data", {}).items()},
        payload,
        id_tracker_memory,
        _number(state.get("initial_version")),
        _number(state.get("version")),
    )


def _parse_dense(dense: dict[str, Any]) -> DenseConfig:
    storage_type, datatype = dense["storage_type"], dense.get("datatype")
    if storage_type not in DENSE_STORAGE:
        raise ValueError(f"vector storage {storage_type!r} is not supported")
    if datatype is not None and datatype not in DATATYPES:
        raise ValueError(f"datatype {datatype!r} is not supported")
    size = dense["size"]
    if type(size) is not int or not 0 < size <= most_components(datatype):
        raise ValueError(f"vector size {size!r} is out of range")
    index, quantization, multi = dense["index"], dense.get("quantization_config"), dense.get("multivector_config")
    if index["type"] not in ("plain", "hnsw"):
        raise ValueError(f"index {index['type']!r} is not supported")
    if index["type"] == "hnsw" and hnsw_config(index["options"]) is None:
        raise ValueError("a graph has no options")
    quantization_config(quantization)
    if multi is not None:
        from_wire(MultiVectorComparator, multi["comparator"])
    return DenseConfig(
        size, DISTANCES.index(dense["distance"]), storage_type, index, quantization, multi is not None, datatype
    )


def _parse_sparse(sparse: dict[str, Any]) -> SparseConfig:
    index, modifier, storage_type = sparse["index"], sparse.get("modifier"), sparse.get("storage_type", "mmap")
    if index["index_type"] not in ("MutableRam", "ImmutableRam", "Mmap"):
        raise ValueError(f"sparse index {index['index_type']!r} is not supported")
    if storage_type not in SPARSE_STORAGE:
        raise ValueError(f"sparse vector storage {storage_type!r} is not supported")
    EdgeSparseVectorParams(full_scan_threshold=index.get("full_scan_threshold"))
    for cls, spelling in (
        (VectorStorageDatatype, index.get("datatype")),
        (Memory, index.get("memory")),
        (Modifier, modifier),
    ):
        if spelling is not None:
            from_wire(cls, spelling)
    return SparseConfig(index, modifier, storage_type)


def _number(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < 2**64):
        raise ValueError(f"version {value!r} is out of range")
    return value


def _migrated(state: dict[str, Any]) -> dict[str, Any]:
    """A configuration of versions 0.3 to 0.5 in today's form."""
    config = state["config"]
    index = config["index"]
    names = config.get("vector_data") or {"": {"size": config["vector_size"], "distance": config["distance"]}}
    storage = config.get("storage_type", {"type": "in_memory"})["type"]
    vectors = {}
    for name, old in names.items():
        options = old.get("hnsw_config")
        on_disk = old.get("on_disk", storage == "mmap")
        if not on_disk:
            raise ValueError("vectors kept in RocksDB are not supported; rewrite the segment with Qdrant 1.x")
        vectors[name] = {
            "size": old["size"],
            "distance": old["distance"],
            "storage_type": "Mmap",
            "index": {"type": "hnsw", "options": options} if options else index,
            "quantization_config": old.get("quantization_config") if config.get("quantization_config") else None,
        }
    return {
        "initial_version": None,
        "version": state.get("version"),
        "config": {
            "vector_data": vectors,
            "payload_storage_type": config.get("payload_storage_type", {"type": "mmap"}),
        },
    }
