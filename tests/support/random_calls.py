"""Random calls of everything public, with values that fit, values that do not, and what earlier calls returned.

Nothing here knows the API: callables and their parameters are found by inspection, so that what is added to the API is
called too.
"""

from __future__ import annotations

import enum
import inspect
import math
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import edgeshard
from edgeshard import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    MultiVectorComparator,
    MultiVectorConfig,
    Point,
    UpdateOperation,
)

CLEAN = (edgeshard.EdgeShardError, TypeError, ValueError, OverflowError)
"""What a refusal may be; anything else is a fault."""


def new_shard(path: Path) -> EdgeShard:
    multi = MultiVectorConfig(MultiVectorComparator.MaxSim)
    vectors = {
        "d": EdgeVectorParams(size=4, distance=Distance.Cosine),
        "m": EdgeVectorParams(size=4, distance=Distance.Dot, multivector_config=multi),
    }
    shard = EdgeShard.create(path, EdgeConfig(vectors=vectors, sparse_vectors={"s": EdgeSparseVectorParams()}))
    shard.update(UpdateOperation.create_field_index("k", edgeshard.PayloadSchemaType.Keyword))
    points = [Point(i, {"d": [1.0, i, 2.0, 3.0], "m": [[1.0] * 4] * 2}, {"n": i, "k": "red"}) for i in range(20)]
    shard.update(UpdateOperation.upsert_points(points))
    return shard


class Raising:
    """An object that refuses whatever it is asked."""

    def __array__(self, *arguments: Any, **settings: Any) -> Any:
        raise RuntimeError("no array here")

    def __len__(self) -> int:
        return 4

    def __getitem__(self, at: Any) -> Any:
        raise ValueError(f"no item {at}")

    def __index__(self) -> int:
        raise TypeError("no index")

    def __hash__(self) -> int:
        raise TypeError("unhashable")


class Shrinking(list[Any]):
    """A list that loses its items while it is read."""

    def __iter__(self) -> Iterator[Any]:
        while self:
            yield self.pop()


class Lying:
    """Claims memory it does not have."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"shape": (2, 4), "typestr": "<f4", "version": 3, "data": memoryview(b"1234")}


def big_endian() -> Any:
    return np.arange(4, dtype=">f8")


def read_only() -> Any:
    array = np.ones(4, np.float32)
    array.flags.writeable = False
    return array


HOSTILE: list[Callable[[], Any]] = [
    lambda: None,
    lambda: object(),
    Raising,
    Lying,
    lambda: Shrinking([1.0] * 4),
    lambda: Shrinking(["a", 1]),
    lambda: -1,
    lambda: 2**63,
    lambda: 2**64,
    lambda: 10**400,
    lambda: math.nan,
    lambda: -math.inf,
    lambda: 1e308,
    lambda: "",
    lambda: "\ud800",
    lambda: "a\0b",
    lambda: "x" * 100_000,
    lambda: "[" * 50,
    lambda: "../x",
    lambda: b"\xff",
    lambda: bytearray(b"ab"),
    lambda: memoryview(b"abcd"),
    lambda: True,
    lambda: 1j,
    lambda: (),
    list,
    dict,
    set,
    lambda: [None],
    lambda: [[]],
    lambda: [[1.0], [1.0, 2.0]],
    lambda: [object()],
    lambda: ["\ud800"],
    lambda: {1: 2},
    lambda: {"\ud800": "\udfff"},
    lambda: {"": {}},
    lambda: iter([1.0] * 4),
    lambda: (i for i in range(3)),
    lambda: range(3),
    lambda: int,
    lambda: lambda: 1,
    lambda: np.float16("nan"),
    lambda: np.zeros((0, 4)),
    lambda: np.zeros((2, 0), "f4"),
    lambda: np.ones(4)[::-1],
    lambda: np.ones((4, 2))[:, 0],
    big_endian,
    read_only,
    lambda: np.array([None, "a"], object),
    lambda: np.array(["a", "b"]),
    lambda: np.ones((1, 1, 4)),
    lambda: np.broadcast_to(np.float32(1), (1 << 36,)),
    lambda: np.datetime64("NaT"),
    lambda: np.ones(4, "V8"),
    lambda: np.ma.masked_array([1.0] * 4, [True] * 4),
    lambda: np.array(3),
    lambda: np.uint64(2**64 - 1),
    lambda: uuid.UUID(int=0),
    lambda: "not-a-uuid" * 4,
]
FITTING: list[Callable[[], Any]] = [
    lambda: 0,
    lambda: 1,
    lambda: 3,
    lambda: 17,
    lambda: 0.5,
    lambda: 2.0,
    lambda: "d",
    lambda: "m",
    lambda: "s",
    lambda: "k",
    lambda: "n",
    lambda: "red",
    lambda: [1.0, 2.0, 3.0, 4.0],
    lambda: [[1.0] * 4] * 2,
    lambda: [1, 2, 3],
    lambda: {"n": 1, "k": "red"},
    lambda: {"d": [1.0] * 4},
    lambda: "2024-01-01T00:00:00Z",
    lambda: [0.5, 0.25],
    lambda: np.ones((2, 4), np.float32),
    lambda: np.arange(2, dtype=np.uint64),
    lambda: {1, 2},
    lambda: ["k", "n"],
    lambda: str(uuid.UUID(int=5)),
    lambda: True,
    lambda: False,
]


class Caller:
    """Makes random calls.

    Args:
        mod: the module.
        rng: makes the choices.
    """

    def __init__(self, mod: Any, rng: random.Random) -> None:
        self._rng = rng
        self._made: list[Any] = []
        self._by_type: dict[str, list[Any]] = {}
        self._makers: list[tuple[str, Callable[..., Any]]] = []
        for name in sorted(vars(mod)):
            value = getattr(mod, name)
            if name.startswith("_") or not inspect.isclass(value) or issubclass(value, (BaseException, tuple)):
                continue
            if issubclass(value, enum.Enum):
                for member in value:
                    self._keep(member)
                continue
            if name != "EdgeShard":
                self._makers.append((name, value))
                self._makers += [
                    (f"{name}.{part}", getattr(value, part))
                    for part in sorted(vars(value))
                    if not part.startswith("_") and isinstance(vars(value)[part], (staticmethod, classmethod, type))
                ]

    def _keep(self, value: Any) -> None:
        group = self._by_type.setdefault(type(value).__name__, [])
        if len(group) < 50:
            group.append(value)
        else:
            group[self._rng.randrange(50)] = value

    def _value(self) -> Any:
        """Something to pass."""
        rng, roll = self._rng, self._rng.random()
        if roll < 0.3:
            return rng.choice(HOSTILE)()
        if roll < 0.6 or not self._by_type:
            return rng.choice(FITTING)()
        made = rng.choice(rng.choice(sorted(self._by_type.items()))[1])
        return [made] * rng.randint(1, 3) if roll < 0.75 else made

    def arguments(self, function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
        """Values for the parameters of a function, optional ones now and then."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            return [self._value()], {}
        for parameter in parameters:
            wanted = parameter.default is parameter.empty or self._rng.random() < 0.4
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not wanted:
                continue
            fitting = self._by_type.get(str(parameter.annotation).split("|")[0].split(".")[-1].strip(), [])
            value = self._rng.choice(fitting) if fitting and self._rng.random() < 0.7 else self._value()
            if parameter.kind is parameter.KEYWORD_ONLY or named or self._rng.random() < 0.2:
                named[parameter.name] = value
            else:
                positional.append(value)
        return positional, named

    def make(self) -> tuple[str, Callable[[], Any]]:
        """A call that makes an object, which is kept for later ones."""
        name, maker = self._rng.choice(self._makers)
        positional, named = self.arguments(maker)

        def call() -> Any:
            made = maker(*positional, **named)
            self._keep(made)
            for look in (repr, str, hash):
                try:
                    look(made)
                except TypeError:
                    continue  # unhashable
            return made

        return name, call

    def use(self, shard: Any) -> tuple[str, Callable[[], Any]]:
        """A call of a method of a shard."""
        names = (
            "update",
            "update",
            "update",
            "query",
            "query",
            "query_batch",
            "search",
            "scroll",
            "count",
            "facet",
            "retrieve",
            "snapshot_manifest",
            "query_groups",
            "explain",
            "search_matrix_pairs",
            "query_arrays",
            "measure_recall",
        )
        name = self._rng.choice([name for name in names if hasattr(shard, name)])
        method = getattr(shard, name)
        positional, named = self.arguments(method)
        return name, lambda: method(*positional, **named)
