"""Comparison of the answers of two engines: equal up to rounding and to the order of equal scores.

Where answers differ, `Judge.ambiguous` asks the reference whether a tie inside the request (a limit that cuts one, a
rank that depends on one) leaves more than one right answer.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from neutral import Call, Member, build
from workload import same

RTOL, ATOL = 1e-5, 2e-5
MANY = 1000


def near(left: float, right: float, slack: float = 1.0) -> bool:
    """Whether two scores are equal up to rounding."""
    return left == right or math.isclose(left, right, rel_tol=RTOL * slack, abs_tol=ATOL * slack)


def ask(mod: Any, shard: Any, method: str, request: Call) -> Any:
    """The answer, or the error it ended in."""
    try:
        return getattr(shard, method)(build(mod, request))
    except Exception as error:
        return error


def rank_of(point: Any, by_value: bool = False) -> float:
    """What a result is ordered by: its score, or the value an ordering gave it."""
    return float(point.order_value if by_value else getattr(point, "score", 1.0))


def orders(stage: Call) -> bool:
    """Whether a stage ranks by payload values."""
    query = stage.kwargs.get("query")
    return isinstance(query, Call) and query.name == "OrderBy"


def contents(point: Any) -> tuple[Any, Any, Any]:
    """What a result carries."""
    return point.payload, plain(point.vector), point.order_value


def plain(vector: Any) -> Any:
    """Vectors as lists; sparse ones as pairs of lists."""
    if isinstance(vector, dict):
        return {name: plain(part) for name, part in vector.items()}
    if hasattr(vector, "indices"):
        return list(vector.indices), list(vector.values)
    return vector


def entry(point: Any, by_value: bool) -> tuple[str, Any]:
    """What tells one result from another: an ordering may return a point several times."""
    return str(point.id), point.order_value if by_value else None


def first_difference(ours: list[Any], theirs: list[Any], slack: float = 1.0, by_value: bool = False) -> str | None:
    """What differs between two ranked lists, None if nothing does."""
    if len(ours) != len(theirs):
        return f"{len(ours)} results, expected {len(theirs)}"
    for place, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        left, right = rank_of(mine, by_value), rank_of(its, by_value)
        if not near(left, right, slack):
            return f"place {place}: {mine.id} with {left}, expected {its.id} with {right}"
    known = {entry(point, by_value): point for point in theirs}
    for mine in ours:
        its = known.get(entry(mine, by_value))
        if its is None:
            return f"{mine.id} is not expected"
        left, right = rank_of(mine, by_value), rank_of(its, by_value)
        if not near(left, right, slack):
            return f"{mine.id} has {left}, expected {right}"
        if not same(contents(mine), contents(its), 1e-5):
            return f"{mine.id} holds {contents(mine)}, expected {contents(its)}"
    return None


class Judge:
    """Tells differences from ties.

    Args:
        mod: the reference engine.
        shard: its shard.
        sizes: dimensions of the dense vectors by name.
    """

    def __init__(self, mod: Any, shard: Any, sizes: dict[str, int]) -> None:
        self.mod = mod
        self.shard = shard
        self.sizes = sizes

    def full(self, stage: Call, filters: tuple[Call, ...]) -> list[Any]:
        """The whole ranked list of a stage."""
        request = Call("QueryRequest", MANY, **{k: v for k, v in stage.kwargs.items() if k in STAGE})
        everything = [*filters] if stage.kwargs.get("filter") is None else [*filters, stage.kwargs["filter"]]
        found: Any = ask(
            self.mod, self.shard, "query", request.but(filter=Call("Filter", must=everything) if everything else None)
        )
        return [] if isinstance(found, Exception) else list(found)

    def ambiguous(self, stage: Call, filters: tuple[Call, ...] = (), root: bool = True) -> bool:
        """Whether rounding or the order of equal scores decides the answer of a stage."""
        query = stage.kwargs.get("query")
        if self.unstable(query) or self.at_threshold(stage, filters):
            return True
        inner = filters if stage.kwargs.get("filter") is None else (*filters, stage.kwargs["filter"])
        below = stage.kwargs.get("prefetches") or []
        for prefetch in below:
            if self.ambiguous(prefetch, inner, root=False):
                return True
            ranks = [rank_of(point, orders(prefetch)) for point in self.full(prefetch, inner)]
            limit = prefetch.kwargs["limit"]
            if isinstance(query, Call) and query.name == "Fusion.Rrf" and ties(ranks[: limit + 1]):
                return True
            if isinstance(query, Call) and query.name == "Fusion.Dbsf" and not orders(prefetch) and flat(ranks[:limit]):
                return True
            if limit < len(ranks) and near(ranks[limit - 1], ranks[limit]):
                return True
        if not (isinstance(query, Call) and query.name == "Mmr"):
            return False
        nearest = Call("Query.Nearest", query.args[0], query.args[3])
        return ties([rank_of(point) for point in self.full(stage.but(query=nearest), filters)])

    def unstable(self, query: Any) -> bool:
        """Whether a query compares similarities that are all alike: those of one dimension."""
        if isinstance(query, Member):
            return True
        compares = ("Query.Discover", "Query.RecommendBestScore", "Mmr")
        if not isinstance(query, Call) or query.name not in compares:
            return False
        return self.sizes.get(query.args[-1] or "", 2) == 1

    def at_threshold(self, stage: Call, filters: tuple[Call, ...]) -> bool:
        """Whether a score lies so close to the threshold that rounding decides."""
        threshold = stage.kwargs.get("score_threshold")
        if threshold is None:
            return False
        return any(near(rank_of(p), threshold) for p in self.full(stage.but(score_threshold=None), filters))

    def page_is_right(self, request: Call, ours: list[Any], theirs: list[Any], slack: float) -> str | None:
        """What is wrong with a page of results, given that a limit or offset may cut a tie."""
        by_value = orders(request)
        ranks = [[rank_of(point, by_value) for point in page] for page in (ours, theirs)]
        if len(ours) != len(theirs) or not all(near(a, b, slack) for a, b in zip(*ranks, strict=True)):
            return first_difference(ours, theirs, slack, by_value) or "ranks differ"
        kept = {entry(point, by_value) for point in ours}
        whole = [point for point in self.full(request, ()) if entry(point, by_value) in kept]
        return first_difference(ours, whole, slack, by_value)


STAGE = ("query", "prefetches", "score_threshold", "params", "with_payload", "with_vector")


def ties(ranks: list[float]) -> bool:
    """Whether two neighbours are equal up to rounding."""
    return any(near(a, b) for a, b in itertools.pairwise(ranks))


def flat(ranks: list[float]) -> bool:
    """Whether a list's spread is so small that rounding shows once it is divided by."""
    return len(ranks) > 1 and max(ranks) != min(ranks) and near(max(ranks), min(ranks), 100.0)
