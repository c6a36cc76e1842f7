"""Building the inverted indexes of a segment whose sparse vectors are already in their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeshard.errors import CancelledError
from edgeshard.index.sparse import SparseIndexConfig, build_index, write_index
from edgeshard.segment.config import SegmentConfig
from edgeshard.segment.fields import vector_directory
from edgeshard.segment.graph_field import index_directory
from edgeshard.storage.sparse import SparseStorage


def build_sparse_indexes(
    directory: Path,
    config: SegmentConfig,
    points: int,
    *,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Write ``vector_index*`` for every sparse vector the configuration gives a compressed index.

    Args:
        directory: the segment being built.
        config: what it is made of.
        points: offsets of the segment.
        progress: told when an index is begun.
        cancelled: asked before each.

    Raises:
        CancelledError: ``cancelled`` said so.
        StorageError: the disk refused.
    """
    for name, sparse in config.sparse_vector_data.items():
        if sparse.index["index_type"] == "MutableRam":
            continue
        if cancelled():
            raise CancelledError("the optimisation was cancelled; the shard is as it was")
        progress(f"sparse index {name}".rstrip(), 0.0)
        storage = SparseStorage.open(vector_directory(directory, name), read_only=True)
        try:
            write_index(
                index_directory(directory, name),
                build_index(storage, points),
                SparseIndexConfig.from_object(sparse.index),
            )
        finally:
            storage.close()
