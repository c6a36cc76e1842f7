"""Random shards and updates that any module with the Qdrant Edge API can carry out.

An update is described without objects of either engine (``("upsert", [...])``), so that one history can be given to
both and the contents compared.
"""

from __future__ import annotations

import math
import random
import uuid
from typing import Any

Update = tuple[str, Any]


class Layout:
    """The vectors of a random shard.

    Args:
        rng: source of randomness.
        simple: only one unnamed float32 vector.
    """

    def __init__(self, rng: random.Random, *, simple: bool = False) -> None:
        self.dense: dict[str, tuple[int, str, str, bool]] = {}
        self.sparse: list[str] = []
        names = [""] if simple else rng.choice([[""], ["a"], ["a", "b"], ["", "b"], ["a", "b", "c"], []])
        for name in names:
            distance = rng.choice(["Cosine", "Euclid", "Dot", "Manhattan"])
            datatype = "Float32" if simple else rng.choice(["Float32", "Float32", "Float16", "Uint8"])
            multi = not simple and rng.random() < 0.25
            self.dense[name] = (rng.choice([1, 3, 4, 8, 33]), distance, datatype, multi)
        if not names or (not simple and rng.random() < 0.5):
            self.sparse = ["s"]

    def config(self, mod: Any, **settings: Any) -> Any:
        """The configuration for one of the engines; more settings of it by name."""
        vectors = {}
        for name, (size, distance, datatype, multi) in self.dense.items():
            comparator = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim) if multi else None
            vectors[name] = mod.EdgeVectorParams(
                size=size,
                distance=getattr(mod.Distance, distance),
                datatype=getattr(mod.VectorStorageDatatype, datatype),
                multivector_config=comparator,
            )
        sparse = {name: mod.EdgeSparseVectorParams() for name in self.sparse}
        return mod.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse or None, **settings)

    def vector(self, rng: random.Random, name: str) -> Any:
        """A random vector in neutral form; sparse as ``("sparse", indices, values)``."""
        if name in self.sparse:
            indices = rng.sample(range(60), rng.randint(1, 6))  # 0.9.0 drops empty ones when it optimises
            return ("sparse", indices, [round(rng.uniform(-2, 2), 3) for _ in indices])
        size, _, datatype, multi = self.dense[name]
        top = 255 if datatype == "Uint8" else 3

        def row() -> list[float]:
            low = 0 if datatype == "Uint8" else -top
            return [round(rng.uniform(low, top), 3) for _ in range(size)]

        return [row() for _ in range(rng.randint(1, 4))] if multi else row()

    def vectors(self, rng: random.Random, share: float = 0.85) -> Any:
        """Random vectors of a point: bare for the unnamed one, else by name; some are missing."""
        names = [name for name in [*self.dense, *self.sparse] if rng.random() < share]
        if names == [""] and not self.sparse and len(self.dense) == 1:
            return self.vector(rng, "")
        return {name: self.vector(rng, name) for name in names}


def random_id(rng: random.Random) -> int | uuid.UUID:
    """One of a few ids, so that updates hit existing points."""
    if rng.random() < 0.3:
        return uuid.UUID(int=rng.randint(1, 12) << 64 | 0x1234)
    return rng.choice([rng.randint(0, 30), rng.randint(0, 30), 2**64 - 1 - rng.randint(0, 2)])


def random_payload(rng: random.Random) -> dict[str, Any]:
    """A small payload with values of every kind."""
    values: list[tuple[str, Any]] = [
        ("n", rng.randint(-3, 9)),
        ("f", rng.choice([0.5, -1.25, 3.0, 1e-7, 1e20])),
        ("k", rng.choice(["red", "green", "blüe", "", "a b"])),
        ("tags", [rng.choice(["x", "y", "z"]) for _ in range(rng.randint(0, 3))]),
        ("flag", rng.random() < 0.5),
        ("none", None),
        ("deep", {"a": {"b": rng.randint(0, 3)}, "l": [{"v": 1}, {"v": rng.randint(0, 5), "w": None}]}),
        ("when", f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:00:00Z"),
        ("geo", {"lon": rng.uniform(-170, 170), "lat": rng.uniform(-80, 80)}),
        ("text", "x" * rng.choice([1, 100, 5000])),
    ]
    chosen = [pair for pair in values if rng.random() < 0.4]
    rng.shuffle(chosen)
    return dict(chosen)


def random_update(rng: random.Random, layout: Layout) -> Update:
    """One random update in neutral form."""
    kind = rng.choices(
        ["upsert", "delete", "set", "overwrite", "unset", "clear", "vectors", "forget", "delete_by", "set_by"],
        [8, 2, 3, 1, 2, 1, 3, 1, 1, 1],
    )[0]
    ids = [random_id(rng) for _ in range(rng.randint(1, 4))]
    if kind == "upsert":
        count = rng.randint(1, 12)
        return kind, [(random_id(rng), layout.vectors(rng), random_payload(rng)) for _ in range(count)]
    if kind == "set":
        return kind, (ids[:1], random_payload(rng), rng.choice([None, None, "deep", "deep.a", "new.path"]))
    if kind == "overwrite":
        return kind, (ids[:1], random_payload(rng))
    if kind == "unset":
        return kind, (ids[:1], rng.sample(["n", "deep.a", "tags", "deep.l[].v", "k", "missing"], 2))
    if kind == "vectors":
        vectors = layout.vectors(rng)
        return kind, [(ids[0], vectors)]
    if kind == "forget":
        names = [*layout.dense, *layout.sparse]
        return kind, (ids[:1], [rng.choice(names)])
    if kind == "delete_by":
        return kind, ("n", rng.randint(-3, 9))
    if kind == "set_by":
        return kind, ("n", rng.randint(-3, 9), random_payload(rng))
    return kind, ids if kind == "delete" else ids[:1]


def _live_vector(mod: Any, vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: _live_vector(mod, part) for name, part in vector.items()}
    if isinstance(vector, tuple):
        return mod.SparseVector(vector[1], vector[2])
    return vector


def build(mod: Any, update: Update) -> Any:
    """The update for one of the engines."""
    kind, args = update
    ops = mod.UpdateOperation
    if kind == "upsert":
        return ops.upsert_points([mod.Point(i, _live_vector(mod, v), p) for i, v, p in args])
    if kind == "delete":
        return ops.delete_points(args)
    if kind == "set":
        return ops.set_payload(args[0], args[1], args[2])
    if kind == "overwrite":
        return ops.overwrite_payload(*args)
    if kind == "unset":
        return ops.delete_payload(*args)
    if kind == "clear":
        return ops.clear_payload(args)
    if kind == "vectors":
        return ops.update_vectors([mod.PointVectors(i, _live_vector(mod, v)) for i, v in args])
    if kind == "forget":
        return ops.delete_vectors(*args)
    condition = mod.Filter(must=[mod.FieldCondition(key=args[0], match=mod.MatchValue(args[1]))])
    if kind == "delete_by":
        return ops.delete_points_by_filter(condition)
    return ops.set_payload_by_filter(condition, args[2])


def carry_out(mod: Any, shard: Any, update: Update) -> bool:
    """Apply an update; whether it was accepted (an update of a missing point is not)."""
    try:
        shard.update(build(mod, update))
    except Exception as error:
        if "No point with id" not in str(error):
            raise
        return False
    return True


def dump(mod: Any, shard: Any) -> dict[Any, tuple[Any, Any]]:
    """All points: id -> (vectors, payload)."""
    points, offset = {}, None
    while True:
        request = mod.ScrollRequest(offset=offset, limit=64, with_payload=True, with_vector=True)
        records, offset = shard.scroll(request)
        for record in records:
            points[record.id] = (_plain(record.vector), record.payload)
        if offset is None:
            return points


def _plain(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: _plain(part) for name, part in vector.items()}
    if hasattr(vector, "indices"):
        return ("sparse", list(vector.indices), list(vector.values))
    return vector


def same(left: Any, right: Any, tolerance: float = 1e-6) -> bool:
    """Equality with a tolerance for floats, and int, float and bool told apart."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key], tolerance) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(
            same(one, other, tolerance) for one, other in zip(left, right, strict=True)
        )
    return bool(left == right)


def assert_same(left: dict[Any, Any], right: dict[Any, Any]) -> None:
    """Fail with the first point that differs."""
    assert sorted(left, key=str) == sorted(right, key=str)
    for point_id in left:
        assert same(left[point_id], right[point_id]), f"{point_id}: {left[point_id]!s:.600} != {right[point_id]!s:.600}"
