"""The queries of a shard: the part of :class:`~edgeshard.EdgeShard` that ranks, groups and counts values."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from edgeshard.models.base import instance, opt_instance, opt_text, opt_u64, u64
from edgeshard.models.filters import Filter
from edgeshard.models.params import SearchParams
from edgeshard.models.requests import FacetRequest, QueryBatchRequest, QueryRequest, SearchRequest
from edgeshard.query import run_query, run_search
from edgeshard.query.arrays import query_arrays

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgeshard.models.groups import (
        GroupRequest,
        PointGroup,
        SearchMatrixOffsets,
        SearchMatrixPair,
        SearchMatrixRequest,
    )
    from edgeshard.models.plans import StagePlan
    from edgeshard.models.ranking import OrderBy
    from edgeshard.models.results import FacetResponse, ScoredPoint
    from edgeshard.query.recall import RecallReport
    from edgeshard.shard.store import Store


class Searching:
    """Queries, grouped queries, matrices, facets and explanations."""

    __slots__ = ()

    def _reading(self) -> AbstractContextManager[Store]:
        """The open store, kept from changing meanwhile."""
        raise TypeError("Searching is a part of EdgeShard")

    def query(self, query: QueryRequest, *, sort_by: OrderBy | None = None) -> list[ScoredPoint]:
        """The best points for a query.

        Args:
            query: what to search for, its prefetches, filter, limits, and what to return.
            sort_by: put the points found, whatever ranked them, in the order of a payload value: their scores stay,
                `order_value` is set, points without a value come last. Needs no index.

        Raises:
            ValidationError: a request that contradicts itself or the vectors of the shard.
            NotFoundError: a vector name, or an index a stage needs, that does not exist.
        """
        instance(query, QueryRequest, "query")
        if sort_by is not None:
            from edgeshard.models.ranking import OrderBy

            instance(sort_by, OrderBy, "sort_by")
        with self._reading() as store:
            return run_query(store.segments, store.schema, query, sort_by)

    def query_arrays(
        self,
        vectors: npt.ArrayLike,
        *,
        limit: int,
        using: str | None = None,
        filter: Filter | None = None,
        params: SearchParams | None = None,
        score_threshold: float | None = None,
    ) -> tuple[npt.NDArray[np.uint64] | npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Ids and scores of the nearest points as arrays, for one vector or many in one pass over the data.

        Args:
            vectors: ``(dim,)`` or ``(q, dim)`` numbers.
            limit: how many points per vector.
            using: name of the stored vectors, None for the unnamed ones.
            filter: which points to consider.
            params: how to search.
            score_threshold: worst score returned, as in a QueryRequest.

        Returns:
            ``(ids, scores)``, both ``(n,)`` for one vector, with ``n`` hits, best first; both ``(q, n)`` for many,
            where ``n`` is the number of hits of the vector that has most. Ids are uint64, or objects
            (ints and UUIDs) if a UUID is among them; scores are float32. Shorter rows are filled up with the score
            NaN and the id 2**64 - 1 (-1 as a signed number), or None among objects.

        Raises:
            VectorDimensionError: a wrong dimension.
            ValidationError: NaN or infinity among the numbers.
            VectorNameNotFoundError: no vectors of that name.
        """
        if filter is not None:
            instance(filter, Filter, "filter")
        if params is not None and params.__class__ is not SearchParams:
            instance(params, SearchParams, "params")
        with self._reading() as store:
            return query_arrays(store.segments, store.schema, vectors, limit, using, filter, params, score_threshold)

    def measure_recall(
        self,
        sample: int | npt.ArrayLike = 100,
        *,
        using: str | None = None,
        limit: int = 10,
        ef: int | None = None,
        filter: Filter | None = None,
        seed: int = 42,
    ) -> RecallReport:
        """How much of the exact answer searches find, and how long both take; updates wait meanwhile.

        Args:
            sample: how many stored vectors to search for (the point itself does not count), or query vectors
                ``(q, dim)``, for multi-vectors ``q`` of them.
            using: name of the vectors, None for the unnamed ones.
            limit: how many points to ask for.
            ef: beam of the graphs (``hnsw_ef``), None for their own.
            filter: which points may be found.
            seed: of the sample; the same sample for the same seed and the same points in the same segments.

        Raises:
            ValidationError: no queries, or no stored vectors to choose from.
            TypeError: `sample` is neither a number nor vectors.
            WrongVectorKindError: the vectors are sparse: their searches are exact.
            VectorNameNotFoundError: no vectors of that name.
        """
        from edgeshard.query.recall import measure_recall

        name = opt_text(using, "using") or ""
        limit, seed, ef = u64(limit, "limit"), u64(seed, "seed"), opt_u64(ef, "ef")
        opt_instance(filter, Filter, "filter")
        with self._reading() as store:
            return measure_recall(
                store.segments, store.schema, sample, using=name, limit=limit, ef=ef, condition=filter, seed=seed
            )

    def query_groups(self, request: GroupRequest) -> list[PointGroup]:
        """The best points for a query, grouped by a payload value; groups in the order of their best points.

        Args:
            request: the query, the field, how many groups and how many points of each.

        Raises:
            ValidationError, NotFoundError: as :meth:`query`.
        """
        from edgeshard.models.groups import GroupRequest
        from edgeshard.query.groups import run_groups

        instance(request, GroupRequest, "request")
        with self._reading() as store:
            return run_groups(store.segments, store.schema, request)

    def search_matrix_pairs(self, request: SearchMatrixRequest) -> list[SearchMatrixPair]:
        """Random points, each with those of the others that are nearest to it.

        Args:
            request: how many points, how many neighbours of each, which points and vectors.

        Raises:
            VectorNameNotFoundError: no vectors of that name.
        """
        from edgeshard.models.groups import SearchMatrixRequest
        from edgeshard.query.matrix import matrix_pairs

        instance(request, SearchMatrixRequest, "request")
        with self._reading() as store:
            return matrix_pairs(store.segments, store.schema, request)

    def search_matrix_offsets(self, request: SearchMatrixRequest) -> SearchMatrixOffsets:
        """The same as :meth:`search_matrix_pairs` in the form of a sparse matrix."""
        from edgeshard.models.groups import SearchMatrixRequest
        from edgeshard.query.matrix import matrix_offsets

        instance(request, SearchMatrixRequest, "request")
        with self._reading() as store:
            return matrix_offsets(store.segments, store.schema, request)

    def explain(self, query: QueryRequest) -> StagePlan:
        """How a query is carried out: its stages, and per segment the strategy, cardinalities and time.

        The query is run, its results are thrown away. ``print(plan.draw())`` shows the tree.
        """
        from edgeshard.query.explain import run_explain

        instance(query, QueryRequest, "query")
        with self._reading() as store:
            return run_explain(store.segments, store.schema, query)

    def query_batch(self, request: QueryBatchRequest) -> list[list[ScoredPoint]]:
        """The answers to several queries, in their order; searches of one vector share a pass over the data."""
        from edgeshard.query.batch import run_batch

        instance(request, QueryBatchRequest, "request")
        with self._reading() as store:
            return run_batch(store.segments, store.schema, request.queries)

    def search(self, search: SearchRequest) -> list[ScoredPoint]:
        """The best points for a vector query (the older, simpler form of :meth:`query`)."""
        instance(search, SearchRequest, "search")
        with self._reading() as store:
            return run_search(store.segments, store.schema, search)

    def facet(self, facet: FacetRequest) -> FacetResponse:
        """The most frequent values of an indexed payload field."""
        from edgeshard.query.facet import run_facet

        instance(facet, FacetRequest, "facet")
        with self._reading() as store:
            return run_facet(store.segments, facet)
