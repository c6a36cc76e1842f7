"""Settings of graphs and quantization as ``edge_config.json`` and ``segment.json`` hold them.

Format: docs/format/config.md. Reading raises AttributeError, KeyError, OverflowError, TypeError or
ValueError for what is no setting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshard.models.config import HnswIndexConfig
from edgeshard.models.enums import (
    BinaryQuantizationEncoding,
    BinaryQuantizationQueryEncoding,
    CompressionRatio,
    Memory,
    ScalarType,
    TurboQuantBitSize,
)
from edgeshard.models.quantization import (
    BinaryQuantizationConfig,
    ProductQuantizationConfig,
    ScalarQuantizationConfig,
    TurboQuantQuantizationConfig,
)
from edgeshard.models.wire import from_wire, to_wire

_HNSW_FIELDS = tuple(field for field in HnswIndexConfig.__match_args__ if field != "memory")
"""Those written as they are; the placement is spelled differently."""


def hnsw_object(config: HnswIndexConfig) -> dict[str, Any]:
    """Graph parameters as JSON."""
    result = {field: getattr(config, field) for field in _HNSW_FIELDS if getattr(config, field) is not None}
    put_given(result, "memory", memory_to_wire(config.memory))
    return result


def hnsw_config(stored: dict[str, Any] | None) -> HnswIndexConfig | None:
    """Graph parameters from JSON."""
    if stored is None:
        return None
    fields = {field: stored[field] for field in _HNSW_FIELDS if field in stored}
    return HnswIndexConfig(**fields, memory=memory_from_wire(stored.get("memory")))


_QUANTIZATION: dict[str, tuple[type, dict[str, type]]] = {
    "scalar": (ScalarQuantizationConfig, {"type": ScalarType}),
    "product": (ProductQuantizationConfig, {"compression": CompressionRatio}),
    "binary": (
        BinaryQuantizationConfig,
        {"encoding": BinaryQuantizationEncoding, "query_encoding": BinaryQuantizationQueryEncoding},
    ),
    "turbo": (TurboQuantQuantizationConfig, {"bits": TurboQuantBitSize}),
}


def quantization_object(config: Any) -> dict[str, Any]:
    """A quantization setting as JSON: ``{kind: {..}}`` with what was specified."""
    for kind, (cls, enums) in _QUANTIZATION.items():
        if isinstance(config, cls):
            inner: dict[str, Any] = {}
            for field in cls.__match_args__:  # type: ignore[attr-defined]
                value = getattr(config, field)
                if value is not None and (field in enums or field == "memory"):
                    value = to_wire(value)
                elif isinstance(value, float):
                    value = _shortest(value)
                put_given(inner, field, value)
            return {kind: inner}
    raise TypeError(f"not a quantization setting: {config!r}")


def quantization_config(stored: dict[str, Any] | None) -> Any:
    """A quantization setting from JSON."""
    if stored is None:
        return None
    ((kind, inner),) = stored.items()
    cls, enums = _QUANTIZATION[kind]
    fields: dict[str, Any] = {}
    for field in cls.__match_args__:  # type: ignore[attr-defined]
        value = inner.get(field)
        if value is not None and field in enums:
            value = from_wire(enums[field], value)
        fields[field] = memory_from_wire(value) if field == "memory" else value
    return cls(**fields)


def _shortest(value: float) -> float:
    """A float32 as the float with the fewest digits that reads back as it: 0.99, not 0.9900000095367432."""
    return float(str(np.float32(value)))


def memory_to_wire(memory: Memory | None) -> str | None:
    """The spelling of a placement, None if none is given."""
    return None if memory is None else to_wire(memory)


def memory_from_wire(stored: str | None) -> Memory | None:
    """The placement that is spelled so, None if none is given."""
    return None if stored is None else from_wire(Memory, stored)


def put_given(target: dict[str, Any], key: str, value: Any) -> None:
    """Add a setting that was given."""
    if value is not None:
        target[key] = value
