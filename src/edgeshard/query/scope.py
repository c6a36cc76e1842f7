"""What one query runs over: the segments, and masks of its filters computed once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.filter.evaluate import evaluate_offsets
from edgeshard.filter.selections import Selection
from edgeshard.models.filters import Filter, MinShould
from edgeshard.models.ids import ParsedId
from edgeshard.models.paths import parse_path
from edgeshard.models.payload import decode_payload
from edgeshard.query.hits import Keys, by_segment, in_order
from edgeshard.segment.absent_field import AbsentField
from edgeshard.segment.batch import Mask, Offsets
from edgeshard.segment.fields import Field
from edgeshard.segment.schema import Schema, VectorSchema, unknown_vector
from edgeshard.segment.segment import Segment, SegmentContext
from edgeshard.segment.sparse_field import SparseField, SparseQuery

Filters = tuple[Filter, ...]
"""Filters that all apply; a prefetch adds its own to those around it."""


def joined(around: Filters, own: Filter) -> Filters:
    """The filters around a stage with its own.

    As in Qdrant their ``should`` lists become one, of which a point needs to match one condition, and so do their
    ``min_should`` lists, of which it needs to match the larger number.
    """
    filters = (*around, own)
    if sum(bool(one._should) for one in filters) < 2 and sum(one.min_should is not None for one in filters) < 2:
        return filters
    several = [one.min_should for one in filters if one.min_should is not None]
    conditions = [condition for one in several for condition in one._conditions]
    merged = Filter(
        must=[condition for one in filters for condition in one._must or ()],
        should=[condition for one in filters for condition in one._should or ()],
        must_not=[condition for one in filters for condition in one._must_not or ()],
        min_should=MinShould(conditions, max(one.min_count for one in several)) if several else None,
    )
    return (merged,)


class Scope:
    """The segments one request sees.

    Args:
        segments: all segments of the shard.
        schema: its vectors.
        trace: notes what is done, for an explanation; None otherwise.
    """

    __slots__ = ("_selections", "schema", "segments", "trace")

    def __init__(self, segments: Sequence[Segment], schema: Schema, trace: Any = None) -> None:
        self.segments = segments
        self.trace = trace
        self.schema = schema
        self._selections: dict[tuple[int, ...], Selection] = {}

    def spec(self, name: str) -> VectorSchema:
        """The vectors of a name.

        Raises:
            VectorNameNotFoundError: the shard has none of that name.
        """
        try:
            return self.schema[name]
        except KeyError:
            raise unknown_vector(name, self.schema) from None

    def select(self, number: int, filters: Filters) -> Selection:
        """The points of a segment that all filters match."""
        segment = self.segments[number]
        if len(filters) < 2:
            return segment.select(filters[0] if filters else None)
        key = (number, *map(id, filters))
        found = self._selections.get(key)
        if found is None:
            masks = [segment.select(condition).mask for condition in filters]
            found = self._selections[key] = Selection(np.logical_and.reduce(masks))
        return found

    def mask(self, number: int, filters: Filters) -> Mask:
        """``(count,)`` which offsets of a segment hold a point that all filters match. Do not change it."""
        return self.select(number, filters).mask

    def condition(self, keys: Keys, condition: Filter) -> Mask:
        """Which of some points a filter matches."""
        result = np.zeros(len(keys), np.bool_)
        for number, places, offsets in by_segment(keys):
            result[places] = evaluate_offsets(condition, SegmentContext(self.segments[number]), offsets)
        return result

    def decoded(self, keys: Keys) -> list[dict[str, Any]]:
        """Payloads of points.

        Raises:
            CorruptedError: one cannot be read.
        """

        def decode(number: int, _: Any, offsets: Offsets) -> list[dict[str, Any]]:
            segment = self.segments[number]
            return [decode_payload(raw, segment.payload.directory) for raw in segment.payloads(offsets)]

        return in_order(keys, decode)

    def ids(self, keys: Keys) -> list[ParsedId]:
        """Ids of points."""
        return in_order(keys, lambda number, _, offsets: self.segments[number].ids.ids_of(offsets))

    def id_parts(self, keys: Keys) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """Ids of points as :func:`id_ranks` takes them."""
        low, high = np.empty((2, len(keys)), np.uint64)
        are_uuids = np.empty(len(keys), np.bool_)
        for number, places, offsets in by_segment(keys):
            low[places], high[places], are_uuids[places] = self.segments[number].ids.parts_of(offsets)
        return low, high, are_uuids

    def field(self, name: str) -> Field:
        """The vectors of a name in a segment that has some, which checks, converts and compares them for all."""
        fields = [segment.fields[name] for segment in self.segments]
        return next((field for field in fields if not isinstance(field, AbsentField)), fields[0])

    def queries(self, name: str, examples: Sequence[Any], corpus: Filter | None) -> list[Any]:
        """Query vectors checked and converted; sparse ones weighted by inverse document frequency if configured."""
        field = self.field(name)
        queries = [field.query(example) for example in examples]
        if self.schema[name].idf:
            return [self._weighted(name, query, corpus) for query in queries]
        return queries

    def _weighted(self, name: str, query: SparseQuery, corpus: Filter | None) -> SparseQuery:
        """A sparse query with each weight times ``ln(1 + (N - df + 0.5) / (df + 0.5))``.

        N, the points with a vector, and df, those with the index, are counted over the indexes of all segments: empty
        vectors do not count, points deleted since the index of their segment was built do, as in Qdrant.
        """
        fields = [(n, segment.fields[name]) for n, segment in enumerate(self.segments)]
        if corpus is None:
            indexes = [field.index for _, field in fields if isinstance(field, SparseField)]
            return SparseQuery(query.indices, _native.idf_weights(indexes, query.indices, query.values))
        total, frequency = 0, np.zeros(len(query.indices), np.int64)
        for number, field in fields:
            if isinstance(field, SparseField):
                chosen = self.mask(number, (corpus,)) & field.presence(self.segments[number].count)
                points, counts = field.frequencies(query.indices, chosen)
                total += points
                frequency += counts
        weights = np.log1p((total - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        return SparseQuery(query.indices, query.values * weights)


def id_ranks(low: npt.NDArray[np.uint64], high: npt.NDArray[np.uint64], are_uuids: Mask) -> npt.NDArray[np.int64]:
    """Places of ids in their order: numbers ahead of UUIDs."""
    found = np.empty(len(low), np.int64)
    found[np.lexsort((low, high, are_uuids))] = np.arange(len(low))
    return found


def index_kind(segments: Sequence[Segment], key: str, kinds: Collection[str]) -> str | None:
    """The first of some kinds of index that a field has."""
    path = parse_path(key).text
    for segment in segments:
        field = segment.indexes.field(path)
        for kind in () if field is None else field.kinds:
            if kind in kinds:
                return kind
    return None


def all_offsets(mask: Mask) -> Offsets:
    """Offsets a mask marks."""
    return np.flatnonzero(mask).astype(np.uint32)
