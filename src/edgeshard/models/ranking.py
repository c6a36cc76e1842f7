"""Ways to rank other than by vectors alone: fusion, order, diversity, text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeshard.errors import quoted
from edgeshard.models.base import (
    Model,
    abstract,
    f32,
    f64,
    instance,
    json_path,
    opt_instance,
    opt_text,
    put_fields,
    sequence,
    text,
    u64,
    variant,
)
from edgeshard.models.enums import Direction
from edgeshard.models.vectors import NamedVector, PackedVector, VectorOutput, pack_example, unpack

__all__ = ["Bm25Params", "Dbsf", "Fusion", "Mmr", "OrderBy", "Rrf", "TextQuery"]


class Fusion(Model):
    """One ranking out of several: `Fusion.Rrf` or `Fusion.Dbsf`."""

    __slots__ = ()

    if TYPE_CHECKING:  # the variants below, by the names that make them types
        Rrf: TypeAlias = "_Rrf"
        Dbsf: TypeAlias = "_Dbsf"

    def __init__(self) -> None:
        if type(self) is Fusion:
            raise abstract(Fusion)


@variant
class Rrf(Fusion):
    """Reciprocal rank fusion (Cormack, Clarke & Büttcher 2009).

    Args:
        k: constant of the formula; small values favour the first places.
        weights: weight of each prefetch (float32), all 1 if None.
    """

    __slots__ = ("_weights", "k")
    __match_args__ = ("k", "weights")

    k: int
    _weights: tuple[float, ...] | None

    def __init__(self, k: int, weights: Iterable[float] | None = None) -> None:
        put_fields(
            self,
            k=u64(k, "k"),
            _weights=None
            if weights is None
            else tuple([f32(weight, "weights") for weight in sequence(weights, "weights")]),
        )

    @property
    def weights(self) -> list[float] | None:
        """Weight of each prefetch; a fresh list."""
        return None if self._weights is None else list(self._weights)


@variant
class Dbsf(Fusion):
    """Distribution-based score fusion: scores are scaled by mean and deviation and added up."""

    __slots__ = ()


class OrderBy(Model):
    """Points in the order of a payload field, which needs an index that supports ranges.

    Args:
        key: the field's path.
        direction: ascending if None.
        start_from: first value included: a number, or a date as text.

    Raises:
        ValidationError: text that is no date.
    """

    __slots__ = ("_start", "_start_is_date", "direction", "key")
    __match_args__ = ("key", "direction", "start_from")

    key: str
    direction: Direction | None
    _start: int | float | None
    """The value, a date as microseconds since 1970."""
    _start_is_date: bool

    def __init__(
        self, key: str, direction: Direction | None = None, start_from: int | float | str | None = None
    ) -> None:
        start, is_date = _start(start_from)
        put_fields(
            self,
            key=json_path(key, "key"),
            direction=opt_instance(direction, Direction, "direction"),
            _start=start,
            _start_is_date=is_date,
        )

    @property
    def start_from(self) -> int | float | str | None:
        """First value included; a date in UTC."""
        if not self._start_is_date:
            return self._start
        from edgeshard.models.dates import format_datetime

        assert isinstance(self._start, int)
        return format_datetime(self._start)

    def _state(self) -> tuple[Any, ...]:
        return self.key, self.direction, self._start, type(self._start), self._start_is_date


class Mmr(Model):
    """Maximal marginal relevance (Carbonell & Goldstein 1998): near the query, but unlike each other.

    Args:
        vector: the query, packed in ``_vector``.
        lambda_: weight of relevance against diversity, 1 to 0 (float32).
        candidates_limit: how many nearest points to choose from.
        using: name of the stored vector, the unnamed one if None.
    """

    __slots__ = ("_vector", "candidates_limit", "lambda_", "using")
    __match_args__ = ("vector", "lambda_", "candidates_limit", "using")

    _vector: PackedVector
    lambda_: float
    candidates_limit: int
    using: str

    def __init__(self, vector: NamedVector, lambda_: float, candidates_limit: int, using: str | None = None) -> None:
        put_fields(
            self,
            _vector=pack_example(vector, "vector"),
            lambda_=f32(lambda_, "lambda_"),
            candidates_limit=u64(candidates_limit, "candidates_limit"),
            using=opt_text(using, "using") or "",
        )

    @property
    def vector(self) -> VectorOutput:
        """The query vector."""
        return unpack(self._vector)


class Bm25Params(Model):
    """Parameters of BM25 (Robertson & Zaragoza 2009), float32; checked when the query runs.

    Args:
        k: saturation of the term frequency, not negative; 1.2 if None.
        b: weight of the document's length, 0 to 1; 0.75 if None.
    """

    __slots__ = ("b", "k")
    __match_args__ = ("k", "b")

    k: float
    b: float

    def __init__(self, k: float | None = None, b: float | None = None) -> None:
        put_fields(self, k=f32(1.2 if k is None else k, "k"), b=f32(0.75 if b is None else b, "b"))


class TextQuery(Model):
    """Points ranked by BM25 over a text index created with ``scoring=True``.

    Args:
        field: path of the indexed field.
        query: words to look for, split as the index splits them.
        scoring: parameters of the formula.
    """

    __slots__ = ("field", "query", "scoring")
    __match_args__ = ("field", "query", "scoring")

    field: str
    query: str
    scoring: Bm25Params

    def __init__(self, field: str, query: str, scoring: Bm25Params | None = None) -> None:
        put_fields(
            self,
            field=json_path(field, "field"),
            query=text(query, "query"),
            scoring=Bm25Params() if scoring is None else instance(scoring, Bm25Params, "scoring"),
        )


def _start(value: Any) -> tuple[int | float | None, bool]:
    """The value to start from, and whether it is a date (then in microseconds)."""
    if value is None:
        return None, False
    if isinstance(value, str):
        from edgeshard.models.datetimes import parse_datetime

        return parse_datetime(value), True
    if hasattr(value, "__index__") and -(2**63) <= int(value) < 2**63:
        return int(value), False
    try:
        return f64(value, "start_from"), False
    except OverflowError:
        raise TypeError(f"start_from: {quoted(value, 40)} is more than a 64-bit integer or a float holds") from None


if TYPE_CHECKING:
    _Rrf: TypeAlias = Rrf
    _Dbsf: TypeAlias = Dbsf
