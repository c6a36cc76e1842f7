"""Texts and numbers of types derived from str and int: members of enumerations, NumPy's, classes of callers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard


class Word(str, enum.Enum):
    """Formatted as ``Word.VECTOR``, equal to and encoded as ``v``."""

    VECTOR, SPARSE, FIELD, VALUE, LATER = "v", "s", "k", "red", "later"


class Number(enum.IntEnum):
    ONE, TWO = 1, 2


class Text(str):
    __slots__ = ()


Make = Callable[[Any], Any]
KINDS: dict[str, tuple[Make, Make]] = {
    "enumerations": (Word, Number),
    "numpy": (np.str_, np.int64),
    "own classes": (Text, np.uint8),
}


def answers(mod: Any, path: Path, text: Make, number: Make) -> list[Any]:
    """What a shard says that was made, changed and asked with such values, before and after it is loaded again."""
    ops, nearest = mod.UpdateOperation, mod.Query.Nearest
    shard = mod.EdgeShard.create(
        text(str(path)) if text is not Word else str(path),
        mod.EdgeConfig(
            vectors={text("v"): mod.EdgeVectorParams(number(2), mod.Distance.Dot)},
            sparse_vectors={text("s"): mod.EdgeSparseVectorParams()},
        ),
    )
    vectors = {text("v"): [number(1), 2.0], text("s"): mod.SparseVector([number(1)], [number(2)])}
    shard.update(ops.upsert_points([mod.Point(number(1), vectors, {text("k"): text("red"), "n": number(2)})]))
    shard.update(ops.create_field_index(text("k"), mod.KeywordIndexParams()))
    words = mod.StopwordsSet(set(), {text("red")})
    shard.update(ops.create_field_index("t", mod.TextIndexParams(stopwords=words)))
    shard.update(ops.create_dense_vector(text("later"), number(1), mod.Distance.Dot))
    shard.update(ops.update_vectors([mod.PointVectors(number(1), {text("later"): [3.0]})]))
    said: list[Any] = []
    for _ in range(2):
        for match in (
            mod.MatchValue(text("red")), mod.MatchAny([text("red")]), mod.MatchText(text("red")),
            mod.MatchExcept([text("later")]), mod.MatchPrefix(text("red")),
        ):  # fmt: skip
            has = mod.Filter(must=[mod.FieldCondition(text("k"), match=match), mod.HasVectorCondition(text("later"))])
            said.append(shard.count(mod.CountRequest(filter=has)))
        for query in (nearest([1.0, 1.0], text("v")), nearest(mod.SparseVector([1], [1.0]), using=text("s"))):
            hits = shard.query(mod.QueryRequest(number(2), query=query, with_payload=[text("k")]))
            said.append([(hit.id, hit.score, hit.payload) for hit in hits])
        record = shard.retrieve([number(1)], True, True)[0]
        said.append((record.payload, sorted(record.vector), {type(name) for name in record.vector}))
        shard.close()
        shard = mod.EdgeShard.load(str(path))
    shard.update(ops.delete_vector_name(text("later")))
    said.append(sorted(shard.retrieve([1], False, True)[0].vector))
    shard.close()
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_they_stand_for_their_values(kind: str, tmp_path: Path) -> None:
    """The directory of a vector was once called after a member of an enumeration, and the shard did not load."""
    ours = answers(edgeshard, tmp_path / "ours", *KINDS[kind])
    assert ours == answers(qdrant_edge, tmp_path / "theirs", *KINDS[kind])
    both = edgeshard.EdgeShard.load(tmp_path / "theirs"), qdrant_edge.EdgeShard.load(str(tmp_path / "ours"))
    assert both[0].retrieve([1], True, True)[0].vector == {"v": [1.0, 2.0], "s": edgeshard.SparseVector([1], [2.0])}
    assert sorted(both[1].retrieve([1], True, True)[0].vector) == ["s", "v"]
    for shard in both:
        shard.close()


@pytest.mark.parametrize("text", [Word, np.str_, Text], ids=lambda kind: kind.__name__)
def test_models_hold_plain_texts(text: Make) -> None:
    for held in (
        edgeshard.MatchValue(text("red")).value,
        edgeshard.MatchAny([text("red")]).value[0],
        edgeshard.HasVectorCondition(text("v")).vector,
        next(
            iter(
                edgeshard.EdgeConfig(vectors={text("v"): edgeshard.EdgeVectorParams(1, edgeshard.Distance.Dot)}).vectors
            )
        ),
        next(iter(edgeshard.Point(1, {text("v"): [1.0]}).vector)),
        edgeshard.Query.Nearest([1.0], text("v")).using,
        edgeshard.FieldCondition(text("k"), is_null=True).key,
    ):
        assert type(held) is str
