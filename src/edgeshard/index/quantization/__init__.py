"""Compressed copies of vectors, for searching in less memory: scalar, product, binary and TurboQuant codes.

In: rows of a vector storage and a quantization configuration. Out: similarities from codes. Files: ``quantized.*``,
``quantized_data/`` and ``quantized_offsets_data/`` inside ``vector_storage[-NAME]`` (docs/format/quantization.md).
"""

from edgeshard.index.quantization.search import CodeSearch, code_search
from edgeshard.index.quantization.spec import VectorSpec
from edgeshard.index.quantization.vectors import QuantizedVectors

__all__ = ["CodeSearch", "QuantizedVectors", "VectorSpec", "code_search"]
