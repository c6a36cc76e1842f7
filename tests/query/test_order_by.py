"""Pages in the order of a field against sorting in Python, over updates, filters and several segments."""

import random
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeshard as e
from edgeshard.query.order import _near

OPS = e.UpdateOperation
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TYPES = {"n": e.PayloadSchemaType.Integer, "x": e.PayloadSchemaType.Float, "at": e.PayloadSchemaType.Datetime}


def payload(rng, many):
    made = {"kept": rng.randrange(4), "n": rng.randrange(-40, 40), "x": rng.choice([0.25, 1, -7.5, rng.random()])}
    made["at"] = (EPOCH + timedelta(seconds=rng.randrange(10**9) // 10**7 * 10**7)).isoformat()
    for key in TYPES:
        if many and rng.random() < 0.3:
            made[key] = [made[key], payload(rng, False)[key], made[key]]
        if rng.random() < 0.1:
            made[key] = rng.choice([None, "?", [], True])
    return made


def numbers(key, value):
    """What an index of the field holds of a payload value."""
    values = value if isinstance(value, list) else [value]
    if key == "at":
        dates = [datetime.fromisoformat(v) for v in values if isinstance(v, str) and v != "?"]
        return {int((date - EPOCH).total_seconds()) * 10**6 for date in dates}
    return {v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)}


def expected(points, key, down, start, kept):
    entries = [
        (-value if down else value, n, value)
        for n, made in points.items()
        if kept is None or made["kept"] == kept
        for value in numbers(key, made[key])
        if start is None or (value <= start if down else value >= start)
    ]
    return [(n, value) for _, n, value in sorted(entries)]


@pytest.mark.parametrize("many", [False, True])
def test_pages_in_order(tmp_path, many):
    rng = random.Random(many)
    points = {n: payload(rng, many) for n in range(1200)}
    optimizers = e.EdgeOptimizersConfig(indexing_threshold=1)  # optimising makes a second segment
    vectors = e.EdgeVectorParams(1, e.Distance.Dot)
    shard = e.EdgeShard.create(tmp_path, e.EdgeConfig(vectors=vectors, optimizers=optimizers))
    for key, kind in TYPES.items():
        shard.update(OPS.create_field_index(key, kind))
    for step in range(4):
        changed = points if step == 0 else rng.sample(sorted(points), 60)
        points.update({n: payload(rng, many) for n in changed})
        shard.update(OPS.upsert_points([e.Point(n, [1.0], points[n]) for n in changed]))
        if step == 2:
            assert shard.optimize()
        for n in rng.sample(sorted(points), 20):
            shard.update(OPS.delete_points([n]))
            del points[n]
        for key in TYPES:
            for down in (False, True):
                for again in range(2):  # the first page after a change is picked, later ones are read off
                    start = rng.choice([None, 0, 0.5, 3, -7.5, 5 * 10**14, 5.5])
                    kept = rng.choice([None, 1])
                    limit = rng.choice([0, 1, 10, 100, 10000])
                    check(shard, points, key, down, start, kept, limit, again)
    shard.close()


def check(shard, points, key, down, start, kept, limit, again):
    asked = start
    if key == "at" and start is not None:
        asked = (EPOCH + timedelta(microseconds=int(start))).isoformat()
        start = int(start)
    order = e.OrderBy(key, e.Direction.Desc if down else None, asked)
    filter = None if kept is None else e.Filter(must=[e.FieldCondition("kept", match=e.MatchValue(kept))])
    wanted = expected(points, key, down, start, kept)
    records, following = shard.scroll(e.ScrollRequest(limit=limit, order_by=order, filter=filter))
    assert following is None
    found = [(record.id, record.order_value) for record in records]
    assert [value for _, value in found] == [value for _, value in wanted[:limit]], (key, down, start, kept, again)
    assert len(set(found)) == len(found)
    assert set(found) <= set(wanted)
    assert [record.payload for record in records] == [points[n] for n, _ in found]
    hits = shard.query(e.QueryRequest(limit=limit, query=order, filter=filter))
    assert [hit.order_value for hit in hits] == [value for _, value in found]


@given(st.integers(0, 2**32), st.sampled_from([3, 600, 5000]), st.integers(1, 700), st.sampled_from([2, 50, 10**9]))
def test_a_sample_tells_where_to_look_for_the_first(seed, size, limit, distinct):
    ranked = np.random.default_rng(seed).integers(0, distinct, size)
    limit = min(limit, size - 1)
    for values in (ranked, np.sort(ranked), np.sort(ranked)[::-1]):
        assert _near(values, limit).tolist() == np.flatnonzero(values <= np.sort(values)[limit - 1]).tolist()
