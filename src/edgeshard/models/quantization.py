"""How vectors are compressed for searching."""

from __future__ import annotations

from typing import TypeAlias

from edgeshard.models.base import Model, instance, opt_boolean, opt_f32, opt_instance, put_fields
from edgeshard.models.enums import (
    BinaryQuantizationEncoding,
    BinaryQuantizationQueryEncoding,
    CompressionRatio,
    Memory,
    ScalarType,
    TurboQuantBitSize,
)

__all__ = [
    "QUANTIZATION_CONFIGS",
    "BinaryQuantizationConfig",
    "ProductQuantizationConfig",
    "QuantizationConfig",
    "ScalarQuantizationConfig",
    "TurboQuantQuantizationConfig",
]


class ScalarQuantizationConfig(Model):
    """Components coded as 8-bit integers.

    Args:
        type: the integer type.
        quantile: share of the components the range of the codes covers (float32), None for all.
        always_ram: keep the codes in memory. `memory` overrides it.
        memory: where the codes live.
    """

    __slots__ = ("always_ram", "memory", "quantile", "type")
    __match_args__ = ("type", "quantile", "always_ram", "memory")

    type: ScalarType
    quantile: float | None
    always_ram: bool | None
    memory: Memory | None

    def __init__(
        self,
        type: ScalarType,
        quantile: float | None = None,
        always_ram: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            type=instance(type, ScalarType, "type"),
            quantile=opt_f32(quantile, "quantile"),
            always_ram=opt_boolean(always_ram, "always_ram"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class ProductQuantizationConfig(Model):
    """Groups of components coded as the nearest of 256 centroids.

    Args:
        compression: how many times smaller vectors become.
        always_ram: keep the codes in memory. `memory` overrides it.
        memory: where the codes live.
    """

    __slots__ = ("always_ram", "compression", "memory")
    __match_args__ = ("compression", "always_ram", "memory")

    compression: CompressionRatio
    always_ram: bool | None
    memory: Memory | None

    def __init__(
        self, compression: CompressionRatio, always_ram: bool | None = None, memory: Memory | None = None
    ) -> None:
        put_fields(
            self,
            compression=instance(compression, CompressionRatio, "compression"),
            always_ram=opt_boolean(always_ram, "always_ram"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class BinaryQuantizationConfig(Model):
    """Components coded as one bit or two.

    Args:
        always_ram: keep the codes in memory. `memory` overrides it.
        encoding: bits per component, one if None.
        query_encoding: how queries are coded, None as the stored vectors.
        memory: where the codes live.
    """

    __slots__ = ("always_ram", "encoding", "memory", "query_encoding")
    __match_args__ = ("always_ram", "encoding", "query_encoding", "memory")

    always_ram: bool | None
    encoding: BinaryQuantizationEncoding | None
    query_encoding: BinaryQuantizationQueryEncoding | None
    memory: Memory | None

    def __init__(
        self,
        always_ram: bool | None = None,
        encoding: BinaryQuantizationEncoding | None = None,
        query_encoding: BinaryQuantizationQueryEncoding | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            always_ram=opt_boolean(always_ram, "always_ram"),
            encoding=opt_instance(encoding, BinaryQuantizationEncoding, "encoding"),
            query_encoding=opt_instance(query_encoding, BinaryQuantizationQueryEncoding, "query_encoding"),
            memory=opt_instance(memory, Memory, "memory"),
        )


class TurboQuantQuantizationConfig(Model):
    """Rotated components coded with 1 to 8 bits (TurboQuant, Zandieh et al. 2025).

    Args:
        always_ram: keep the codes in memory. `memory` overrides it.
        bits: bits per component, 4 if None.
        memory: where the codes live.
    """

    __slots__ = ("always_ram", "bits", "memory")
    __match_args__ = ("always_ram", "bits", "memory")

    always_ram: bool | None
    bits: TurboQuantBitSize | None
    memory: Memory | None

    def __init__(
        self,
        always_ram: bool | None = None,
        bits: TurboQuantBitSize | None = None,
        memory: Memory | None = None,
    ) -> None:
        put_fields(
            self,
            always_ram=opt_boolean(always_ram, "always_ram"),
            bits=opt_instance(bits, TurboQuantBitSize, "bits"),
            memory=opt_instance(memory, Memory, "memory"),
        )


QuantizationConfig: TypeAlias = (
    ScalarQuantizationConfig | ProductQuantizationConfig | BinaryQuantizationConfig | TurboQuantQuantizationConfig
)
QUANTIZATION_CONFIGS = (
    ScalarQuantizationConfig,
    ProductQuantizationConfig,
    BinaryQuantizationConfig,
    TurboQuantQuantizationConfig,
)
