"""Finding the nearest vectors by walking a graph (HNSW).

In: the vectors of one name (chunks of a storage), which points are alive, and parameters. Out: offsets and
similarities. Files: ``vector_index[-NAME]/`` with ``hnsw_config.json``, ``graph.bin`` and one of
``links_compressed.bin``, ``links_comp_vec.bin``, ``links.bin``; see ``docs/format/hnsw.md``.
"""

from __future__ import annotations

from edgeshard.index.hnsw.config import HnswConfig
from edgeshard.index.hnsw.graph import HnswGraph

__all__ = ["HnswConfig", "HnswGraph"]
