"""Random shards with typed fields, and random requests of every kind over them, in a neutral form."""

from __future__ import annotations

import random
import uuid
from typing import Any

from neutral import Call, Member
from random_filters import random_filter, random_payload
from workload import Layout

INDEXES = {
    "num": "Integer",
    "real": "Float",
    "word": "Keyword",
    "when": "Datetime",
    "flag": "Bool",
    "uid": "Uuid",
    "at": "Geo",
}
"""Fields whose values all have one type, and the index that suits it."""
ORDERED = ["num", "real", "when"]
COUNTED = ["num", "word", "flag", "uid"]
LANGUAGES = ["red", "green", "blue", "Red fox", "quick brown", ""]
MANY = 1000
"""A limit beyond all points."""


class Dataset:
    """The layout of a random shard, its points and its payload indexes.

    Args:
        rng: source of randomness.
    """

    def __init__(self, rng: random.Random) -> None:
        self.layout = Layout(rng)
        self.idf = bool(self.layout.sparse) and rng.random() < 0.5
        self.indexes = [field for field in INDEXES if rng.random() < 0.6]
        count = rng.choice([1, 5, 20, 20, 40])
        ids = list(dict.fromkeys(self.random_id(rng) for _ in range(count)))
        self.points = [(point_id, self.layout.vectors(rng, 0.9), typed_payload(rng)) for point_id in ids]

    @staticmethod
    def random_id(rng: random.Random) -> int | uuid.UUID:
        """An id; one in five is a UUID."""
        return rng.randrange(60) if rng.random() < 0.8 else uuid.UUID(int=rng.randrange(1, 15) << 64 | 0x1234)

    def config(self, mod: Any) -> Any:
        """The configuration for one of the engines."""
        plain = self.layout.config(mod)
        if not self.idf:
            return plain
        sparse = {name: mod.EdgeSparseVectorParams(modifier=mod.Modifier.Idf) for name in self.layout.sparse}
        return mod.EdgeConfig(vectors=plain.vectors or None, sparse_vectors=sparse)

    @property
    def names(self) -> list[str]:
        """All vector names."""
        return [*self.layout.dense, *self.layout.sparse]


def typed_payload(rng: random.Random) -> dict[str, Any]:
    """A payload with anything in some fields and values of one type each in others."""
    makers: dict[str, Any] = {
        "num": lambda: rng.randint(-5, 12),
        "real": lambda: round(rng.uniform(-3, 3), 3),
        "word": lambda: rng.choice(LANGUAGES),
        "when": lambda: f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:00:00Z",
        "flag": lambda: rng.random() < 0.5,
        "uid": lambda: str(uuid.UUID(int=rng.randrange(1, 6))),
        "at": lambda: {"lon": round(rng.uniform(-170, 170), 3), "lat": round(rng.uniform(-80, 80), 3)},
    }
    payload = {}
    for name, make in makers.items():
        if rng.random() < 0.8:
            # Several values of a point differ: Qdrant counts equal ones towards the limit of an ordering.
            several = {repr(value): value for value in (make() for _ in range(rng.randint(0, 3)))}
            payload[name] = make() if rng.random() < 0.8 else list(several.values())
    return {**payload, **random_payload(rng)} if rng.random() < 0.7 else payload


# --- filters ---------------------------------------------------------------------------------------------


def typed_condition(rng: random.Random) -> Call:
    """A condition on one of the typed fields."""
    name = rng.choice(list(INDEXES))
    low = round(rng.uniform(-4, 4), 2)
    clauses: dict[str, Any] = {
        "num": {"range": Call("RangeFloat", gte=low, lt=low + rng.uniform(0, 9))},
        "real": {"range": Call("RangeFloat", gt=low, lte=low + rng.uniform(0, 4))},
        "word": {"match": Call("MatchAny", [rng.choice(LANGUAGES) for _ in range(rng.randint(1, 3))])},
        "when": {"range": Call("RangeDateTime", gte=f"2024-0{rng.randint(1, 9)}-01")},
        "flag": {"is_empty": rng.random() < 0.5},
        "uid": {"match": Call("MatchValue", str(uuid.UUID(int=rng.randrange(1, 6))))},
        "at": {"geo_radius": Call("GeoRadius", Call("GeoPoint", low * 20, low * 10), rng.uniform(1e5, 1e7))},
    }
    if name == "num" and rng.random() < 0.5:
        return Call("FieldCondition", name, match=Call("MatchValue", rng.randint(-5, 12)))
    if name == "at" and rng.random() < 0.5:
        corners = Call("GeoPoint", -90 + low, 40.0), Call("GeoPoint", 90 + low, -50.0)
        return Call("FieldCondition", name, geo_bounding_box=Call("GeoBoundingBox", *corners))
    return Call("FieldCondition", name, **clauses[name])


def any_filter(rng: random.Random) -> Call:
    """A filter of every kind of condition, or a small one that leaves many points."""
    if rng.random() < 0.5:
        clauses = {name: [typed_condition(rng)] for name in ("must", "must_not") if rng.random() < 0.5}
        if rng.random() < 0.4:
            clauses["should"] = [typed_condition(rng) for _ in range(rng.randint(1, 3))]
        return Call("Filter", **clauses)
    made: Call = random_filter(rng)
    return made


# --- queries ---------------------------------------------------------------------------------------------


def live(vector: Any) -> Any:
    """A vector of the layout as a neutral node."""
    return Call("SparseVector", vector[1], vector[2]) if isinstance(vector, tuple) else vector


class Asker:
    """Draws requests for one dataset.

    Args:
        rng: source of randomness.
        data: what the shard holds.
    """

    def __init__(self, rng: random.Random, data: Dataset) -> None:
        self.rng = rng
        self.data = data

    def maybe(self, chance: float, value: Any) -> Any:
        """A value (made when it is a function), or None."""
        if self.rng.random() >= chance:
            return None
        return value() if callable(value) else value

    def vector(self, name: str) -> Any:
        """A query vector for a name."""
        return live(self.data.layout.vector(self.rng, name))

    def vectors(self, name: str, low: int, high: int) -> list[Any]:
        """Some query vectors."""
        return [self.vector(name) for _ in range(self.rng.randint(low, high))]

    def pairs(self, name: str, low: int = 0) -> list[Call]:
        """Some context pairs."""
        return [Call("ContextPair", *self.vectors(name, 2, 2)) for _ in range(self.rng.randint(low, 3))]

    def vector_query(self) -> Call:
        """A query by vectors of any kind."""
        name = self.rng.choice(self.data.names)
        using = None if name == "" and self.rng.random() < 0.5 else name
        kind = self.rng.choice(["Nearest"] * 6 + ["Best", "Sum", "Discover", "Context", "Feedback"])
        if kind == "Nearest":
            return Call("Query.Nearest", self.vector(name), using)
        if kind in ("Best", "Sum"):
            examples = Call("RecommendQuery", self.vectors(name, 0, 3), self.vectors(name, 0, 2))
            return Call(f"Query.Recommend{kind}Score" + "s" * (kind == "Sum"), examples, using)
        if kind == "Discover":
            return Call("Query.Discover", Call("DiscoverQuery", self.vector(name), self.pairs(name)), using)
        if kind == "Context":
            return Call("Query.Context", Call("ContextQuery", self.pairs(name)), using)
        rated = [Call("FeedbackItem", v, round(self.rng.uniform(0, 1), 2)) for v in self.vectors(name, 0, 3)]
        weights = Call("NaiveFeedbackStrategy", 1.0, round(self.rng.uniform(0, 2), 2), 0.5)
        return Call("Query.FeedbackNaive", Call("FeedbackNaiveQuery", self.vector(name), rated, weights), using)

    def mmr(self) -> Call | None:
        """A diversity query, if there are dense vectors that Qdrant compares right: not bytes under Cosine."""
        names = [n for n, spec in self.data.layout.dense.items() if (spec[1], spec[2]) != ("Cosine", "Uint8")]
        if not names:
            return None
        name = self.rng.choice(names)
        return Call("Mmr", self.vector(name), round(self.rng.random(), 2), self.rng.choice([2, 5, 100]), name)

    def order(self) -> Call:
        """An ordering by a field that usually has an index."""
        fields = [field for field in ORDERED if field in self.data.indexes] or ORDERED
        start: Any = self.maybe(0.3, lambda: self.rng.randint(-3, 5))
        field = self.rng.choice(fields)
        if field == "when" and start is not None:
            start = f"2024-0{self.rng.randint(1, 9)}-01"
        direction = self.maybe(0.7, lambda: Member(self.rng.choice(["Direction.Asc", "Direction.Desc"])))
        return Call("OrderBy", field, direction, start)

    def formula(self, prefetches: int) -> Call:
        """A formula; it rarely fails, as most operands have defaults."""
        defaults = {"num": 1.5, "real": 0.25, "at": {"lon": 1.0, "lat": 2.0}, "when": "2024-03-01"}
        return Call("Formula", self.expression(prefetches, 0), defaults)

    def expression(self, prefetches: int, depth: int) -> Call:
        """An expression over scores, typed fields, conditions and constants."""
        rng = self.rng
        if depth > 2 or rng.random() < 0.35:
            leaf = rng.randrange(8)
            if leaf < 3:
                number = rng.randrange(prefetches + 1)
                return Call("Expression.Variable", rng.choice(["$score", f"$score[{number}]"]))
            if leaf == 3:
                return Call("Expression.Variable", rng.choice(["num[]", "real"]))
            if leaf == 4:
                return Call("Expression.Condition", typed_condition(rng))
            if leaf == 5:
                return Call("Expression.GeoDistance", Call("GeoPoint", 3.0, 4.0), "at")
            if leaf == 6:
                return Call("Expression.DatetimeKey", "when")
            return Call("Expression.Constant", round(rng.uniform(-3, 3), 2))
        inner = [self.expression(prefetches, depth + 1) for _ in range(rng.randint(1, 3))]
        one, other = inner[0], inner[-1]
        constant, shape = Call("Expression.Constant", 1.0), rng.choice(["Lin", "Exp", "Gauss"])
        return rng.choice(
            [
                Call("Expression.Sum", inner),
                Call("Expression.Mult", inner),
                Call("Expression.Max", inner),
                Call("Expression.Min", inner),
                Call("Expression.Neg", one),
                Call("Expression.Abs", one),
                Call("Expression.Div", one, other, 0.5),
                Call("Expression.Sqrt", Call("Expression.Abs", one)),
                Call("Expression.Pow", Call("Expression.Abs", one), Call("Expression.Constant", 0.5)),
                Call("Expression.Ln", Call("Expression.Sum", [Call("Expression.Abs", one), constant])),
                Call("Expression.Decay", Member(f"DecayKind.{shape}"), one, None, 0.5, 10.0),
            ]
        )

    def params(self, query: Any) -> Any:
        """Search parameters now and then."""
        if self.rng.random() < 0.8:
            return None
        using = query.args[-1] if isinstance(query, Call) and query.name.startswith("Query.") else None
        if self.data.idf and using == "s":
            corpus = self.maybe(0.7, lambda: any_filter(self.rng))
            return Call("SearchParams", idf=Call("IdfParams", corpus))
        return Call("SearchParams", exact=self.rng.random() < 0.5)

    def stage(self, depth: int, limit: int) -> dict[str, Any]:
        """The arguments that a request and a prefetch have in common."""
        rng = self.rng
        prefetches: list[Call] = []
        if depth < 3 and rng.random() < (0.55 if depth == 0 else 0.3):
            prefetches = [self.prefetch(depth + 1) for _ in range(rng.randint(1, 3))]
        query: Any
        if prefetches:
            kind = rng.choice(["rrf", "dbsf", "formula", "formula", "vector", "vector", "order", "mmr", "sample"])
            weights = self.maybe(0.3, lambda: [round(rng.uniform(0, 3), 1) for _ in prefetches])
            query = {
                "rrf": lambda: Call("Fusion.Rrf", rng.choice([1, 2, 60]), weights),
                "dbsf": lambda: Call("Fusion.Dbsf"),
                "formula": lambda: self.formula(len(prefetches)),
                "vector": self.vector_query,
                "order": self.order,
                "mmr": self.mmr,
                "sample": lambda: Member("Sample.Random"),
            }[kind]() or self.vector_query()
        else:
            kind = rng.choice(["vector"] * 8 + ["order", "mmr", "sample", "none"])
            query = {
                "vector": self.vector_query,
                "order": self.order,
                "mmr": lambda: self.mmr() or self.vector_query(),
                "sample": lambda: Member("Sample.Random"),
                "none": lambda: None,
            }[kind]()
        return {
            "limit": limit,
            "query": query,
            "prefetches": prefetches or None,
            # Wrapped, so that the judge can ask for all filters around a stage at once: lists of `should` are joined.
            "filter": self.maybe(0.4, lambda: Call("Filter", must=[any_filter(rng)])),
            "score_threshold": self.maybe(0.15, lambda: round(rng.uniform(-1, 3), 2)),
            "params": self.params(query),
        }

    def prefetch(self, depth: int) -> Call:
        """A prefetch with what may lie below it."""
        return Call("Prefetch").but(**self.stage(depth, self.rng.choice([3, 10, MANY, MANY])))

    def what(self) -> dict[str, Any]:
        """What to return of each point."""
        select = [True, ["num", "a"], Call("PayloadSelector.Exclude", ["word", "arr[].a"])]
        return {
            "with_payload": self.maybe(0.3, lambda: self.rng.choice(select)),
            "with_vector": self.maybe(0.2, lambda: self.rng.choice([True, self.data.names[:1]])),
        }

    def query(self) -> Call:
        """A query of any kind."""
        stage = self.stage(0, self.rng.choice([0, 1, 5, 10, MANY]))
        if isinstance(stage["query"], Call) and stage["query"].name == "Mmr":
            stage["limit"] = stage["limit"] or 1  # Qdrant picks one point for a limit of 0
        return Call("QueryRequest").but(**stage, **self.what(), offset=self.maybe(0.15, lambda: self.rng.randint(0, 6)))

    def request(self) -> tuple[str, Call]:
        """A method of the shard and its request."""
        rng = self.rng
        kind = rng.choice(["query"] * 8 + ["search", "search", "batch", "scroll", "scroll", "count", "facet"])
        some = self.maybe(0.6, lambda: any_filter(rng))
        if kind == "query":
            return kind, self.query()
        if kind == "batch":
            return "query_batch", Call("QueryBatchRequest", [self.query() for _ in range(rng.randint(0, 3))])
        if kind == "search":
            query = self.vector_query()
            request = Call("SearchRequest", query, rng.choice([1, 10, MANY]))
            return kind, request.but(filter=some, params=self.params(query), **self.what())
        if kind == "scroll":
            offset = self.maybe(0.5, lambda: Dataset.random_id(rng))
            order = self.maybe(0.3, self.order) if offset is None else None
            page = Call("ScrollRequest").but(offset=offset, limit=rng.choice([0, 1, 7, MANY]), filter=some)
            return kind, page.but(order_by=order, **self.what())
        if kind == "count":
            return kind, Call("CountRequest").but(exact=True, filter=some)
        return kind, Call("FacetRequest", rng.choice(COUNTED)).but(exact=rng.random() < 0.5, filter=some)
