"""What the engine returns. ``_make`` is its fast constructor; the public ones are for tests and fakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeshard._native import Found, ObjectMaker, ResultPage
from edgeshard.models.base import Model, f32, f64, instance, instances, put_fields, restore, u64
from edgeshard.models.enums import PayloadSchemaType
from edgeshard.models.ids import ParsedId, PointId, parse_id
from edgeshard.models.indexes import INDEX_PARAMS, IndexParams
from edgeshard.models.payload import Payload, decode_payload, encode_payload
from edgeshard.models.vectors import Vector, VectorStructOutput, pack_example, unpack_vectors

__all__ = ["FacetHit", "FacetResponse", "PayloadIndexInfo", "Record", "ScoredPoint", "ShardInfo"]


class _Point(Found, Model, public=False):
    """What a :class:`Record` and a :class:`ScoredPoint` have in common; the natively held part is :class:`Found`."""

    __slots__ = ("order_value",)

    order_value: int | float | None

    @property
    def payload(self) -> Payload | None:
        """The payload, decoded afresh, or None if it was not asked for."""
        raw = self._payload  # made anew each time where a page holds it
        return None if raw is None else decode_payload(raw, self._source)

    @property
    def vector(self) -> VectorStructOutput | None:
        """The vectors as lists, or a dict by name; None if they were not asked for."""
        return unpack_vectors(self._vectors)  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (
            type(self),
            {slot: getattr(self, slot) for slot in ("id", "_payload", "_vectors", *self._slots)},
        )


class Record(_Point):
    """A point as retrieved.

    Args:
        id: an int or a `uuid.UUID`.
        payload: the payload, or None if it was not asked for.
        vector: the vectors as lists, or a dict by name; None if they were not asked for.
        order_value: the value it was ordered by (dates as microseconds since 1970), or None.
    """

    __slots__ = ()
    __match_args__ = ("id", "payload", "vector", "order_value")

    def __init__(
        self,
        id: PointId,
        payload: Payload | None = None,
        vector: Vector | None = None,
        order_value: int | float | None = None,
    ) -> None:
        put_fields(
            self,
            id=parse_id(id),
            _payload=None if payload is None else encode_payload(payload),
            _vectors=_pack(vector),
            order_value=order_value
            if isinstance(order_value, int) or order_value is None
            else f64(order_value, "order_value"),
        )

    def _state(self) -> tuple[Any, ...]:
        return self.id, self._payload, _hashable(self.vector), self.order_value

    @classmethod
    def _make(cls, id: ParsedId, raw_payload: bytes | None, vector: Any, order_value: int | float | None) -> Record:
        """A record; `raw_payload` is JSON, `vector` packed or ready."""
        new = cls.__new__(cls)
        put_fields(new, id=id, _payload=raw_payload, _vectors=vector, order_value=order_value)
        return new

    @classmethod
    def _make_many(
        cls,
        count: int,
        ids: Any,
        payloads: Any,
        vectors: Any,
        source: Any,
        page: ResultPage | None,
        order_values: Any = None,
    ) -> list[Record]:
        """Records by columns: as :class:`ObjectMaker` takes them."""
        return _make_records((ids, payloads, vectors, source, order_values), count, page)


_make_records = ObjectMaker(Record, ("_own_id", "_own_payload", "_own_vectors", "_own_source", "order_value"))


class ScoredPoint(_Point):
    """A point as found by a query.

    Args:
        id: an int or a `uuid.UUID`.
        version: number of the operation that last changed the point.
        score: how well it matches (float32).
        payload: the payload, or None if it was not asked for.
        vector: the vectors as lists, or a dict by name; None if they were not asked for.
        order_value: the value it was ordered by (dates as microseconds since 1970), or None.
    """

    __slots__ = ("score", "version")
    __match_args__ = ("id", "version", "score", "payload", "vector", "order_value")

    version: int
    score: float

    def __init__(
        self,
        id: PointId,
        version: int,
        score: float,
        payload: Payload | None = None,
        vector: Vector | None = None,
        order_value: int | float | None = None,
    ) -> None:
        put_fields(
            self,
            id=parse_id(id),
            version=u64(version, "version"),
            score=f32(score, "score"),
            _payload=None if payload is None else encode_payload(payload),
            _vectors=_pack(vector),
            order_value=order_value
            if isinstance(order_value, int) or order_value is None
            else f64(order_value, "order_value"),
        )

    def _state(self) -> tuple[Any, ...]:
        return self.id, self.version, self.score, self._payload, _hashable(self.vector), self.order_value

    @classmethod
    def _make(
        cls,
        id: ParsedId,
        version: int,
        score: float,
        raw_payload: bytes | None,
        vector: Any,
        order_value: int | float | None,
    ) -> ScoredPoint:
        """A result; `raw_payload` is JSON, `vector` packed or ready."""
        new = cls.__new__(cls)
        put_fields(
            new,
            id=id,
            version=version,
            score=score,
            _payload=raw_payload,
            _vectors=vector,
            order_value=order_value,
        )
        return new

    @classmethod
    def _make_many(
        cls,
        count: int,
        versions: Any,
        scores: Any,
        order_values: Any,
        ids: Any,
        payloads: Any = None,
        vectors: Any = None,
        source: Any = None,
        page: ResultPage | None = None,
    ) -> list[ScoredPoint]:
        """Points by columns: as :class:`ObjectMaker` takes them."""
        return _make_points((ids, versions, scores, payloads, vectors, source, order_values), count, page)


_make_points = ObjectMaker(
    ScoredPoint, ("_own_id", "version", "score", "_own_payload", "_own_vectors", "_own_source", "order_value")
)


class FacetHit(Model):
    """A value and how many points have it.

    Args:
        value: a str, an int or a bool.
        count: number of points.
    """

    __slots__ = ("count", "value")
    __match_args__ = ("value", "count")

    value: str | int | bool
    count: int

    def __init__(self, value: str | int | bool, count: int) -> None:
        put_fields(self, value=instance(value, (str, int), "value"), count=u64(count, "count"))

    def _state(self) -> tuple[Any, ...]:
        return type(self.value) is bool, self.value, self.count


_make_hits = ObjectMaker(FacetHit, ("value", "count"))


class FacetResponse(Model):
    """The values of a field, the most frequent ones first; has a length and can be iterated.

    Args:
        hits: the values and their counts.
    """

    __slots__ = ("_hits",)
    __match_args__ = ("hits",)

    _hits: tuple[FacetHit, ...]

    def __init__(self, hits: Iterable[FacetHit]) -> None:
        put_fields(self, _hits=instances(hits, FacetHit, "hits"))

    @property
    def hits(self) -> list[FacetHit]:
        """The values and their counts; a fresh list."""
        return list(self._hits)

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[FacetHit]:
        return iter(self._hits)

    @classmethod
    def _make(cls, values: list[Any], counts: list[int]) -> FacetResponse:
        """A response from the values in order and how many points have each."""
        new = cls.__new__(cls)
        put_fields(new, _hits=tuple(_make_hits((values, counts), len(values))))
        return new


class PayloadIndexInfo(Model):
    """A payload index.

    Args:
        data_type: its type.
        params: its parameters, None if it was created by type alone.
        points: number of points with an indexed value.
    """

    __slots__ = ("data_type", "params", "points")
    __match_args__ = ("data_type", "params", "points")

    data_type: PayloadSchemaType
    params: IndexParams | None
    points: int

    def __init__(self, data_type: PayloadSchemaType, params: IndexParams | None, points: int) -> None:
        put_fields(
            self,
            data_type=instance(data_type, PayloadSchemaType, "data_type"),
            params=None if params is None else instance(params, INDEX_PARAMS, "params"),
            points=u64(points, "points"),
        )

    @classmethod
    def _make(cls, data_type: PayloadSchemaType, params: IndexParams | None, points: int) -> PayloadIndexInfo:
        """The same as the constructor."""
        return cls(data_type, params, points)


class ShardInfo(Model):
    """What a shard holds.

    Args:
        segments_count: number of segments.
        points_count: number of points.
        indexed_vectors_count: number of vectors in an HNSW graph.
        payload_schema: payload indexes by path.
    """

    __slots__ = ("_payload_schema", "indexed_vectors_count", "points_count", "segments_count")
    __match_args__ = ("segments_count", "points_count", "indexed_vectors_count", "payload_schema")

    segments_count: int
    points_count: int
    indexed_vectors_count: int
    _payload_schema: dict[str, PayloadIndexInfo]

    def __init__(
        self,
        segments_count: int,
        points_count: int,
        indexed_vectors_count: int,
        payload_schema: Mapping[str, PayloadIndexInfo],
    ) -> None:
        put_fields(
            self,
            segments_count=u64(segments_count, "segments_count"),
            points_count=u64(points_count, "points_count"),
            indexed_vectors_count=u64(indexed_vectors_count, "indexed_vectors_count"),
            _payload_schema={
                path: instance(info, PayloadIndexInfo, "payload_schema")
                for path, info in instance(payload_schema, Mapping, "payload_schema").items()
            },
        )

    @classmethod
    def _make(
        cls,
        segments_count: int,
        points_count: int,
        indexed_vectors_count: int,
        payload_schema: Mapping[str, PayloadIndexInfo],
    ) -> ShardInfo:
        """The same as the constructor."""
        return cls(segments_count, points_count, indexed_vectors_count, payload_schema)

    @property
    def payload_schema(self) -> dict[str, PayloadIndexInfo]:
        """Payload indexes by path; a fresh dict."""
        return dict(self._payload_schema)


def _pack(vector: Any) -> Any:
    if vector is None:
        return None
    if isinstance(vector, Mapping):
        return {name: pack_example(value, "vector") for name, value in vector.items()}
    return pack_example(vector, "vector")


def _hashable(vector: Any) -> Any:
    if isinstance(vector, list):
        return tuple([_hashable(item) for item in vector])
    if isinstance(vector, dict):
        return frozenset([(name, _hashable(item)) for name, item in vector.items()])
    return vector
