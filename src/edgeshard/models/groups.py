"""Grouped queries and similarity matrices: requests and answers. Qdrant's servers have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeshard.errors import ArgumentError
from edgeshard.models.base import Model, f32, instance, instances, json_path, put_fields, sequence, u64
from edgeshard.models.filters import Filter
from edgeshard.models.ids import ParsedId, PointId, parse_id
from edgeshard.models.requests import QueryRequest
from edgeshard.models.results import ScoredPoint

__all__ = ["GroupRequest", "PointGroup", "SearchMatrixOffsets", "SearchMatrixPair", "SearchMatrixRequest"]


class GroupRequest(Model):
    """A query whose results are grouped by a payload value: the best groups, and the best points of each.

    Args:
        query: how to rank, which points, what to return of each. Its limit does not count; it must have no offset.
        group_by: path of the payload field; texts and integers make groups, a point with several values is in
            several groups, one without any in none.
        limit: how many groups to return.
        group_size: how many points of each group to return.

    Raises:
        ValueError: a bad path, or a query with an offset.
    """

    __slots__ = ("group_by", "group_size", "limit", "query")
    __match_args__ = ("query", "group_by", "limit", "group_size")

    query: QueryRequest
    group_by: str
    limit: int
    group_size: int

    def __init__(self, query: QueryRequest, group_by: str, limit: int = 10, group_size: int = 3) -> None:
        if instance(query, QueryRequest, "query").offset:
            raise ArgumentError(
                f"query: groups are not paged, expected a query without an offset, got offset={query.offset}"
            )
        put_fields(
            self,
            query=query,
            group_by=json_path(group_by, "group_by"),
            limit=u64(limit, "limit"),
            group_size=u64(group_size, "group_size"),
        )


class PointGroup(Model):
    """Points that share a payload value, best first.

    Args:
        id: the value, a str or an int.
        hits: the points.
    """

    __slots__ = ("_hits", "id")
    __match_args__ = ("id", "hits")

    id: str | int
    _hits: tuple[ScoredPoint, ...]

    def __init__(self, id: str | int, hits: Iterable[ScoredPoint]) -> None:
        put_fields(self, id=instance(id, (str, int), "id"), _hits=instances(hits, ScoredPoint, "hits"))

    @property
    def hits(self) -> list[ScoredPoint]:
        """The points; a fresh list."""
        return list(self._hits)

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[ScoredPoint]:
        return iter(self._hits)


class SearchMatrixRequest(Model):
    """How similar points of a random sample are to one another.

    Args:
        sample_size: how many points to draw.
        limit_per_sample: how many of the others, the nearest ones, to list for each.
        filter: which points to draw from.
        using: name of the vectors to compare, None for the unnamed ones.
    """

    __slots__ = ("filter", "limit_per_sample", "sample_size", "using")
    __match_args__ = ("sample_size", "limit_per_sample", "filter", "using")

    sample_size: int
    limit_per_sample: int
    filter: Filter | None
    using: str | None

    def __init__(
        self,
        sample_size: int = 10,
        limit_per_sample: int = 3,
        filter: Filter | None = None,
        using: str | None = None,
    ) -> None:
        put_fields(
            self,
            sample_size=u64(sample_size, "sample_size"),
            limit_per_sample=u64(limit_per_sample, "limit_per_sample"),
            filter=None if filter is None else instance(filter, Filter, "filter"),
            using=None if using is None else instance(using, str, "using"),
        )


class SearchMatrixPair(Model):
    """Two points of the sample and how well they match.

    Args:
        a: id of the one.
        b: id of one of those nearest to it.
        score: as a nearest query for `a` shows it (float32).
    """

    __slots__ = ("a", "b", "score")
    __match_args__ = ("a", "b", "score")

    a: ParsedId
    b: ParsedId
    score: float

    def __init__(self, a: PointId, b: PointId, score: float) -> None:
        put_fields(self, a=parse_id(a), b=parse_id(b), score=f32(score, "score"))


class SearchMatrixOffsets(Model):
    """The same pairs as a sparse matrix in coordinates: entry ``n`` is at row and column ``n``.

    Args:
        ids: the sample; rows and columns are places in it.
        offsets_row: row of each entry.
        offsets_col: column of each entry.
        scores: score of each entry (float32).
    """

    __slots__ = ("_cols", "_ids", "_rows", "_scores")
    __match_args__ = ("ids", "offsets_row", "offsets_col", "scores")

    _ids: tuple[ParsedId, ...]
    _rows: tuple[int, ...]
    _cols: tuple[int, ...]
    _scores: tuple[float, ...]

    def __init__(
        self,
        ids: Iterable[PointId],
        offsets_row: Iterable[int],
        offsets_col: Iterable[int],
        scores: Iterable[float],
    ) -> None:
        put_fields(
            self,
            _ids=tuple([parse_id(point_id) for point_id in sequence(ids, "ids")]),
            _rows=tuple([u64(row, "offsets_row") for row in sequence(offsets_row, "offsets_row")]),
            _cols=tuple([u64(col, "offsets_col") for col in sequence(offsets_col, "offsets_col")]),
            _scores=tuple([f32(score, "scores") for score in sequence(scores, "scores")]),
        )

    @property
    def ids(self) -> list[ParsedId]:
        """The sample; a fresh list."""
        return list(self._ids)

    @property
    def offsets_row(self) -> list[int]:
        """Row of each entry; a fresh list."""
        return list(self._rows)

    @property
    def offsets_col(self) -> list[int]:
        """Column of each entry; a fresh list."""
        return list(self._cols)

    @property
    def scores(self) -> list[float]:
        """Score of each entry; a fresh list."""
        return list(self._scores)
