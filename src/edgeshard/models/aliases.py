"""The unions the type stub of ``qdrant_edge`` names, under its names."""

from __future__ import annotations

from typing import TypeAlias

from edgeshard.models.config import HnswIndexConfig, PlainIndexConfig
from edgeshard.models.expressions import Expression
from edgeshard.models.filters import Condition
from edgeshard.models.indexes import IndexParams, Stemmer, Stopwords
from edgeshard.models.matches import Match, Range
from edgeshard.models.quantization import QuantizationConfig
from edgeshard.models.requests import ScoringQuery
from edgeshard.models.selectors import WithPayload, WithVector

__all__ = [
    "ConditionType",
    "ExpressionType",
    "IndexType",
    "JsonPath",
    "MatchType",
    "PayloadSchemaParams",
    "QuantizationConfigType",
    "RangeType",
    "ScoringQueryType",
    "StartFromType",
    "StemmingAlgorithm",
    "Stopwords",
    "WithPayloadType",
    "WithVectorType",
]

ConditionType: TypeAlias = Condition
ExpressionType: TypeAlias = Expression
IndexType: TypeAlias = PlainIndexConfig | HnswIndexConfig
JsonPath: TypeAlias = str
MatchType: TypeAlias = Match
PayloadSchemaParams: TypeAlias = IndexParams
QuantizationConfigType: TypeAlias = QuantizationConfig
RangeType: TypeAlias = Range
ScoringQueryType: TypeAlias = ScoringQuery
StartFromType: TypeAlias = int | float | str
StemmingAlgorithm: TypeAlias = Stemmer
WithPayloadType: TypeAlias = WithPayload
WithVectorType: TypeAlias = WithVector
