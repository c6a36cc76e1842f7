"""Giving a sparse field the index its segment was built with."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from edgeshard.errors import CorruptedError
from edgeshard.index.sparse.build import build_index
from edgeshard.segment.sparse_field import SparseField
from edgeshard.storage.id_tracker import IdTracker


def prepare_index(
    field: SparseField, directory: Path, options: dict[str, Any], ids: IdTracker, read_only: bool
) -> None:
    """Open the compressed index of a field, or arrange for lists in memory.

    An index that is missing or damaged is written anew from the stored vectors (unless ``read_only``), with a
    warning: it is derived data, and Qdrant does the same when its version file is missing.

    Args:
        field: the sparse vectors.
        directory: where the index is.
        options: ``index`` of the vector in ``segment.json``.
        ids: the points of the segment.
        read_only: change no file.

    Raises:
        CorruptedError: ``segment.json`` asks for an index that does not exist.
    """
    dead = ids.deleted_mask()
    if dead.any():
        field.dead = dead.copy()
    threshold = options.get("full_scan_threshold")
    if type(threshold) is int:
        field.threshold = threshold
    if options["index_type"] == "MutableRam":
        return
    from edgeshard.index.sparse.files import SparseIndexConfig, open_index, write_index

    try:
        config = SparseIndexConfig.from_object(options)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptedError(directory.parent / "segment.json", str(error)) from error
    try:
        field.use_index(directory, *open_index(directory, ids.total))
    except CorruptedError as error:
        warnings.warn(f"{error}; the index is rebuilt from the stored vectors", RuntimeWarning, stacklevel=2)
        if read_only:
            return
        write_index(directory, build_index(field.storage, ids.total, field.dead), config)
        field.use_index(directory, *open_index(directory, ids.total))
