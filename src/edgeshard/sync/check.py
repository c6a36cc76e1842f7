"""Whether the vectors of a collection are those of a shard, before anything is transferred."""

from __future__ import annotations

from typing import Any

from edgeshard import EdgeConfig, SyncError, VectorStorageDatatype
from edgeshard.sync.client import understood


def check_collection(config: EdgeConfig, params: dict[str, Any]) -> None:
    """Compare a shard's configuration with the ``config.params`` of a collection.

    Raises:
        SyncError: they differ; trying again does not help.
    """
    with understood():
        theirs = params.get("vectors") or {}
        if "size" in theirs and not isinstance(theirs["size"], dict):
            theirs = {"": theirs}
        wanted = {name: _traits(vector) for name, vector in theirs.items()}
        sparse = set(params.get("sparse_vectors") or {})
    have = {
        name: (
            vector.size,
            vector.distance.name,
            (vector.datatype or VectorStorageDatatype.Float32).name.lower(),
            vector.multivector_config is not None,
        )
        for name, vector in config.vectors.items()
    }
    have_sparse = set(config.sparse_vectors)
    if wanted != have or sparse != have_sparse:
        raise SyncError(
            "the collection holds other vectors than the shard: (size, distance, datatype, multivector) are "
            f"{wanted} there and {have} here, sparse vectors {sorted(sparse)} and {sorted(have_sparse)}",
            retryable=False,
        )


def _traits(vector: dict[str, Any]) -> tuple[int, str, str, bool]:
    return (
        vector["size"],
        vector["distance"],
        vector.get("datatype") or "float32",
        vector.get("multivector_config") is not None,
    )
