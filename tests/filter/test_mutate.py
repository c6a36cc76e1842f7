import copy
import itertools
import json
import random
import re

import numpy as np
import pytest
import qdrant_edge

from edgeshard._native import merge_payload, merge_payloads
from edgeshard.errors import ValidationError
from edgeshard.filter.mutate import merger, remover
from edgeshard.models.payload import decode_payload, encode_payload


def set_payload(current, new, key=None):
    """The payload after a merge; the arguments stay as they are."""
    result = copy.deepcopy(current)
    merger(copy.deepcopy(new), key)(result)
    return result


def delete_keys(current, paths):
    """The payload without what the paths point to; the argument stays as it is."""
    change = remover(paths)
    result = copy.deepcopy(current)
    change(result)
    return result


def ordered(payload):
    return json.dumps(payload, ensure_ascii=False)


@pytest.mark.parametrize(
    ("current", "new", "key", "expected"),
    [
        ({"a": 1, "b": 2, "c": 3}, {"a": None, "d": 4}, None, {"c": 3, "b": 2, "d": 4}),
        ({"a": {"x": 1}}, {"y": None, "z": [None]}, "a", {"a": {"x": 1, "z": [None]}}),
        ({"a": 5}, {"x": 1}, "a.b", {"a": {"b": {"x": 1}}}),
        ({"a": [{}, 3]}, {"x": 1}, "a[]", {"a": [{"x": 1}, {"x": 1}]}),
        ({"a": [{}, 3]}, {"x": 1}, "a[7].b", {"a": [{}, 3]}),
        ({}, {"x": 1}, "a[0]", {"a": []}),
    ],
)
def test_set_payload(current, new, key, expected):
    before = ordered(current)
    assert ordered(set_payload(current, new, key)) == ordered(expected)
    assert ordered(current) == before


def test_last_key_takes_the_place_of_the_removed_one():
    assert ordered(delete_keys(dict.fromkeys("abcde", 1), ["a"])) == ordered(dict.fromkeys("ebcd", 1))


def test_bad_path_is_refused():
    with pytest.raises(ValidationError):
        delete_keys({"a": 1}, ["a", "[0]"])
    with pytest.raises(ValidationError):
        set_payload({}, {"a": 1}, "a..b")


def without_fractions(value):
    """The value with floats qdrant_edge stores without an error in the last place."""
    if isinstance(value, dict):
        return {key: without_fractions(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_fractions(inner) for inner in value]
    return 1.5 if isinstance(value, float) else value


def test_sequences_leave_what_qdrant_leaves(tmp_path, neutral):
    rng = random.Random(3)
    vectors = qdrant_edge.EdgeVectorParams(size=1, distance=qdrant_edge.Distance.Dot)
    shard = qdrant_edge.EdgeShard.create(str(tmp_path), qdrant_edge.EdgeConfig(vectors=vectors))
    update = qdrant_edge.UpdateOperation
    for round_number in range(1000):
        payload = without_fractions(neutral.payload(rng))
        some = {key: value for key, value in payload.items() if rng.random() < 0.5}
        if round_number % 10 == 0:
            current = payload
            shard.update(update.upsert_points([qdrant_edge.Point(1, [1.0], payload)]))
        elif rng.random() < 0.1:
            current = payload
            shard.update(update.overwrite_payload([1], payload, None))
        elif rng.random() < 0.7:
            key = rng.choice([None, neutral.path(rng)])
            current = set_payload(current, some, key)
            shard.update(update.set_payload([1], some, key))
        else:
            keys = [neutral.path(rng) for _ in range(rng.randrange(1, 3))]
            current = delete_keys(current, keys)
            shard.update(update.delete_payload([1], keys))
        assert ordered(shard.retrieve([1], None, None)[0].payload or {}) == ordered(current)


def test_merging_stored_text_is_merging_what_it_says():
    rng = random.Random(17)
    keys = ["a", "b", "c", "é", 'quo"te', "back\\slash", "line\nend", "", "a.b", "😀", "\x01"]
    values = [
        None,
        1,
        -0.0,
        1e300,
        12345678901234567890,
        'text "\\\n',
        [],
        {},
        [None, {"x": [1]}],
        {"y": {"z": None}},
        True,
    ]

    def random_payload(most):
        return {rng.choice(keys): rng.choice(values) for _ in range(rng.randrange(most))}

    for _ in range(300):
        stored = [encode_payload(random_payload(9)) if rng.random() < 0.9 else b"" for _ in range(rng.randrange(12))]
        patch = random_payload(6)
        bounds = np.cumsum([0, *map(len, stored)])
        failure, text, ends = merge_payloads(
            np.frombuffer(b"".join(stored), np.uint8), bounds, encode_payload(patch), b'{"new":1}'
        )
        assert failure is None
        merged = [text[start:stop].tobytes() for start, stop in itertools.pairwise(ends.tolist())]
        expected = [encode_payload(set_payload(decode_payload(raw), patch)) if raw else b'{"new":1}' for raw in stored]
        assert merged == expected
        alone = [merge_payload(raw, encode_payload(patch)) for raw in stored if raw]
        assert alone == [(None, text) for raw, text in zip(stored, expected, strict=True) if raw]


def test_keys_are_compared_as_they_read_and_kept_as_they_are_written():
    stored = np.frombuffer(rb'{ "\u0061" : 1, "b":[1 , 2]}', np.uint8)
    merged = merge_payloads(stored, np.array([0, len(stored)]), rb'{"a":2,"\u0062":null}', b"")[1]
    assert merged.tobytes() == rb'{"\u0061":2}'


@pytest.mark.parametrize(
    "damaged",
    [b"x", b"[1]", b'{"a":1', b'{"a"}', b'{"a":"1}', b"{a:1}", b"{} {}", b'{"a":[1}', b"{" * 5000, b'{"a":' * 5000],
)
def test_damaged_text_is_said_where_it_is(damaged):
    bounds = np.array([0, 2, 2 + len(damaged)])
    failure, text, ends = merge_payloads(np.frombuffer(b"{}" + damaged, np.uint8), bounds, b'{"a":1}', b"")
    assert failure[0] == 1
    assert 0 <= failure[1] <= len(damaged)
    assert (text, ends) == (None, None)
    assert merge_payload(damaged, b'{"a":1}') == (failure[2], None)
    with pytest.raises(ValueError, match=re.escape(failure[2])):
        merge_payload(b"{}", damaged)
    with pytest.raises(ValueError, match=re.escape(failure[2])):
        merge_payloads(np.empty(0, np.uint8), np.array([0]), damaged, b"")
    with pytest.raises(ValueError, match="bounds"):
        merge_payloads(np.empty(0, np.uint8), np.array([0, 1]), b"{}", b"")
