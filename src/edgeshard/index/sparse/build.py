"""Posting lists built from the vectors a segment stores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.storage.sparse import SparseStorage

BLOCK = 8192
"""Points read at a time: what bounds the memory beside the lists themselves."""


def build_index(
    storage: SparseStorage, count: int, skipped: npt.NDArray[np.bool_] | None = None
) -> _native.PlainSparseIndex:
    """Posting lists in memory over the first ``count`` offsets.

    Args:
        storage: the vectors.
        count: offsets of the segment.
        skipped: ``(m,)`` with m <= count, True for offsets to leave out.
    """
    index = _native.PlainSparseIndex()
    for start in range(0, count, BLOCK):
        offsets = np.arange(start, min(start + BLOCK, count), dtype=np.uint32)
        if skipped is not None:
            gone = skipped[start : start + BLOCK]
            offsets = np.concatenate([offsets[: len(gone)][~gone], offsets[len(gone) :]])
        if len(offsets):
            index.put(offsets, *storage.csr(offsets))
    return index
