"""An embedded vector search engine: Qdrant Edge's API and on-disk format, inside your Python process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeshard import ending as _ending  # noqa: F401  registers what closes shards at the end of the program
from edgeshard.errors import (
    BackgroundOptimizeWarning,
    BaseMismatchError,
    CancelledError,
    ClosedError,
    CorruptedError,
    DivergedError,
    EdgeShardError,
    EdgeShardWarning,
    ForkedShardError,
    IndexNotFoundError,
    LockedError,
    MemoryPlacementWarning,
    NotFoundError,
    PointNotFoundError,
    ReadOnlyError,
    ReentrantCallError,
    SnapshotError,
    StorageError,
    SyncError,
    UnindexedScanWarning,
    ValidationError,
    VectorDimensionError,
    VectorNameNotFoundError,
    WrongVectorKindError,
)
from edgeshard.models.aliases import (
    ConditionType,
    ExpressionType,
    IndexType,
    JsonPath,
    MatchType,
    PayloadSchemaParams,
    QuantizationConfigType,
    RangeType,
    ScoringQueryType,
    StartFromType,
    StemmingAlgorithm,
    Stopwords,
    WithPayloadType,
    WithVectorType,
)
from edgeshard.models.bm25 import (
    Bm25,
    Bm25Config,
)
from edgeshard.models.config import (
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    HnswIndexConfig,
    MultiVectorConfig,
    PlainIndexConfig,
)
from edgeshard.models.enums import (
    BinaryQuantizationEncoding,
    BinaryQuantizationQueryEncoding,
    CompressionRatio,
    DecayKind,
    Direction,
    Distance,
    Language,
    Memory,
    Modifier,
    MultiVectorComparator,
    PayloadSchemaType,
    Sample,
    ScalarType,
    SnowballLanguage,
    TextScoringType,
    TokenizerType,
    TurboQuantBitSize,
    UpdateMode,
    VectorStorageDatatype,
)
from edgeshard.models.expressions import (
    Expression,
)
from edgeshard.models.filters import (
    FieldCondition,
    Filter,
    HasIdCondition,
    HasVectorCondition,
    IsEmptyCondition,
    IsNullCondition,
    MinShould,
    NestedCondition,
    SliceCondition,
)
from edgeshard.models.formula import (
    Formula,
)
from edgeshard.models.geo import (
    GeoBoundingBox,
    GeoPoint,
    GeoPolygon,
    GeoRadius,
)
from edgeshard.models.groups import (
    GroupRequest,
    PointGroup,
    SearchMatrixOffsets,
    SearchMatrixPair,
    SearchMatrixRequest,
)
from edgeshard.models.ids import PointId
from edgeshard.models.indexes import (
    BoolIndexParams,
    DatetimeIndexParams,
    DisabledStemmer,
    FloatIndexParams,
    GeoIndexParams,
    IntegerIndexParams,
    KeywordIndexParams,
    SnowballParams,
    StopwordsSet,
    TextIndexParams,
    TextScoringParams,
    UuidIndexParams,
)
from edgeshard.models.matches import (
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchPrefix,
    MatchSubstring,
    MatchText,
    MatchTextAny,
    MatchValue,
    RangeDateTime,
    RangeFloat,
    ValuesCount,
)
from edgeshard.models.options import (
    options,
)
from edgeshard.models.params import (
    AcornSearchParams,
    IdfParams,
    QuantizationSearchParams,
    SearchParams,
)
from edgeshard.models.payload import Payload
from edgeshard.models.plans import SegmentPlan, StagePlan
from edgeshard.models.points import (
    Point,
    PointVectors,
)
from edgeshard.models.quantization import (
    BinaryQuantizationConfig,
    ProductQuantizationConfig,
    ScalarQuantizationConfig,
    TurboQuantQuantizationConfig,
)
from edgeshard.models.queries import (
    ContextPair,
    ContextQuery,
    DiscoverQuery,
    FeedbackItem,
    FeedbackNaiveQuery,
    NaiveFeedbackStrategy,
    Query,
    RecommendQuery,
)
from edgeshard.models.ranking import (
    Bm25Params,
    Fusion,
    Mmr,
    OrderBy,
    TextQuery,
)
from edgeshard.models.requests import (
    CountRequest,
    FacetRequest,
    Prefetch,
    QueryBatchRequest,
    QueryRequest,
    ScrollRequest,
    SearchRequest,
)
from edgeshard.models.results import (
    FacetHit,
    FacetResponse,
    PayloadIndexInfo,
    Record,
    ScoredPoint,
    ShardInfo,
)
from edgeshard.models.selectors import (
    PayloadSelector,
)
from edgeshard.models.updates import (
    UpdateOperation,
)
from edgeshard.models.vectors import NamedVector, SparseVector, Vector, VectorOutput, VectorStructOutput

__version__ = "0.1.0"

__all__ = [
    "AcornSearchParams",
    "BackgroundOptimize",
    "BackgroundOptimizeWarning",
    "BaseMismatchError",
    "BinaryQuantizationConfig",
    "BinaryQuantizationEncoding",
    "BinaryQuantizationQueryEncoding",
    "Bm25",
    "Bm25Config",
    "Bm25Params",
    "BoolIndexParams",
    "CancelledError",
    "ClosedError",
    "CompressionRatio",
    "ConditionType",
    "ContextPair",
    "ContextQuery",
    "CorruptedError",
    "CountRequest",
    "DatetimeIndexParams",
    "DecayKind",
    "Direction",
    "DisabledStemmer",
    "DiscoverQuery",
    "DiskUsage",
    "Distance",
    "DivergedError",
    "EdgeConfig",
    "EdgeOptimizersConfig",
    "EdgeShard",
    "EdgeShardError",
    "EdgeShardWarning",
    "EdgeSparseVectorParams",
    "EdgeVectorParams",
    "Expression",
    "ExpressionType",
    "FacetHit",
    "FacetRequest",
    "FacetResponse",
    "FeedbackItem",
    "FeedbackNaiveQuery",
    "FieldCondition",
    "Filter",
    "FloatIndexParams",
    "ForkedShardError",
    "Formula",
    "Fusion",
    "GeoBoundingBox",
    "GeoIndexParams",
    "GeoPoint",
    "GeoPolygon",
    "GeoRadius",
    "GroupRequest",
    "HasIdCondition",
    "HasVectorCondition",
    "HnswIndexConfig",
    "IdfParams",
    "IndexNotFoundError",
    "IndexType",
    "IntegerIndexParams",
    "IsEmptyCondition",
    "IsNullCondition",
    "JsonPath",
    "KeywordIndexParams",
    "Language",
    "LockedError",
    "MatchAny",
    "MatchExcept",
    "MatchPhrase",
    "MatchPrefix",
    "MatchSubstring",
    "MatchText",
    "MatchTextAny",
    "MatchType",
    "MatchValue",
    "Memory",
    "MemoryPlacementWarning",
    "MinShould",
    "Mmr",
    "Modifier",
    "MultiVectorComparator",
    "MultiVectorConfig",
    "NaiveFeedbackStrategy",
    "NamedVector",
    "NestedCondition",
    "NotFoundError",
    "OrderBy",
    "Payload",
    "PayloadIndexInfo",
    "PayloadSchemaParams",
    "PayloadSchemaType",
    "PayloadSelector",
    "PlainIndexConfig",
    "Point",
    "PointGroup",
    "PointId",
    "PointNotFoundError",
    "PointVectors",
    "Prefetch",
    "ProductQuantizationConfig",
    "QuantizationConfigType",
    "QuantizationSearchParams",
    "Query",
    "QueryBatchRequest",
    "QueryRequest",
    "RangeDateTime",
    "RangeFloat",
    "RangeType",
    "ReadOnlyError",
    "ReadOnlyShard",
    "RecallReport",
    "RecommendQuery",
    "Record",
    "ReentrantCallError",
    "Sample",
    "ScalarQuantizationConfig",
    "ScalarType",
    "ScoredPoint",
    "ScoringQueryType",
    "ScrollRequest",
    "SearchMatrixOffsets",
    "SearchMatrixPair",
    "SearchMatrixRequest",
    "SearchParams",
    "SearchRequest",
    "SegmentPlan",
    "ShardInfo",
    "SliceCondition",
    "SnapshotError",
    "SnapshotInfo",
    "SnapshotLimits",
    "SnowballLanguage",
    "SnowballParams",
    "SparseVector",
    "StagePlan",
    "StartFromType",
    "StemmingAlgorithm",
    "Stopwords",
    "StopwordsSet",
    "StorageError",
    "SyncError",
    "TextIndexParams",
    "TextQuery",
    "TextScoringParams",
    "TextScoringType",
    "TokenizerType",
    "TurboQuantBitSize",
    "TurboQuantQuantizationConfig",
    "UnindexedScanWarning",
    "UpdateMode",
    "UpdateOperation",
    "UuidIndexParams",
    "ValidationError",
    "ValuesCount",
    "Vector",
    "VectorDimensionError",
    "VectorNameNotFoundError",
    "VectorOutput",
    "VectorStorageDatatype",
    "VectorStructOutput",
    "WithPayloadType",
    "WithVectorType",
    "WrongVectorKindError",
    "__version__",
    "disk_usage",
    "options",
    "to_arrow",
    "to_pandas",
]

if TYPE_CHECKING:
    from edgeshard.arrow import to_arrow, to_pandas
    from edgeshard.query.recall import RecallReport
    from edgeshard.shard.optimizer.background import BackgroundOptimize
    from edgeshard.shard.reader import ReadOnlyShard
    from edgeshard.shard.shard import EdgeShard
    from edgeshard.shard.snapshot.create import SnapshotInfo
    from edgeshard.shard.snapshot.limits import SnapshotLimits
    from edgeshard.shard.usage import DiskUsage, disk_usage
else:
    # Imported when first used: programs that only talk about shards need none of the engine.
    _LAZY = {
        "BackgroundOptimize": "edgeshard.shard.optimizer.background",
        "DiskUsage": "edgeshard.shard.usage",
        "EdgeShard": "edgeshard.shard.shard",
        "ReadOnlyShard": "edgeshard.shard.reader",
        "RecallReport": "edgeshard.query.recall",
        "SnapshotInfo": "edgeshard.shard.snapshot.create",
        "SnapshotLimits": "edgeshard.shard.snapshot.limits",
        "disk_usage": "edgeshard.shard.usage",
        "to_arrow": "edgeshard.arrow",
        "to_pandas": "edgeshard.arrow",
    }

    def __getattr__(name):
        if name not in _LAZY:
            import sys

            # With the module and the name Python says which name may have been meant.
            raise AttributeError(
                f"module 'edgeshard' has no attribute {name!r}", name=name, obj=sys.modules["edgeshard"]
            )
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *_LAZY})
