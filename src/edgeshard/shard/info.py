"""Numbers about a shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeshard.models.results import PayloadIndexInfo, ShardInfo
from edgeshard.models.schemas import schema_from_json
from edgeshard.segment.segment import Segment


def shard_info(segments: Sequence[Segment]) -> ShardInfo:
    """Counts of segments, points and indexed vectors, and the payload indexes by field path."""
    schema: dict[str, tuple[Any, int]] = {}
    for segment in segments:
        for field, stored in segment.indexes.schema.items():
            points = segment.indexed_points(field)
            known = schema.get(field)
            schema[field] = (stored, points + (known[1] if known else 0))
    return ShardInfo(
        len(segments),
        sum(segment.live for segment in segments),
        sum(segment.indexed_vectors for segment in segments),
        {field: PayloadIndexInfo(*schema_from_json(stored), points) for field, (stored, points) in schema.items()},
    )
