"""The enumerations, members in the order of their ordinals; ``int(member)`` is the ordinal."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "BinaryQuantizationEncoding",
    "BinaryQuantizationQueryEncoding",
    "CompressionRatio",
    "DecayKind",
    "Direction",
    "Distance",
    "Language",
    "Memory",
    "Modifier",
    "MultiVectorComparator",
    "PayloadSchemaType",
    "Sample",
    "ScalarType",
    "SnowballLanguage",
    "TextScoringType",
    "TokenizerType",
    "TurboQuantBitSize",
    "UpdateMode",
    "VectorStorageDatatype",
]


class _Ordinal(Enum):
    """An enumeration whose members convert to their ordinal and print as ``Class.Member``."""

    def __init_subclass__(cls) -> None:
        cls.__module__ = "edgeshard"

    def __int__(self) -> int:
        return int(self.value)

    def __repr__(self) -> str:
        name = self.name
        return f"{type(self).__name__}.{name}" if name != "None" else f"getattr({type(self).__name__}, 'None')"

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __copy__(self) -> _Ordinal:
        return self


class _IntLike(_Ordinal):
    """An enumeration whose members also equal their ordinal."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return bool(self.value == other)
        return self is other

    def __hash__(self) -> int:
        return hash(self.value)


class Distance(_Ordinal):
    """How vectors are compared: cosine, Euclidean distance, dot product, Manhattan distance."""

    Cosine = 0
    Euclid = 1
    Dot = 2
    Manhattan = 3


class VectorStorageDatatype(_Ordinal):
    """How a component of a vector is stored; the Turbo types are lossy codes of 4, 8 and 16 bits."""

    Float32 = 0
    Float16 = 1
    Uint8 = 2
    Turbo4 = 3
    Turbo8 = 4
    Turbo16 = 5


class MultiVectorComparator(_Ordinal):
    """How two multi-vectors are compared; MaxSim adds up each query row's best similarity."""

    MaxSim = 0


class Memory(_IntLike):
    """Where a component lives: read from disk when needed, cached, or kept in memory."""

    Cold = 0
    Cached = 1
    Pinned = 2


class Modifier(_Ordinal):
    """How sparse query weights are scaled: ``getattr(Modifier, "None")`` not at all, Idf by rarity."""

    locals()["None"] = 0  # a keyword cannot be assigned
    Idf = 1


class ScalarType(_Ordinal):
    """The type scalar quantization codes components as."""

    Int8 = 0


class CompressionRatio(_Ordinal):
    """How many times smaller product quantization makes vectors."""

    X4 = 0
    X8 = 1
    X16 = 2
    X32 = 3
    X64 = 4


class BinaryQuantizationEncoding(_Ordinal):
    """Bits per component of binary quantization."""

    OneBit = 0
    TwoBits = 1
    OneAndHalfBits = 2


class BinaryQuantizationQueryEncoding(_Ordinal):
    """How a query is coded against binary codes."""

    Default = 0
    Binary = 1
    Scalar4Bits = 2
    Scalar8Bits = 3


class TurboQuantBitSize(_Ordinal):
    """Bits per component of TurboQuant codes."""

    Bits1 = 0
    Bits1_5 = 1
    Bits2 = 2
    Bits4 = 3
    Bits8 = 4


class UpdateMode(_IntLike):
    """Which points an upsert writes: all, only new ones, only existing ones."""

    Upsert = 0
    InsertOnly = 1
    UpdateOnly = 2


class Direction(_Ordinal):
    """Ascending or descending order."""

    Asc = 0
    Desc = 1


class Sample(_Ordinal):
    """How to sample points."""

    Random = 0


class DecayKind(_Ordinal):
    """The shape of a decay: linear, Gaussian, exponential."""

    Lin = 0
    Gauss = 1
    Exp = 2


class PayloadSchemaType(_Ordinal):
    """The type of a payload index."""

    Keyword = 0
    Integer = 1
    Float = 2
    Geo = 3
    Text = 4
    Bool = 5
    Datetime = 6
    Uuid = 7


class TextScoringType(_Ordinal):
    """How a text index ranks documents."""

    Bm25 = 0


class TokenizerType(_Ordinal):
    """How text is split into tokens."""

    Prefix = 0
    Whitespace = 1
    Word = 2
    Multilingual = 3
    Code = 4


class Language(_Ordinal):
    """Languages with a list of stop words."""

    Arabic = 0
    Azerbaijani = 1
    Basque = 2
    Bengali = 3
    Catalan = 4
    Chinese = 5
    Danish = 6
    Dutch = 7
    English = 8
    Finnish = 9
    French = 10
    German = 11
    Greek = 12
    Hebrew = 13
    Hinglish = 14
    Hungarian = 15
    Indonesian = 16
    Italian = 17
    Japanese = 18
    Kazakh = 19
    Nepali = 20
    Norwegian = 21
    Portuguese = 22
    Romanian = 23
    Russian = 24
    Slovene = 25
    Spanish = 26
    Swedish = 27
    Tajik = 28
    Turkish = 29


class SnowballLanguage(_Ordinal):
    """Languages with a Snowball stemmer."""

    Arabic = 0
    Armenian = 1
    Danish = 2
    Dutch = 3
    English = 4
    Finnish = 5
    French = 6
    German = 7
    Greek = 8
    Hungarian = 9
    Italian = 10
    Norwegian = 11
    Portuguese = 12
    Romanian = 13
    Russian = 14
    Spanish = 15
    Swedish = 16
    Tamil = 17
    Turkish = 18
