"""Every tokenizer against the reference on random text and on real summaries."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import qdrant_edge as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeshard import _native
from edgeshard.text import han, multilingual, thai
from edgeshard.text.tokenizer import Tokenizer

KINDS = ["Word", "Whitespace", "Prefix", "Code"]
DATA = Path(os.environ.get("EDGESHARD_DATA", Path(__file__).parents[2] / "../shared/data"))
TRICKY = st.sampled_from("aAbBsS19_ éÉßΣσςǅǆª²Ⅷⅷ٣-Ⓐıİ中ſ\u0301\u0345'.")
CHARS = st.one_of(TRICKY, st.characters(exclude_categories=["Cs"]))
# Scripts the multilingual tokenizer needs no dictionary or language detection for.
ALPHABETIC = "aAbZéÉßæŒœİıñǅﬁªđÐжЖйЁёαΑςΣΐאבשּׁ한ㄱＡｂ क्षि ԱգႠბ019²½Ⅷ①\t\n-_.'’=+<$😀\u0301\u200d\u200c\x01"


def weights(model: reference.Bm25, text: str) -> dict[int, float]:
    found = model.embed_document(text)
    return dict(zip(found.indices, found.values, strict=True))


def our_weights(tokens: list[str]) -> dict[int, float]:
    counts = Counter(_native.token_ids(tokens).tolist())
    norm = 1.2 * (0.25 + 0.75 * len(tokens) / 256)
    return {token: pytest.approx(n * 2.2 / (n + norm), rel=1e-6) for token, n in counts.items()}


def model(kind: str, **config: object) -> reference.Bm25:
    return reference.Bm25(
        reference.Bm25Config(
            tokenizer=getattr(reference.TokenizerType, kind),
            stopwords=reference.StopwordsSet(),
            stemmer=reference.DisabledStemmer(),
            **config,
        )
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folding", [False, True])
@pytest.mark.parametrize("lowercase", [False, True])
def test_random_text(kind: str, folding: bool, lowercase: bool) -> None:
    config = {"ascii_folding": folding, "lowercase": lowercase}
    theirs = model(kind, **config)
    ours = Tokenizer(SimpleNamespace(tokenizer=kind, **config))

    @settings(max_examples=150)
    @given(st.text(CHARS, max_size=20))
    def check(text: str) -> None:
        assert weights(theirs, text) == our_weights(ours.tokens_document(text))
        assert theirs.embed_query(text).indices == sorted(our_weights(ours.tokens_query(text)))

    check()


@pytest.mark.parametrize("folding", [False, True])
def test_multilingual_on_alphabetic_scripts(folding: bool) -> None:
    theirs = model("Multilingual", ascii_folding=folding)
    ours = Tokenizer(SimpleNamespace(tokenizer="Multilingual", ascii_folding=folding))

    @settings(max_examples=500)
    @given(st.text(st.sampled_from(ALPHABETIC), max_size=12))
    def check(text: str) -> None:
        # Armenian mixed with other letters in one word is told apart by majority, ties are not defined.
        if not any("\u0531" <= char <= "\u058a" for char in text):
            assert weights(theirs, text) == our_weights(ours.tokens_document(text))

    check()


@pytest.mark.parametrize("text", ["α 0A", "я, 00Ab x", "中 0A", "①\u03010Ⅷ9 = A", "0A α", "x α 0A0 b"])
@pytest.mark.parametrize("folding", [False, True])
def test_digits_go_with_the_script_before_them(text: str, folding: bool) -> None:
    """Or, at the start, with the one behind them; words of ASCII alone are split apart from the others."""
    ours = Tokenizer(SimpleNamespace(tokenizer="Multilingual", ascii_folding=folding))
    assert weights(model("Multilingual", ascii_folding=folding), text) == our_weights(ours.tokens_document(text))


def test_full_width_forms_separate_as_in_the_reference() -> None:
    theirs = model("Multilingual")
    ours = Tokenizer(SimpleNamespace(tokenizer="Multilingual"))
    for code in range(0xFF00, 0xFFF0):
        text = f"ａ{chr(code)}ｂ"
        assert our_weights(ours.tokens_document(text)) == weights(theirs, text), hex(code)


@pytest.mark.parametrize("text", ["մարդիկ 日", "日本 բարեւ ձեզ", "Բարեւ 中文 hello", "中 բ", "日本語 東京 բ"])
def test_armenian_beside_chinese_characters(text: str) -> None:
    tokens = Tokenizer(SimpleNamespace(tokenizer="Multilingual")).tokens_document(text)
    assert our_weights(tokens) == weights(model("Multilingual"), text)


WORDS_OF = {
    "rjieba": [
        "自然语言处理是人工智能领域的重要方向。",
        "我们今天去北京大学参加会议，讨论数据库索引的性能问题。",
        "三四百一山羊胡子为什么",
        "Python3 是一种编程语言，支持 UTF-8 编码",
        "中華人民共和國萬歲，繁體字測試",
    ],
    "pythainlp": [
        "ภาษาไทยเป็นภาษาที่มีวรรณยุกต์ ฉันชอบกินข้าวผัดกับไข่ดาว",
        "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
        "ียนอ่านหนังสือในห้องสมุด ๑๒๓",
        "ระบบปฏิบัติการโอเพนซอร์ส Python3 ใช้งานง่าย",
    ],
    "lindera": [
        "東京都に住んでいます。今日は天気がいいから散歩に行きましょう。",
        "機械学習モデルの性能を評価する",
        "彼女は図書館でPythonの本を読んでいた 2024年",
        "スマートフォンの電池がすぐに切れる",
    ],
}
"""Text whose words the tokenizer takes from a package."""


@pytest.mark.parametrize(("package", "text"), [(package, text) for package in WORDS_OF for text in WORDS_OF[package]])
def test_multilingual_on_scripts_without_spaces(package: str, text: str) -> None:
    pytest.importorskip(package)
    tokens = Tokenizer(SimpleNamespace(tokenizer="Multilingual")).tokens_document(text)
    assert weights(model("Multilingual"), text) == our_weights(tokens)


def test_without_dictionaries_text_is_cut_by_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(han, "_lindera", lambda: None)
    monkeypatch.setattr(han, "_jieba", lambda: None)
    monkeypatch.setattr(thai, "_dictionary", lambda: None)
    tokenizer = Tokenizer(SimpleNamespace(tokenizer="Multilingual"))
    assert tokenizer.tokens_document("東京のタワー 数据库 ภาษาไทย") == [
        "東",
        "京",
        "の",
        "タワー",
        "数",
        "据",
        "库",
        "ภาษาไทย",
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("العَرَبِيَّة الكتاب", ["ال", "عربيه", "ال", "كتاب"]),
        ("Ёлка café Straße ΟΔΟΣ", ["е\u0308лка", "cafe", "straße", "οδοσ"]),
        ("3.14 x=1 don’t ① Ⅷ", ["x=1", "don", "t", "viii"]),
    ],
)
def test_multilingual_tokens(text: str, tokens: list[str]) -> None:
    assert Tokenizer(SimpleNamespace(tokenizer="Multilingual")).tokens_document(text) == tokens
    assert weights(model("Multilingual"), text) == our_weights(tokens)


@pytest.mark.parametrize(
    ("text", "tokens", "parts"),
    [
        ("HTTPServer2Go", "http server2 go httpserver2go", "http server2 go"),
        ("foo_barBaz", "foo bar baz barbaz foobarbaz", "foo bar baz"),
        ("getURLs 1_000 IPv6", "get urls geturls 1000 i pv6 ipv6", "get urls 1000 i pv6"),
    ],
)
def test_code_tokens(text: str, tokens: str, parts: str) -> None:
    tokenizer = Tokenizer(SimpleNamespace(tokenizer="Code"))
    assert tokenizer.tokens_document(text) == tokens.split()
    assert tokenizer.tokens_phrase(text) == parts.split()


def test_prefixes() -> None:
    limits = {"min_token_len": 2, "max_token_len": 4}
    tokenizer = Tokenizer(SimpleNamespace(tokenizer="Prefix", stopwords="english", **limits))
    assert tokenizer.tokens_document("the Search to") == ["se", "sea", "sear"]
    assert tokenizer.tokens_query("the Search a") == ["the", "sear"]


@pytest.mark.parametrize("kind", [*KINDS, "Multilingual"])
def test_real_summaries(kind: str) -> None:
    path = DATA / "pypi30k" / "payloads.jsonl.gz"
    if not path.exists():
        pytest.skip("the data set pypi30k is not there")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line).get("summary") or "" for line, _ in zip(lines, range(3000), strict=False)]
    config = {"max_token_len": 8} if kind == "Prefix" else {}
    theirs = model(kind, **config)
    ours = Tokenizer(SimpleNamespace(tokenizer=kind, **config))
    vocabulary, numbers, bounds = ours.batch(texts)
    for i, text in enumerate(texts):
        tokens = [vocabulary[j] for j in numbers[bounds[i] : bounds[i + 1]]]
        assert tokens == ours.tokens_document(text)
        assert sorted(weights(theirs, text)) == sorted(our_weights(tokens)), text


def test_words_of_ascii_do_not_change_what_is_split_around_them() -> None:
    mixed = (
        "3ω 3日本 １ω -ω ǂω 12кот ω3 3é the foo_bar naïve Größe ﬁ бегущий ① ½ المكتبة الهاتف ال ספר ΟΔΟΣ İstanbul x²"
    )
    others = (
        "नमस्ते 한국어 日本語 漢字かな カタカナ tokyo東京 123 -- – ’s ภาษาไทย ՀԱՅ հայ ǂ ＡＢＣ １２３ a$b <= $ 你好世界"
    )
    words = [*mixed.split(" "), *others.split(" "), "\t", "\x01", "x\u200by", "z\u00a0w"]
    rng = random.Random(1)
    for _ in range(3000):
        blank = rng.choice(["  ", "\n", "\u3000"]) if rng.random() < 0.1 else " "
        text = blank.join(rng.choices(words, k=rng.randint(0, 9)))
        lowercase, folding = rng.random() < 0.5, rng.random() < 0.3
        if not multilingual.is_simple(text):
            whole = multilingual._split_runs(text, lowercase, folding)
            assert multilingual.split_multilingual(text, lowercase, folding) == whole, text
