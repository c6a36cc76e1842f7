"""Finding points: by vector (flat, HNSW, sparse, quantized) and by payload value (``payload``).

In: rows of a storage or payloads of a segment, and queries or conditions. Out: offsets with similarities, or masks.
Everything here is derived and can be built again. Files: ``vector_index*``, ``quantized*``, the directories of
``payload_index``, and ``edgeshard.codes`` in the shard's root.
"""
