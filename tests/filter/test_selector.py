import json
import random

import pytest
import qdrant_edge
from reference_selector import select_exclude, select_include

import edgeshard
from edgeshard._native import select_payload
from edgeshard.errors import ValidationError
from edgeshard.filter.selector import compile_selector


def compact(payload):
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def test_whole_payload_and_none():
    assert compile_selector(None) is None
    assert compile_selector(False) is None
    assert compile_selector(True)(b'{"a":1}') == b'{"a":1}'


def test_list_of_paths_includes():
    select = compile_selector(["b.c", "a[].x"])
    assert select(b'{"a":[{"x":1,"y":2},3,[4]],"b":{"c":1.50,"d":2}}') == b'{"a":[{"x":1},3,[]],"b":{"c":1.50}}'
    assert select(None) is None


def test_bad_path_is_refused():
    with pytest.raises(ValidationError):
        compile_selector(["a..b"])


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"a":[1,', b'{"a" 1}', b'{"a":{"b":1]}', b'{"a', b'{"a":[' * 600])
@pytest.mark.parametrize("include", [True, False])
def test_damaged_json_is_refused(raw, include):
    with pytest.raises(ValueError):
        select_payload(raw, [("a", None, "a", None)] * 3, include)


def test_leaves_what_qdrant_leaves(tmp_path, neutral):
    rng = random.Random(4)
    vectors = qdrant_edge.EdgeVectorParams(size=1, distance=qdrant_edge.Distance.Dot)
    shard = qdrant_edge.EdgeShard.create(str(tmp_path), qdrant_edge.EdgeConfig(vectors=vectors))
    payloads = [neutral.payload(rng) for _ in range(200)]
    points = [qdrant_edge.Point(number, [1.0], payload) for number, payload in enumerate(payloads)]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
    for number, payload in enumerate(payloads):
        for _ in range(5):
            paths = [neutral.path(rng) for _ in range(rng.randrange(4))]
            for kind, reduce in (("Include", select_include), ("Exclude", select_exclude)):
                selector = getattr(qdrant_edge.PayloadSelector, kind)
                expected = shard.retrieve([number], selector(paths), None)[0].payload
                assert compact(reduce(payload, paths)) == compact(expected) or has_fraction(expected)
                select = compile_selector(getattr(edgeshard.PayloadSelector, kind)(paths))
                assert select(compact(payload)) == compact(reduce(payload, paths))


def has_fraction(value):
    """Whether qdrant_edge may have changed a float in its last place."""
    if isinstance(value, (dict, list)):
        return any(map(has_fraction, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)
