"""Queries by vectors. Examples are kept packed (see `edgeshard.models.vectors`), in slots as ``_vector``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from edgeshard.models.base import (
    Model,
    abstract,
    f32,
    instance,
    instances,
    opt_text,
    put_fields,
    sequence,
    show,
    variant,
)
from edgeshard.models.vectors import NamedVector, PackedVector, VectorOutput, pack_example, unpack

__all__ = [
    "Context",
    "ContextPair",
    "ContextQuery",
    "Discover",
    "DiscoverQuery",
    "FeedbackItem",
    "FeedbackNaive",
    "FeedbackNaiveQuery",
    "NaiveFeedbackStrategy",
    "Nearest",
    "Query",
    "RecommendBestScore",
    "RecommendQuery",
    "RecommendSumScores",
]


class RecommendQuery(Model):
    """Examples to be like and unlike. Packed in ``_positives`` and ``_negatives``.

    Args:
        positives: vectors to be like.
        negatives: vectors to be unlike.
    """

    __slots__ = ("_negatives", "_positives")
    __match_args__ = ("positives", "negatives")

    _positives: list[PackedVector]
    _negatives: list[PackedVector]

    def __init__(self, positives: Iterable[NamedVector], negatives: Iterable[NamedVector]) -> None:
        put_fields(self, _positives=_examples(positives, "positives"), _negatives=_examples(negatives, "negatives"))

    @property
    def positives(self) -> list[VectorOutput]:
        """Vectors to be like."""
        return [unpack(vector) for vector in self._positives]

    @property
    def negatives(self) -> list[VectorOutput]:
        """Vectors to be unlike."""
        return [unpack(vector) for vector in self._negatives]


class ContextPair(Model):
    """Two examples: be closer to the first. Packed in ``_positive`` and ``_negative``.

    Args:
        positive: vector to be closer to.
        negative: vector to be farther from.
    """

    __slots__ = ("_negative", "_positive")
    __match_args__ = ("positive", "negative")

    _positive: PackedVector
    _negative: PackedVector

    def __init__(self, positive: NamedVector, negative: NamedVector) -> None:
        put_fields(self, _positive=pack_example(positive, "positive"), _negative=pack_example(negative, "negative"))

    @property
    def positive(self) -> VectorOutput:
        """Vector to be closer to."""
        return unpack(self._positive)

    @property
    def negative(self) -> VectorOutput:
        """Vector to be farther from."""
        return unpack(self._negative)


class DiscoverQuery(Model):
    """A target inside the region pairs of examples mark out. The target is packed in ``_target``.

    Args:
        target: vector to be like.
        pairs: examples.
    """

    __slots__ = ("_pairs", "_target")
    __match_args__ = ("target", "pairs")

    _target: PackedVector
    _pairs: tuple[ContextPair, ...]

    def __init__(self, target: NamedVector, pairs: Iterable[ContextPair]) -> None:
        put_fields(self, _target=pack_example(target, "target"), _pairs=instances(pairs, ContextPair, "pairs"))

    @property
    def target(self) -> VectorOutput:
        """Vector to be like."""
        return unpack(self._target)

    @property
    def pairs(self) -> list[ContextPair]:
        """The examples; a fresh list."""
        return list(self._pairs)


class ContextQuery(Model):
    """The region pairs of examples mark out.

    Args:
        pairs: examples.
    """

    __slots__ = ("_pairs",)
    __match_args__ = ("pairs",)

    _pairs: tuple[ContextPair, ...]

    def __init__(self, pairs: Iterable[ContextPair]) -> None:
        put_fields(self, _pairs=instances(pairs, ContextPair, "pairs"))

    @property
    def pairs(self) -> list[ContextPair]:
        """The examples; a fresh list."""
        return list(self._pairs)


class FeedbackItem(Model):
    """A vector and how well it was liked. Packed in ``_vector``.

    Args:
        vector: the vector.
        score: how well, float32, larger is better.
    """

    __slots__ = ("_vector", "score")
    __match_args__ = ("vector", "score")

    _vector: PackedVector
    score: float

    def __init__(self, vector: NamedVector, score: float) -> None:
        put_fields(self, _vector=pack_example(vector, "vector"), score=f32(score, "score"))

    @property
    def vector(self) -> VectorOutput:
        """The vector."""
        return unpack(self._vector)


class NaiveFeedbackStrategy(Model):
    """Weights of the naive feedback formula, float32.

    Args:
        a: weight of the similarity to the target.
        b: exponent of the differences of feedback scores.
        c: weight of the feedback.
    """

    __slots__ = ("a", "b", "c")
    __match_args__ = ("a", "b", "c")

    a: float
    b: float
    c: float

    def __init__(self, a: float, b: float, c: float) -> None:
        put_fields(self, a=f32(a, "a"), b=f32(b, "b"), c=f32(c, "c"))


class FeedbackNaiveQuery(Model):
    """A target, corrected by feedback on earlier results. The target is packed in ``_target``.

    Args:
        target: vector to be like.
        feedback: rated vectors.
        strategy: weights of the formula.
    """

    __slots__ = ("_feedback", "_target", "coefficients")
    __match_args__ = ("target", "feedback", "coefficients")

    _target: PackedVector
    _feedback: tuple[FeedbackItem, ...]
    coefficients: NaiveFeedbackStrategy

    def __init__(self, target: NamedVector, feedback: Iterable[FeedbackItem], strategy: NaiveFeedbackStrategy) -> None:
        put_fields(
            self,
            _target=pack_example(target, "target"),
            _feedback=instances(feedback, FeedbackItem, "feedback"),
            coefficients=instance(strategy, NaiveFeedbackStrategy, "strategy"),
        )

    @property
    def target(self) -> VectorOutput:
        """Vector to be like."""
        return unpack(self._target)

    @property
    def feedback(self) -> list[FeedbackItem]:
        """Rated vectors; a fresh list."""
        return list(self._feedback)

    def _shown(self) -> Iterable[str]:
        yield f"target={show(self.target)}"
        yield f"feedback={show(self.feedback)}"
        yield f"strategy={show(self.coefficients)}"


class Query(Model):
    """A query by vectors: `Query.Nearest`, `Query.RecommendBestScore` and so on."""

    __slots__ = ("using",)

    if TYPE_CHECKING:  # the variants below, by the names that make them types
        Nearest: TypeAlias = "_Nearest"
        RecommendBestScore: TypeAlias = "_RecommendBestScore"
        RecommendSumScores: TypeAlias = "_RecommendSumScores"
        Discover: TypeAlias = "_Discover"
        Context: TypeAlias = "_Context"
        FeedbackNaive: TypeAlias = "_FeedbackNaive"

    using: str | None

    def __init__(self) -> None:
        raise abstract(Query)


@variant
class Nearest(Query):
    """The points nearest to a vector. Packed in ``_vector``.

    Args:
        query: the vector: dense, multi or `SparseVector`.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ("_vector",)
    __match_args__ = ("query", "using")

    _vector: PackedVector

    def __init__(self, query: NamedVector, using: str | None = None) -> None:
        put_fields(self, _vector=pack_example(query), using=opt_text(using, "using"))

    @property
    def query(self) -> VectorOutput:
        """The vector."""
        return unpack(self._vector)

    @classmethod
    def _make(cls, vector: PackedVector, using: str | None) -> Nearest:
        """A query with a vector that is packed already."""
        new = cls.__new__(cls)
        put_fields(new, _vector=vector, using=using)
        return new


class _Recommend(Query, public=False):
    """Points like some examples and unlike others."""

    __slots__ = ("query",)
    __match_args__ = ("query", "using")

    query: RecommendQuery

    def __init__(self, query: RecommendQuery, using: str | None = None) -> None:
        put_fields(self, query=instance(query, RecommendQuery, "query"), using=opt_text(using, "using"))


@variant
class RecommendBestScore(_Recommend):
    """Points whose best example is a positive one, ranked by it.

    Args:
        query: the examples.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ()


@variant
class RecommendSumScores(_Recommend):
    """Points ranked by similarities to positive examples less those to negative ones.

    Args:
        query: the examples.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ()


@variant
class Discover(Query):
    """Points like a target, ranked first by how many pairs of examples they agree with.

    Args:
        query: target and pairs.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ("query",)
    __match_args__ = ("query", "using")

    query: DiscoverQuery

    def __init__(self, query: DiscoverQuery, using: str | None = None) -> None:
        put_fields(self, query=instance(query, DiscoverQuery, "query"), using=opt_text(using, "using"))


@variant
class Context(Query):
    """Points ranked by how well they agree with pairs of examples.

    Args:
        query: the pairs.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ("query",)
    __match_args__ = ("query", "using")

    query: ContextQuery

    def __init__(self, query: ContextQuery, using: str | None = None) -> None:
        put_fields(self, query=instance(query, ContextQuery, "query"), using=opt_text(using, "using"))


@variant
class FeedbackNaive(Query):
    """Points like a target, corrected by feedback.

    Args:
        query: target, feedback and weights.
        using: name of the stored vector, None for the unnamed one.
    """

    __slots__ = ("query",)
    __match_args__ = ("query", "using")

    query: FeedbackNaiveQuery

    def __init__(self, query: FeedbackNaiveQuery, using: str | None = None) -> None:
        put_fields(self, query=instance(query, FeedbackNaiveQuery, "query"), using=opt_text(using, "using"))


def _examples(vectors: Iterable[NamedVector], name: str) -> list[PackedVector]:
    return [pack_example(vector, name) for vector in sequence(vectors, name)]


if TYPE_CHECKING:
    _Nearest: TypeAlias = Nearest
    _RecommendBestScore: TypeAlias = RecommendBestScore
    _RecommendSumScores: TypeAlias = RecommendSumScores
    _Discover: TypeAlias = Discover
    _Context: TypeAlias = Context
    _FeedbackNaive: TypeAlias = FeedbackNaive
