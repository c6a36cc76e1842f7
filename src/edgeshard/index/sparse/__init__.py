"""Finding sparse vectors through posting lists by dimension.

In: the sparse vectors of one name, and queries. Out: offsets with dot products, and document frequencies. Files:
``vector_index[-NAME]/`` of optimised segments (``files.py``, docs/format/sparse-index.md); appendable segments keep
their lists in memory only (``build.py``).
"""

from __future__ import annotations

from edgeshard.index.sparse.build import build_index
from edgeshard.index.sparse.files import SparseIndexConfig, open_index, write_index

__all__ = ["SparseIndexConfig", "build_index", "open_index", "write_index"]
