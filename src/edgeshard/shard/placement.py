"""Where the parts of a segment are kept: ``Memory`` settings carried out.

=========  =========================================  ==================================  ============================
placement  vectors                                    links of graphs                     payloads
=========  =========================================  ==================================  ============================
Cold       mapped, read page by page, no byte codes   mapped                              mapped
Cached     mapped, fetched into the system's cache    mapped                              mapped
Pinned     locked in memory (optimised segments)      unpacked into memory                as Cached
=========  =========================================  ==================================  ============================

Files that change are mapped copy-on-write and cannot be locked without being copied: vectors of appendable segments
that are Pinned are kept as Cached ones. So are the vectors inside graph files.
"""

from __future__ import annotations

from pathlib import Path

from edgeshard.errors import MemoryPlacementWarning, warn_caller
from edgeshard.index import kept_codes
from edgeshard.index.kept_codes import Shelf
from edgeshard.models.config import EdgeConfig, EdgeVectorParams
from edgeshard.models.enums import Memory
from edgeshard.segment.fields import DenseField, vector_directory
from edgeshard.segment.graph_field import Graph
from edgeshard.segment.segment import Segment
from edgeshard.storage.dense import MatrixDense


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
