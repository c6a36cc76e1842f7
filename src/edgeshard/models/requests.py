"""Requests for reading: query, search, scroll, count, facet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from edgeshard.models.base import Model, boolean, f32, instance, instances, json_path, put_fields, u64
from edgeshard.models.enums import Sample
from edgeshard.models.filters import Filter
from edgeshard.models.formula import Formula
from edgeshard.models.ids import ParsedId, PointId, parse_id
from edgeshard.models.params import SearchParams
from edgeshard.models.queries import Query
from edgeshard.models.ranking import Fusion, Mmr, OrderBy, TextQuery
from edgeshard.models.selectors import (
    PayloadSelector,
    WithPayload,
    WithVector,
    thawed,
    with_payload_of,
    with_vector_of,
)

__all__ = [
    "CountRequest",
    "FacetRequest",
    "Prefetch",
    "QueryBatchRequest",
    "QueryRequest",
    "ScoringQuery",
    "ScrollRequest",
    "SearchRequest",
]

ScoringQuery: TypeAlias = Query | Fusion | OrderBy | Formula | Sample | Mmr | TextQuery
_SCORING = (Query, Fusion, OrderBy, Formula, Sample, Mmr, TextQuery)


class Prefetch(Model):
    """One stage of a query: what it finds is ranked by the stage above.

    Args:
        limit: how many points to pass on.
        query: how to rank, None for the order of ids.
        prefetches: stages below; then only their points are ranked.
        params: how to search.
        filter: which points to consider.
        score_threshold: worst score passed on (float32).
    """

    __slots__ = ("_prefetches", "filter", "limit", "params", "query", "score_threshold")
    __match_args__ = ("limit", "query", "prefetches", "params", "filter", "score_threshold")

    limit: int
    query: ScoringQuery | None
    _prefetches: tuple[Prefetch, ...]
    params: SearchParams | None
    filter: Filter | None
    score_threshold: float | None

    def __init__(
        self,
        limit: int,
        query: ScoringQuery | None = None,
        prefetches: Iterable[Prefetch] | None = None,
        params: SearchParams | None = None,
        filter: Filter | None = None,
        score_threshold: float | None = None,
    ) -> None:
        put_fields(
            self,
            limit=u64(limit, "limit"),
            query=None if query is None else instance(query, _SCORING, "query"),
            _prefetches=() if prefetches is None else instances(prefetches, Prefetch, "prefetches"),
            params=None if params is None else instance(params, SearchParams, "params"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
            score_threshold=None if score_threshold is None else f32(score_threshold, "score_threshold"),
        )

    @property
    def prefetches(self) -> list[Prefetch]:
        """Stages below; a fresh list."""
        return list(self._prefetches)


class QueryRequest(Model):
    """A query, of one stage or several.

    Args:
        limit: how many points to return.
        offset: how many of the best to leave out, 0 if None.
        query: how to rank, None for the order of ids.
        prefetches: stages below; then only their points are ranked.
        with_vector: vectors to return: all, none (if None) or those named.
        with_payload: payload to return: all, none (if None), paths or a selector.
        filter: which points to consider, in every stage.
        score_threshold: worst score returned (float32).
        params: how to search.
    """

    __slots__ = (
        "_prefetches",
        "_with_payload",
        "_with_vector",
        "filter",
        "limit",
        "offset",
        "params",
        "query",
        "score_threshold",
    )
    __match_args__ = (
        "limit",
        "offset",
        "query",
        "prefetches",
        "with_vector",
        "with_payload",
        "filter",
        "score_threshold",
        "params",
    )

    limit: int
    offset: int
    query: ScoringQuery | None
    _prefetches: tuple[Prefetch, ...]
    _with_vector: bool | tuple[str, ...]
    _with_payload: bool | tuple[str, ...] | PayloadSelector
    filter: Filter | None
    score_threshold: float | None
    params: SearchParams | None

    def __init__(
        self,
        limit: int,
        offset: int | None = None,
        query: ScoringQuery | None = None,
        prefetches: Iterable[Prefetch] | None = None,
        with_vector: WithVector | None = None,
        with_payload: WithPayload | None = None,
        filter: Filter | None = None,
        score_threshold: float | None = None,
        params: SearchParams | None = None,
    ) -> None:
        put_fields(
            self,
            limit=u64(limit, "limit"),
            offset=0 if offset is None else u64(offset, "offset"),
            query=None if query is None else instance(query, _SCORING, "query"),
            _prefetches=() if prefetches is None else instances(prefetches, Prefetch, "prefetches"),
            _with_vector=False if with_vector is None else with_vector_of(with_vector),
            _with_payload=False if with_payload is None else with_payload_of(with_payload),
            filter=None if filter is None else instance(filter, Filter, "filter"),
            score_threshold=None if score_threshold is None else f32(score_threshold, "score_threshold"),
            params=None if params is None else instance(params, SearchParams, "params"),
        )

    @property
    def prefetches(self) -> list[Prefetch]:
        """Stages below; a fresh list."""
        return list(self._prefetches)

    @property
    def with_vector(self) -> bool | list[str]:
        """Vectors to return."""
        return thawed(self._with_vector)  # type: ignore[no-any-return]

    @property
    def with_payload(self) -> bool | list[str] | PayloadSelector:
        """Payload to return."""
        return thawed(self._with_payload)  # type: ignore[no-any-return]


class QueryBatchRequest(Model):
    """Several queries, answered in order.

    Args:
        queries: the queries.
    """

    __slots__ = ("_queries",)
    __match_args__ = ("queries",)

    _queries: tuple[QueryRequest, ...]

    def __init__(self, queries: Iterable[QueryRequest]) -> None:
        put_fields(self, _queries=instances(queries, QueryRequest, "queries"))

    @property
    def queries(self) -> list[QueryRequest]:
        """The queries; a fresh list."""
        return list(self._queries)


class SearchRequest(Model):
    """A search by vectors.

    Args:
        query: how to rank.
        limit: how many points to return.
        offset: how many of the best to leave out, 0 if None.
        filter: which points to consider.
        params: how to search.
        with_vector: vectors to return: all, none (if None) or those named.
        with_payload: payload to return: all, none (if None), paths or a selector.
        score_threshold: worst score returned (float32).
    """

    __slots__ = (
        "_with_payload",
        "_with_vector",
        "filter",
        "limit",
        "offset",
        "params",
        "query",
        "score_threshold",
    )
    __match_args__ = (
        "query",
        "limit",
        "offset",
        "filter",
        "params",
        "with_vector",
        "with_payload",
        "score_threshold",
    )

    query: Query
    limit: int
    offset: int
    filter: Filter | None
    params: SearchParams | None
    _with_vector: bool | tuple[str, ...] | None
    _with_payload: bool | tuple[str, ...] | PayloadSelector | None
    score_threshold: float | None

    def __init__(
        self,
        query: Query,
        limit: int,
        offset: int | None = None,
        filter: Filter | None = None,
        params: SearchParams | None = None,
        with_vector: WithVector | None = None,
        with_payload: WithPayload | None = None,
        score_threshold: float | None = None,
    ) -> None:
        put_fields(
            self,
            query=instance(query, Query, "query"),
            limit=u64(limit, "limit"),
            offset=0 if offset is None else u64(offset, "offset"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
            params=None if params is None else instance(params, SearchParams, "params"),
            _with_vector=None if with_vector is None else with_vector_of(with_vector),
            _with_payload=None if with_payload is None else with_payload_of(with_payload),
            score_threshold=None if score_threshold is None else f32(score_threshold, "score_threshold"),
        )

    @property
    def with_vector(self) -> bool | list[str] | None:
        """Vectors to return."""
        return thawed(self._with_vector)  # type: ignore[no-any-return]

    @property
    def with_payload(self) -> bool | list[str] | PayloadSelector | None:
        """Payload to return."""
        return thawed(self._with_payload)  # type: ignore[no-any-return]


class ScrollRequest(Model):
    """A page of points in the order of ids, or of a payload field.

    Args:
        offset: first id of the page.
        limit: how many points to return, 10 if None.
        filter: which points to consider.
        with_payload: payload to return: all (if None), none, paths or a selector.
        with_vector: vectors to return: all, none (if None) or those named.
        order_by: the field to order by; then `offset` must be None.
    """

    __slots__ = ("_with_payload", "_with_vector", "filter", "limit", "offset", "order_by")
    __match_args__ = ("offset", "limit", "filter", "with_payload", "with_vector", "order_by")

    offset: ParsedId | None
    limit: int | None
    filter: Filter | None
    _with_payload: bool | tuple[str, ...] | PayloadSelector | None
    _with_vector: bool | tuple[str, ...]
    order_by: OrderBy | None

    def __init__(
        self,
        offset: PointId | None = None,
        limit: int | None = None,
        filter: Filter | None = None,
        with_payload: WithPayload | None = None,
        with_vector: WithVector | None = None,
        order_by: OrderBy | None = None,
    ) -> None:
        put_fields(
            self,
            offset=None if offset is None else parse_id(offset),
            limit=None if limit is None else u64(limit, "limit"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
            _with_payload=None if with_payload is None else with_payload_of(with_payload),
            _with_vector=False if with_vector is None else with_vector_of(with_vector),
            order_by=None if order_by is None else instance(order_by, OrderBy, "order_by"),
        )

    @property
    def with_payload(self) -> bool | list[str] | PayloadSelector | None:
        """Payload to return."""
        return thawed(self._with_payload)  # type: ignore[no-any-return]

    @property
    def with_vector(self) -> bool | list[str]:
        """Vectors to return."""
        return thawed(self._with_vector)  # type: ignore[no-any-return]


class CountRequest(Model):
    """How many points there are.

    Args:
        exact: count, or estimate.
        filter: which points to count.
    """

    __slots__ = ("exact", "filter")
    __match_args__ = ("exact", "filter")

    exact: bool
    filter: Filter | None

    def __init__(self, exact: bool = True, filter: Filter | None = None) -> None:
        put_fields(
            self,
            exact=boolean(exact, "exact"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
        )


class FacetRequest(Model):
    """The values of a field and how many points have each.

    Args:
        key: the field's path; it needs an index that supports equality.
        limit: how many values to return, the most frequent ones.
        exact: counts are exact in either case; Qdrant may estimate them where it is False.
        filter: which points to count.
    """

    __slots__ = ("exact", "filter", "key", "limit")
    __match_args__ = ("key", "limit", "exact", "filter")

    key: str
    limit: int
    exact: bool
    filter: Filter | None

    def __init__(self, key: str, limit: int = 10, exact: bool = False, filter: Filter | None = None) -> None:
        put_fields(
            self,
            key=json_path(key, "key"),
            limit=u64(limit, "limit"),
            exact=boolean(exact, "exact"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
        )
