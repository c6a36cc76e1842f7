import pickle

import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st

from edgeshard.errors import ValidationError
from edgeshard.models.paths import ELEMENTS, JsonPath, parse_path

PIECES = [
    "a",
    "b_-",
    ".",
    "[",
    "[]",
    "[0]",
    "]",
    '"',
    '" "',
    "\\",
    "007",
    " ",
    "é",
    '"x.y"',
    '""',
    "²",
    "नाम",
    "^",
]


def test_steps_and_spelling():
    path = parse_path('a."b.c"[][007].नाम')
    assert path.steps == ("a", "b.c", ELEMENTS, 7, "नाम")
    assert str(path) == 'a."b.c"[][7].नाम'
    assert JsonPath.parse(str(path)) == path
    assert hash(JsonPath.parse('"a"')) == hash(JsonPath.parse("a"))
    assert pickle.loads(pickle.dumps(path)) == path


def test_elements_appended_once():
    assert parse_path("a").elements() == parse_path("a[]")
    assert parse_path("a[]").elements() == parse_path("a[]")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", [{"b": [{"c": 1}, 2, [3]]}]),
        ("a.b", [[{"c": 1}, 2, [3]]]),
        ("a.b.c", []),
        ("a.b[].c", [1]),
        ("a.b[]", [{"c": 1}, 2, [3]]),
        ("a.b[2][0]", [3]),
        ("a.b[3]", []),
        ("a[]", []),
        ("z", []),
    ],
)
def test_lookup(text, found):
    assert parse_path(text).lookup({"a": {"b": [{"c": 1}, 2, [3]]}}) == found


@pytest.mark.parametrize(
    "text", ["", "[0]", "a.", "a..b", "a.[]", "a[-1]", "a b", '"a', '"a\\"b"', "a[" + "9" * 30 + "]"]
)
def test_refused(text):
    with pytest.raises(ValidationError, match="invalid JSON path"):
        parse_path(text)


def test_not_a_string():
    with pytest.raises(TypeError):
        parse_path(["a"])


@given(st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=6).map("".join))
def test_accepts_and_spells_as_qdrant(text):
    try:
        expected = repr(qdrant_edge.IsEmptyCondition(text)).replace('\\"', '"')
    except ValueError:
        expected = None
    try:
        got = f'IsEmptyCondition(key="{parse_path(text)}")'
    except ValidationError:
        got = None
    if expected is None or "\\" not in expected:
        assert got == expected
