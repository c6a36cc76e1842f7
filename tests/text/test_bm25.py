"""BM25 embeddings equal to the reference, and the ranking formula."""

from __future__ import annotations

import math
import pickle
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import qdrant_edge as reference

import edgeshard
from edgeshard.errors import ValidationError
from edgeshard.text.bm25 import Bm25Model

TEXT = """
the running ponies don't stop HTTPServer getUserName snake_case_name foo_bar naïve Größe café ÉCOLE ﬁ Æther
бегущий кошка дом и die dying der flies 3.14 2024 v2.0 ① ½ المكتبة הספר ΟΔΟΣ İstanbul x² los les chevaux
corriendo searching searches l'homme aujourd'hui e-mail user@example.com नमस्ते 한국어 URLs 100 bør huset
"""
WORDS = TEXT.split()
LANGUAGES = ["english", "de", "fr", "es", "russian", "ar", "no", "fi", "da", "turkish", "hi-en", "chinese"]


def both(**config: object) -> tuple[reference.Bm25, Bm25Model]:
    """A reference model and ours; strings stand for enumeration members of the same name."""
    theirs = dict(config)
    if "tokenizer" in theirs:
        theirs["tokenizer"] = getattr(reference.TokenizerType, str(theirs["tokenizer"]))
    if "stemmer" in theirs:
        theirs["stemmer"] = reference.DisabledStemmer()
    if "stopwords" in theirs:
        theirs["stopwords"] = reference.StopwordsSet(custom=theirs["stopwords"])
        config["stopwords"] = SimpleNamespace(languages=None, custom=config["stopwords"])
    return reference.Bm25(reference.Bm25Config(**theirs)), Bm25Model(SimpleNamespace(**config))


def unpacked(packed: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Indices and weights."""
    count = len(packed) // 8
    return np.frombuffer(packed, np.uint32, count), np.frombuffer(packed, np.float32, offset=4 * count)


def random_config(rng: random.Random) -> dict[str, object]:
    choices: dict[str, list[object]] = {
        "tokenizer": ["Word", "Whitespace", "Prefix", "Code", "Multilingual"],
        "language": list(LANGUAGES),
        "lowercase": [True, False],
        "ascii_folding": [True, False],
        "min_token_len": [0, 2, 3],
        "max_token_len": [0, 3, 5, 8],
        "k": [0.0, 0.9, 2.0],
        "b": [0.0, 0.4, 1.0],
        "avg_len": [5.0, 100.0],
        "stopwords": [{"FOO", "die", "2024"}],
        "stemmer": [SimpleNamespace()],
    }
    names = ["tokenizer", "language", *rng.sample(sorted(choices)[:-1], 3)]
    return {name: rng.choice(choices[name]) for name in names}


@pytest.mark.parametrize("seed", range(40))
def test_random_configs_embed_like_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    config = random_config(rng)
    theirs, ours = both(**config)
    for _ in range(40):
        text = " ".join(rng.choices(WORDS, k=rng.randint(0, 12)))
        for method in ("document", "query"):
            expected = getattr(theirs, f"embed_{method}")(text)
            indices, values = unpacked(getattr(ours, method)(text))
            assert indices.tolist() == expected.indices, (config, method, text)
            np.testing.assert_allclose(values, expected.values, rtol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {"language": "English"},
        {"language": "ja"},
        {"language": "none"},
        {"language": "tamil"},
        {"language": ""},
        {"avg_len": 0.0},
        {"avg_len": math.inf},
        {"avg_len": math.nan},
        {"b": 1.5},
        {"b": -0.1},
        {"b": math.nan},
        {"k": -1.0},
        {"k": math.inf},
        {"k": math.nan},
    ],
)
def test_bad_configs_are_refused_with_the_message_of_the_reference(config: dict[str, object]) -> None:
    with pytest.raises(ValueError) as expected:
        reference.Bm25(reference.Bm25Config(**config))
    with pytest.raises(ValidationError) as got:
        Bm25Model(SimpleNamespace(**config))
    assert str(got.value) == str(expected.value)


def test_default_config() -> None:
    theirs = reference.Bm25().embed_document("The quick foxes and the quicker fox")
    indices, values = unpacked(Bm25Model().document("The quick foxes and the quicker fox"))
    assert indices.tolist() == theirs.indices
    np.testing.assert_allclose(values, theirs.values, rtol=1e-6)


def test_ranking_formula(tmp_path: Path) -> None:
    """A token's inverse document frequency times tf (k + 1) / (tf + k (1 - b + b length / average)), added up."""
    texts = ["red fox", "red red red dog", "cat", "red fox fox dog cow hen"]
    k, b, average = 1.7, 0.6, (2 + 4 + 1 + 6) / 4

    def expected(text: str) -> float:
        words = text.split()
        total = 0.0
        for token in ("red", "fox"):
            tf, having = words.count(token), sum(token in other.split() for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            total += idf * tf * (k + 1) / (tf + k * (1 - b + b * len(words) / average))
        return total

    config = edgeshard.EdgeConfig(vectors=edgeshard.EdgeVectorParams(2, edgeshard.Distance.Dot))
    with edgeshard.EdgeShard.create(tmp_path / "shard", config) as shard:
        schema = edgeshard.TextIndexParams(scoring=True)
        shard.update(edgeshard.UpdateOperation.create_field_index("t", schema))
        points = [edgeshard.Point(i, [1.0, 0.0], {"t": text}) for i, text in enumerate(texts)]
        shard.update(edgeshard.UpdateOperation.upsert_points(points))
        query = edgeshard.TextQuery("t", "red fox", edgeshard.Bm25Params(k=k, b=b))
        hits = shard.query(edgeshard.QueryRequest(limit=9, query=query))
    assert {hit.id for hit in hits} == {0, 1, 3}
    for hit in hits:
        assert hit.score == pytest.approx(expected(texts[int(hit.id)]), rel=1e-5)  # type: ignore[arg-type]


def test_a_packed_vector_is_a_vector() -> None:
    made = edgeshard.Bm25().embed_document("running foxes run")
    same = edgeshard.SparseVector(made.indices, made.values)
    again = edgeshard.Bm25().embed_document("running foxes run")
    assert again == same
    assert hash(edgeshard.Bm25().embed_query("fox")) == hash(edgeshard.SparseVector(*_parts("fox")))
    assert pickle.loads(pickle.dumps(edgeshard.Bm25().embed_document("running foxes run"))) == same
    assert edgeshard.Bm25().embed_query("the") == edgeshard.SparseVector([], [])
    with pytest.raises(AttributeError, match="'SparseVector' object has no attribute 'size'"):
        made.size  # noqa: B018


def _parts(query: str) -> tuple[list[int], list[float]]:
    vector = edgeshard.Bm25().embed_query(query)
    return vector.indices, vector.values


@pytest.mark.parametrize("tokenizer", ["Word", "Whitespace", "Multilingual"])
@pytest.mark.parametrize("text", [5, None, ["a"], b"a"])
def test_only_texts_are_embedded(tokenizer: str, text: object) -> None:
    model = edgeshard.Bm25(edgeshard.Bm25Config(tokenizer=getattr(edgeshard.TokenizerType, tokenizer)))
    for method in (model.embed_document, model.embed_query):
        with pytest.raises(TypeError, match="text: expected a str"):
            method(text)
