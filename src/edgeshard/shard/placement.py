"""Where the parts of a segment are kept: ``Memory`` settings carried out.

=========  =========================================  =====================  ==========================================
placement  vectors                                    links of graphs        payloads, and payload indexes on disk
=========  =========================================  =====================  ==========================================
Cold       mapped, read page by page, no codes        mapped                 mapped; payloads are read page by page
Cached     mapped, fetched into the system's cache    mapped                 mapped, fetched into the system's cache
Pinned     locked in memory (optimised segments)      unpacked into memory   locked in memory as far as they reach when
                                                                             the segment is opened
=========  =========================================  =====================  ==========================================

=========  ==============================================  ====================================================
placement  posting lists of sparse vectors                 ids of optimised segments
=========  ==============================================  ====================================================
Cold       mapped                                          mapped, read page by page
Cached     mapped, fetched into the system's cache         mapped, fetched into the system's cache
Pinned     locked in memory                                read into tables in memory
=========  ==============================================  ====================================================

Without a setting payloads and their indexes are mapped, and the system decides; posting lists are fetched, and ids are
read into memory. Which files hold the ids is decided when a segment is built, the rest whenever it is opened. Vectors
of appendable segments are mapped copy-on-write and would have to be copied to be locked: those that are Pinned are kept
as Cached ones. So are the vectors inside graph files.
"""

from __future__ import annotations

from pathlib import Path

from edgeshard.errors import MemoryPlacementWarning, warn_caller
from edgeshard.index import kept_codes
from edgeshard.index.kept_codes import Shelf
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.models.config import EdgeConfig, EdgeVectorParams
from edgeshard.models.enums import Memory
from edgeshard.segment.fields import DenseField, vector_directory
from edgeshard.segment.graph_field import Graph, index_directory
from edgeshard.segment.segment import Segment
from edgeshard.segment.sparse_field import SparseField
from edgeshard.storage import residency
from edgeshard.storage.dense import MatrixDense
from edgeshard.storage.id_tracker import DiskIdTracker


def place(segment: Segment, config: EdgeConfig) -> None:
    """Carry out the placement of the vectors and graphs of a segment that was just opened.

    Args:
        segment: the segment.
        config: of the shard.
    """
    for name, params in config.vectors.items():
        field = segment.fields.get(name)
        graph: Graph | None = getattr(field, "graph", None)
        if graph is not None:
            graph.pinned = _memory_of_links(config, params) == Memory.Pinned
            graph.cold = memory_of_codes(config, params) == Memory.Cold
        if isinstance(field, DenseField):
            _place_rows(field, name, memory_of(params))
    _place_payloads(segment, config)
    _place_payload_indexes(segment)
    _place_posting_lists(segment, config)
    _place_ids(segment, config)


def keep_codes(segment: Segment, root: Path, *, writable: bool) -> None:
    """Tell the vectors of an immutable segment where their codes are kept.

    Args:
        segment: the segment.
        root: the shard that has them.
        writable: whether more may be written there.
    """
    if segment.appendable:
        return
    for name, field in segment.fields.items():
        if isinstance(field, DenseField) and isinstance(field.storage, MatrixDense):
            directory = vector_directory(segment.path, name).name
            shelf = Shelf(root / kept_codes.NAME / segment.name, directory, writable=writable)
            field.flat.shelf = shelf
            if hasattr(field, "graph"):
                field.graph.shelf = shelf


def _place_payloads(segment: Segment, config: EdgeConfig) -> None:
    memory = config.payload_memory
    if memory is None and config.on_disk_payload is not None:
        memory = Memory.Cold if config.on_disk_payload else Memory.Cached
    if memory == Memory.Cold:
        segment.payload.expect_scattered_reads()
    elif memory is not None:
        _hold(segment, segment.payload.page_files(), memory, "payloads are")


def _place_payload_indexes(segment: Segment) -> None:
    """Indexes of optimised segments are mapped when they are first used; appendable segments keep them in memory."""
    if segment.appendable:
        return
    for path, stored in segment.indexes.schema.items():
        options = {} if isinstance(stored, str) else stored
        if options.get("memory") not in ("cached", "pinned"):
            continue
        directories = (segment.indexes.path / name for name in FieldSchema(path, stored).directories)
        found = [file for one in directories if one.is_dir() for file in sorted(one.iterdir()) if file.is_file()]
        memory = Memory.Pinned if options["memory"] == "pinned" else Memory.Cached
        _hold(segment, found, memory, f"the payload index of {path!r} is")


def _place_posting_lists(segment: Segment, config: EdgeConfig) -> None:
    if not config.sparse_vectors:
        return
    from edgeshard.index.sparse.files import LISTS

    for name, params in config.sparse_vectors.items():
        field = segment.fields.get(name)
        if not isinstance(field, SparseField) or not field.packed:
            continue
        memory = params.memory
        if memory is None:
            memory = Memory.Cold if params.on_disk else Memory.Cached
        if memory != Memory.Cold:
            lists = [index_directory(segment.path, name) / LISTS]
            _hold(segment, lists, memory, f"the index of the sparse vectors {name!r} is")


def _place_ids(segment: Segment, config: EdgeConfig) -> None:
    if isinstance(segment.ids, DiskIdTracker):
        if config.id_tracker_memory in (Memory.Cached, Memory.Pinned):
            segment.ids.fetch_ahead()
        else:
            segment.ids.expect_scattered_reads()


def _hold(segment: Segment, paths: list[Path], memory: Memory, what: str) -> None:
    """Fetch files, and lock them if they are Pinned."""
    residency.fetch(paths)
    if memory != Memory.Pinned:
        return
    locked = residency.LockedFiles(paths)
    segment.locked.append(locked)
    if locked.refused:
        warn_caller(
            f"the system refused to keep the {locked.size / 1e6:.1f} MB of {segment.path} in memory, where {what} "
            "configured to be (Memory.Pinned): they are cached instead. Raise the limit of locked memory (ulimit -l), "
            "or configure Memory.Cached",
            MemoryPlacementWarning,
        )


def memory_of(params: EdgeVectorParams) -> Memory:
    """Where the vectors of a name are kept."""
    if params.memory is not None:
        return params.memory
    return Memory.Cold if params.on_disk else Memory.Cached


def memory_of_codes(config: EdgeConfig, params: EdgeVectorParams) -> Memory:
    """Where the quantized codes of a name are kept: where they are configured to be, or else where the vectors are."""
    quantization = params.quantization_config or config.quantization_config
    if quantization is None:
        return memory_of(params)
    if quantization.memory is not None:
        return Memory(quantization.memory)
    return Memory.Pinned if quantization.always_ram else memory_of(params)


def _memory_of_links(config: EdgeConfig, params: EdgeVectorParams) -> Memory:
    chosen = params.hnsw_config or config.hnsw_config
    if chosen is None or chosen.memory is None:
        return Memory.Cold if chosen is not None and chosen.on_disk else Memory.Cached
    return chosen.memory


def _place_rows(field: DenseField, name: str, memory: Memory) -> None:
    field.flat.cold = memory == Memory.Cold
    file = field.storage.file if isinstance(field.storage, MatrixDense) else None
    if file is None:
        return
    if memory == Memory.Cold:
        file.expect_scattered_reads()
    elif memory == Memory.Cached:
        file.fetch_ahead()
    elif not file.pin():
        file.fetch_ahead()
        warn_caller(
            f"the system refused to keep the {file.size / 1e6:.0f} MB of {file.path} in memory, where vectors "
            f"{name!r} are configured to be (Memory.Pinned): they are cached instead. Raise the limit of locked memory "
            "(ulimit -l), or configure Memory.Cached",
            MemoryPlacementWarning,
        )
