"""Text indexes in memory and in files answer as looking at every document does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeshard import _native

WORDS = [f"w{number}" for number in range(40)]
SEPARATOR = "\0"


def random_documents(rng: np.random.Generator, count: int) -> dict[int, list[list[str]]]:
    """Documents of some texts of some words; the first words are in most of them."""

    def text() -> list[str]:
        return [WORDS[place] for place in (len(WORDS) * rng.random(rng.integers(0, 9)) ** 3).astype(int)]

    return {document: [text() for _ in range(rng.integers(0, 4))] for document in range(count)}


def batch_of(documents: dict[int, list[list[str]]]) -> tuple[Any, ...]:
    """Arguments of ``put``: documents, vocabulary, numbers, bounds, texts, counts."""
    texts = [text for some in documents.values() for text in some]
    numbers = [WORDS.index(word) for text in texts for word in text]
    bounds = np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int64)
    counts = np.array([len(some) for some in documents.values()], np.uint32)
    return (
        np.array(list(documents), np.uint32), [*WORDS, SEPARATOR], np.array(numbers, np.uint32), bounds,
        np.arange(len(texts), dtype=np.uint32), counts,
    )  # fmt: skip


def in_files(documents: dict[int, list[list[str]]], *, phrases: bool, scored: bool) -> dict[str, Any]:
    """Arguments of ``open_text_files``."""
    postings, vocabulary, frequencies, distinct, _ = _native.build_text_files(*batch_of(documents)[1:], phrases, scored)
    return {
        "vocabulary": vocabulary, "postings": postings, "distinct": distinct.view(np.uint8),
        "frequencies": frequencies if scored else np.zeros(0, np.uint8), "positions": phrases,
        "documents": len(documents),
    }  # fmt: skip


def in_memory(documents: dict[int, list[list[str]]], *, phrases: bool) -> _native.PlainTextIndex:
    index = _native.PlainTextIndex(phrases)
    index.put(*batch_of(documents))
    return index


def words_of(texts: list[list[str]]) -> list[str]:
    return [word for text in texts for word in text]


def has_phrase(texts: list[list[str]], tokens: list[str]) -> bool:
    size = len(tokens)
    return any(text[at : at + size] == tokens for text in texts for at in range(len(text) - size + 1))


def check(index: _native.TextIndex, documents: dict[int, list[list[str]]], rng: Any, *, phrases: bool) -> None:
    """Everything the index says against the documents themselves."""
    count = len(documents)
    for _ in range(30):
        tokens = list(dict.fromkeys([*rng.choice(WORDS[:12], rng.integers(1, 4)), *rng.choice([*WORDS, "new"], 1)]))
        tokens = [str(token) for token in tokens[: rng.integers(1, 5)]]
        sets = [set(words_of(texts)) for texts in documents.values()]
        assert index.all_of(tokens, count).tolist() == [set(tokens) <= words for words in sets]
        assert index.any_of(tokens, count).tolist() == [bool(words & set(tokens)) for words in sets]
        if phrases:
            expected = [has_phrase(texts, tokens) for texts in documents.values()]
            assert index.phrase(tokens, count).tolist() == expected
    assert index.filled(count).tolist() == [bool(words_of(texts)) for texts in documents.values()]
    assert not index.all_of([], count).any()


def check_scores(index: _native.TextIndex, documents: dict[int, list[list[str]]], rng: Any) -> None:
    count = len(documents)
    lengths = np.array([len(words_of(texts)) for texts in documents.values()])
    for alive in (None, rng.random(count) < 0.7):
        tokens = ["w0", "w1", "w9", "new"]
        kept = np.ones(count, np.bool_) if alive is None else alive
        times = np.array([[words_of(texts).count(token) for token in tokens] for texts in documents.values()])
        filled, total, holders = index.statistics(tokens, alive)
        assert (filled, total) == (np.count_nonzero(lengths[kept]), lengths[kept].sum())
        assert holders == np.count_nonzero(times[kept], axis=0).tolist()
        rarity = [0.3, 0.9, 2.0, 7.0]
        norm = 1.2 * (1 - 0.75 + 0.75 * lengths / 5.5)
        expected = (times * 2.2 / (times + norm[:, None]) * rarity).sum(axis=1)
        found, scores = index.search(tokens, rarity, 1.2, 0.75, 5.5, kept, 25)
        ranked = np.sort(expected[kept & (expected > 0)])[::-1][:25]
        np.testing.assert_allclose(scores, ranked, rtol=1e-5)
        np.testing.assert_allclose(scores, expected[found], rtol=1e-5)
        assert kept[found].all()


@pytest.mark.parametrize("phrases", [False, True])
@pytest.mark.parametrize("count", [1, 100, 3000])
def test_in_memory(count: int, phrases: bool) -> None:
    rng = np.random.default_rng(count)
    documents = random_documents(rng, count)
    index = in_memory(documents, phrases=phrases)
    check(index, documents, rng, phrases=phrases)
    check_scores(index, documents, rng)


def test_in_memory_after_changes() -> None:
    rng = np.random.default_rng(4)
    documents = random_documents(rng, 800)
    index = in_memory(documents, phrases=True)
    for round_ in range(60):  # enough for former tokens to be thrown out
        fresh = random_documents(np.random.default_rng(round_), 800)
        changed = {document: fresh[document] for document in sorted(rng.choice(800, 400, replace=False).tolist())}
        index.put(*batch_of(changed))
        gone = rng.choice(800, 20, replace=False)
        index.remove(gone.astype(np.uint32))
        documents.update(changed)
        documents.update({int(document): [] for document in gone})
    check(index, documents, rng, phrases=True)
    check_scores(index, documents, rng)
    assert index.nbytes < 1 << 20


@pytest.mark.parametrize(("phrases", "scored"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("count", [1, 100, 3000])
def test_in_files(count: int, phrases: bool, scored: bool) -> None:
    rng = np.random.default_rng(count)
    documents = random_documents(rng, count)
    index = _native.open_text_files(**in_files(documents, phrases=phrases, scored=scored))
    index.check()
    check(index, documents, rng, phrases=phrases)
    if scored:
        check_scores(index, documents, rng)


@pytest.mark.parametrize("name", ["vocabulary", "postings", "frequencies"])
def test_damaged_files_are_told_not_believed(name: str) -> None:
    rng = np.random.default_rng(11)
    whole = in_files(random_documents(rng, 400), phrases=True, scored=True)
    told = 0
    for _ in range(400):
        damaged = whole[name].copy()
        if rng.random() < 0.3:
            damaged = damaged[: rng.integers(0, len(damaged))]
        else:
            places = rng.integers(0, min(len(damaged), 4000), 3)
            damaged[places] = rng.integers(0, 256, 3)
        try:
            index = _native.open_text_files(**{**whole, name: damaged})
            index.all_of(WORDS[:2], 400)
            index.phrase(WORDS[:3], 400)
            index.search(WORDS[:2], [1.0, 1.0], 1.2, 0.75, 5.0, np.ones(400, np.bool_), 10)
            index.check()
        except (ValueError, RuntimeError):
            told += 1
    assert told > 80  # the rest hit padding, or made another index that is whole


def test_a_list_has_no_more_documents_than_there_are() -> None:
    whole = in_files(random_documents(np.random.default_rng(12), 400), phrases=False, scored=False)
    chunks = np.array([1 << 20], "<u4").view(np.uint8)
    damaged = np.concatenate([whole["postings"], np.zeros(16 << 20, np.uint8)])
    for start in range(40, 40 + 24 * 5, 24):
        damaged[start + 8 : start + 12] = chunks
    index = _native.open_text_files(**{**whole, "postings": damaged})
    with pytest.raises(RuntimeError, match="more documents than there are"):
        index.check()


def test_numbers_that_point_nowhere_are_refused() -> None:
    index = _native.PlainTextIndex(False)
    one = np.ones(1, np.uint32)
    arguments = [one, ["a"], np.zeros(1, np.uint32), np.array([0, 1], np.int64), np.zeros(1, np.uint32), one]
    index.put(*arguments)
    for place, wrong in ((2, one), (3, np.array([0, 2], np.int64)), (4, one), (5, one * 2)):
        with pytest.raises(ValueError, match="expected"):
            index.put(*arguments[:place], wrong, *arguments[place + 1 :])
