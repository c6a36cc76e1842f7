import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeshard._native import ColumnStrings, extract_column, extract_objects, string_texts
from edgeshard.errors import CorruptedError
from edgeshard.filter.columns import PayloadColumns
from edgeshard.models.paths import parse_path


def test_only_changed_points_are_read_again(neutral):
    points = neutral.Points((i, {"a": [{"b": i}], "n": i}) for i in range(1000))
    fields = points.columns.nested(parse_path("a[]")).columns
    for _ in range(2):
        points.columns.column(parse_path("n"))
        fields.column(parse_path("b"))
    read = points.reads
    for offset in range(50):
        points.change(offset, {"a": [{"b": -1}, {"b": -2}], "n": -1})
        column = points.columns.column(parse_path("n"))
        nested = points.columns.nested(parse_path("a[]"))
        assert column.numbers[offset] == -1
        owned = nested.columns.column(parse_path("b")).numbers[nested.owners == offset]
        assert owned.tolist() == [-1, -2]
    assert points.reads - read == 150


def test_new_points_are_taken_up(neutral):
    points = neutral.Points((i, {"n": i}) for i in range(10))
    assert points.columns.column(parse_path("n")).points == 10
    points.add(10, {"n": [1, 2]})
    column = points.columns.column(parse_path("n"))
    assert column.points == 11
    assert column.numbers[column.owners == 10].tolist() == [1, 2]


def test_memory_stays_within_the_budget(neutral):
    points = neutral.Points((i, {name: i * k for k, name in enumerate("abcdefgh")}) for i in range(2000))
    columns = PayloadColumns(points, budget_bytes=100_000)
    for name in "abcdefgh":
        columns.column(parse_path(name))
        assert columns.nbytes <= 100_000
    assert columns.is_warm(parse_path("h"))
    assert not columns.is_warm(parse_path("a"))
    columns.drop()
    assert columns.nbytes == 0


def test_outdated_entries_and_strings_do_not_pile_up(neutral):
    points = neutral.Points((i, {"t": ["x", f"text {i}"]}) for i in range(100))
    for number in range(20_000):
        points.change(number % 100, {"t": ["x", f"another text {number}"]})
        if number % 20 == 0:
            points.columns.column(parse_path("t"))
    assert points.columns.nbytes < 1_000_000
    column = points.columns.column(parse_path("t"))
    assert all(column.strings.find(f"another text {number}") for number in range(19_900, 19_980))


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'{"a"}',
        b'{"a":}',
        b'{"a":[1,}',
        b'{"a":"x',
        b'{"a":"\\ud800"}',
        b'{"a":tru}',
        b'{"a":{"lon":1]}',
    ],
)
def test_damaged_payload_names_its_point(neutral, raw):
    points = neutral.Points((i, {"a": i}) for i in range(5))
    points.raw[3] = raw
    with pytest.raises(CorruptedError, match="offset 3"):
        points.columns.column(parse_path("a"))
    points.raw[3] = b'{"a":3}'
    assert points.columns.column(parse_path("a")).numbers.tolist() == [0, 1, 2, 3, 4]


TOKENS = [*'{}[]":,', '"a"', '"b"', '"lon"', '"lat"', "1", "-2.5e3", "null", "true", "\\u0041", "\\"]


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from(TOKENS)).map(lambda parts: ('{"a":' + "".join(parts)).encode()),
    st.integers(0, 80),
)
def test_any_bytes_are_survived(raw, cut):
    data = np.frombuffer(raw, np.uint8)
    bounds = np.array([0, min(cut, len(raw)), len(raw)], np.int64)
    for steps in (("a",), ("a", None), ("a", 0, "lon")):
        for counts in (False, True):
            failure = extract_column(data, bounds, steps, counts, ColumnStrings())[0]
            assert failure is None or (0 <= failure[0] < 2 and failure[1] <= len(raw))
        extract_objects(data, bounds, steps)


def test_bounds_are_checked():
    data = np.zeros(10, np.uint8)
    for bounds in ([], [0, 11], [-1, 5], [5, 3, 6]):
        with pytest.raises(ValueError):
            extract_column(data, np.array(bounds, np.int64), ("a",), False, ColumnStrings())


def test_deep_and_long_paths(neutral):
    deep = json.loads("[" * 100 + "1" + "]" * 100)
    points = neutral.Points([(0, {"a": deep})])
    assert points.columns.column(parse_path("a" + "[]" * 99)).numbers.tolist() == [1.0]
    assert points.columns.column(parse_path("a" + "[]" * 5000)).facts.tolist() == [0]


def test_strings_are_found_by_their_words():
    strings = ColumnStrings()
    texts = ["", "Red fox", "the quick red fox", "fox red", "FOX-trot", "x" * 100, "naïve Straße"]
    raw = b"".join(json.dumps({"a": text}, ensure_ascii=False).encode() for text in texts)
    bounds = np.cumsum([0] + [len(json.dumps({"a": text}, ensure_ascii=False).encode()) for text in texts])
    codes = extract_column(np.frombuffer(raw, np.uint8), bounds, ("a",), False, strings)[6]
    assert codes.tolist() == list(range(1, 8))

    def found(how, text):
        return [texts[code - 1] for code in np.flatnonzero(strings.match(how, text))]

    assert found(0, "fox RED") == ["Red fox", "the quick red fox", "fox red"]
    assert found(1, "trot quick") == ["the quick red fox", "FOX-trot"]
    assert found(2, "red fox") == ["Red fox", "the quick red fox"]
    assert found(3, "fo") == ["fox red"]
    assert found(4, "fox") == ["Red fox", "the quick red fox", "fox red"]
    assert found(4, "") == texts
    assert found(0, "straße") == ["naïve Straße"]
    assert found(0, "") == found(1, "") == found(2, "") == found(2, "fox the") == []


def test_substrings_do_not_reach_over_two_strings():
    rng = random.Random(6)
    strings = ColumnStrings()
    texts = ["".join(rng.choice("ab") for _ in range(rng.randrange(6))) for _ in range(60)]
    rows = [json.dumps({"a": text}).encode() for text in texts]
    bounds = np.cumsum([0, *map(len, rows)])
    codes = extract_column(np.frombuffer(b"".join(rows), np.uint8), bounds, ("a",), False, strings)[6]
    for wanted in ["a", "ab", "ba", "aab", "bbbb", "ababab"]:
        hits = strings.match(4, wanted)
        assert [bool(hits[code]) for code in codes] == [wanted in text for text in texts]


VALUES = st.sampled_from(
    [
        None,
        1,
        -7,
        2**60 + 1,
        2.5,
        3.0,
        "a",
        "b",
        "2024-01-01",
        True,
        [],
        [4],
        [5, 6],
        {"lon": 1.0, "lat": 2.0},
        {"x": 1},
    ]
)


@given(st.lists(VALUES, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 7), VALUES), max_size=12))
def test_points_changed_one_by_one_are_as_read_afresh(neutral, start, changes):
    points = neutral.Points((i, {"n": value}) for i, value in enumerate(start))
    path = parse_path("n")
    points.columns.column(path)
    for offset, value in changes:
        points.change(offset % len(start), {"n": value})
        kept = points.columns.column(path)
        assert entries_of(kept) == entries_of(PayloadColumns(points).column(path))


def entries_of(column):
    """What the points of a column have, whatever the order and the form of the arrays."""
    found = [[] for _ in range(column.points)]
    for place, tag in enumerate(column.tags.tolist()):
        owner = place if column.owners is None else int(column.owners[place])
        if owner >= column.points or not tag:
            continue
        numbers = [np.nan if array is None else array[place] for array in (column.numbers, column.lons, column.lats)]
        code = 0 if column.codes is None else int(column.codes[place])
        text = string_texts(column.strings, np.array([code], np.uint32))[0] if code else None
        whole = int(numbers[0]) if tag == 4 and column.integers is None else None
        whole = int(column.integers[place]) if tag == 4 and column.integers is not None else whole
        found[owner].append((tag, text, whole, repr(np.array(numbers))))
    return found, column.facts.tolist()
