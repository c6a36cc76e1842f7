"""Payload JSON: against `json`, and byte for byte against what qdrant_edge stores."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeshard.errors import CorruptedError, ValidationError
from edgeshard.models.payload import decode_payload, encode_payload
from edgeshard.storage.gridstore import Gridstore

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(TEXT, VALUES, max_size=5)


def same(one: Any, other: Any) -> bool:
    """Equality that tells int, float and bool apart, and -0.0 from 0.0."""
    return repr(one) == repr(other)


@given(PAYLOADS)
def test_round_trip(payload: dict[str, Any]) -> None:
    raw = encode_payload(payload)
    assert same(decode_payload(raw), payload)
    assert same(json.loads(raw), payload)


@given(st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT))
def test_same_text_as_json_but_for_floats(payload: dict[str, Any]) -> None:
    expected = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    assert encode_payload(payload).decode() == expected


@given(FLOATS)
def test_floats_are_shortest_and_exact(value: float) -> None:
    text = encode_payload({"x": value})[5:-1].decode()
    assert same(float(text), value)
    digits = [part.split("e")[0].replace(".", "").strip("-0") for part in (text, repr(value))]
    assert digits[0].rstrip("0") == digits[1].rstrip("0")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "1e+16"), (1e15, "1000000000000000.0"), (12345678901234567.0, "1.2345678901234568e+16"),
        (1234567890123456.0, "1234567890123456.0"), (1e-5, "0.00001"), (1e-6, "1e-6"), (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"), (-0.0, "-0.0"),
        (100.0, "100.0"), (0.1, "0.1"), (2**63, "9223372036854775808"), (2**64, "1.8446744073709552e+19"),
        (-(2**63), "-9223372036854775808"), (-(2**63) - 1, "-9.223372036854776e+18"),
        ("\x00\b\t\n\f\r\x1f\x7f\"\\/é\u2028",
         '"\\u0000\\b\\t\\n\\f\\r\\u001f\x7f\\"\\\\/é\u2028"'),
        (b"ab", "[97,98]"), ((1, (2,)), "[1,[2]]"), (np.float32(0.5), "0.5"), (np.bool_(True), "true"),
        (np.arange(3), "[0,1,2]"), (range(2), "[0,1]"), (True, "true"), (None, "null"),
    ],
)  # fmt: skip
def test_spelling(value: Any, text: str) -> None:
    assert encode_payload({"k": value}).decode() == f'{{"k":{text}}}'


def nested(levels: int) -> dict[str, Any]:
    """Dictionaries so many levels deep."""
    payload: dict[str, Any] = {}
    for _ in range(levels - 1):
        payload = {"a": payload}
    return payload


def test_depth_is_limited_and_cycles_are_found() -> None:
    assert decode_payload(encode_payload(nested(126))) == nested(126)
    with pytest.raises(ValidationError, match="126"):
        encode_payload(nested(127))
    cycle: dict[str, Any] = {}
    cycle["self"] = [cycle]
    with pytest.raises(ValidationError):
        encode_payload(cycle)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan"), [1, {"x": math.nan}]])
def test_numbers_json_lacks_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="payload number"):
        encode_payload({"k": value})


@pytest.mark.parametrize("value", [{1}, object(), 1j, "\ud800", {1: 2}, {"\ud800": 1}, 10**400])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_payload({"k": value})


class Shrinking:
    """A number whose conversion empties the list it is in."""

    def __init__(self, owner: list[Any]) -> None:
        self.owner = owner

    def __float__(self) -> float:
        self.owner.clear()
        return 1.0


def test_a_list_that_changes_while_it_is_read() -> None:
    values: list[Any] = []
    values += [Shrinking(values), 2, 3]
    assert encode_payload({"k": values}) == b'{"k":[1.0]}'


class Growing:
    """A number whose conversion adds to the dict it is in."""

    def __init__(self, owner: dict[str, Any]) -> None:
        self.owner = owner

    def __float__(self) -> float:
        self.owner.update({str(i): i for i in range(100)})
        return 1.0


def test_a_dict_that_changes_while_it_is_read() -> None:
    payload: dict[str, Any] = {}
    payload["x"] = Growing(payload)
    payload["y"] = 1
    with pytest.raises(TypeError, match="changed"):
        encode_payload(payload)


@settings(max_examples=8)
@given(st.lists(PAYLOADS, min_size=40, max_size=40))
def test_bytes_are_those_qdrant_edge_stores(payloads: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        config = oracle.EdgeConfig(oracle.EdgeVectorParams(1, oracle.Distance.Dot))
        shard = oracle.EdgeShard.create(str(path), config)
        points = [oracle.Point(offset, [1.0], payload) for offset, payload in enumerate(payloads)]
        for point in points:  # one at a time, so that slots are in order
            shard.update(oracle.UpdateOperation.upsert_points([point]))
        returned = [record.payload for record in shard.retrieve(list(range(len(points))), True, False)]
        shard.close()
        stored = Gridstore.open(next(Path(path).glob("segments/*/payload_storage")), read_only=True)
        for slot, (payload, seen) in enumerate(zip(payloads, returned, strict=True)):
            assert stored.get(slot) == encode_payload(payload)
            assert decode_payload(encode_payload(payload)).keys() == seen.keys()
        stored.close()


@pytest.mark.parametrize("raw", [b'{"a":"\xff\xe6"}', b'{"a":', b""])
def test_a_damaged_payload_is_said_to_be(raw: bytes) -> None:
    with pytest.raises(CorruptedError, match="payload_storage: a payload cannot be read"):
        decode_payload(raw)
