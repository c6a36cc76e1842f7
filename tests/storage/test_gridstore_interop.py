"""Stores of the oracle read here, and stores of ours read by the oracle."""

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import qdrant_edge

from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.gridstore_build import write_packed

COUNT = 300


def payload(rng, largest=2000):
    words = ["fast", "web", "tool", "simple", "library", "python", "data", "城市", "naïve"]
    text = " ".join(rng.choice(words) for _ in range(rng.randrange(largest) // 5))
    return {"n": rng.randrange(1 << 40), "text": text, "list": [1, 2.5, None, {"a": "b"}]}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def new_shard(directory):
    vectors = qdrant_edge.EdgeVectorParams(size=2, distance=qdrant_edge.Distance.Dot)
    return qdrant_edge.EdgeShard.create(str(directory), qdrant_edge.EdgeConfig(vectors=vectors))


def upsert(shard, payloads):
    points = [qdrant_edge.Point(id, {"": [1.0, 2.0]}, value) for id, value in payloads.items()]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))


def payload_dir(shard_dir):
    (directory,) = shard_dir.glob("segments/*/payload_storage")
    return directory


def values(store):
    data, bounds = store.get_batch()
    present = store.present()
    return [data[bounds[i] : bounds[i + 1]].tobytes() for i in np.flatnonzero(present)]


def snapshot(directory):
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.iterdir()}


def test_reads_the_oracle_after_updates_and_deletes(tmp_path, flush):
    rng = random.Random(1)
    shard, model = new_shard(tmp_path), {}
    for _ in range(6):
        change = {rng.randrange(COUNT): payload(rng) for _ in range(100)}
        model |= change
        upsert(shard, change)
        gone = [id for id in list(model) if rng.random() < 0.1]
        shard.update(qdrant_edge.UpdateOperation.delete_points(gone))
        model = {id: value for id, value in model.items() if id not in gone}
        shard.flush()
    shard.close()
    directory = payload_dir(tmp_path)
    assert (directory / "tracker_journal.dat").exists()
    before = snapshot(directory)
    for read_only in (True, False):
        store = Gridstore.open(directory, read_only)
        assert sorted(values(store)) == sorted(map(compact, model.values()))
        store.close()
    assert snapshot(directory) == before  # opening changes nothing


def test_values_that_span_pages(tmp_path, flush):
    rng = random.Random(2)
    shard = new_shard(tmp_path)
    big = {id: {"text": rng.randbytes(6_000_000).hex()} for id in range(5)}
    for id, value in big.items():
        upsert(shard, {id: value})
    shard.flush()
    shard.close()
    directory = payload_dir(tmp_path)
    assert (directory / "page_1.dat").exists()
    store = Gridstore.open(directory)
    assert sorted(values(store)) == sorted(map(compact, big.values()))
    huge = compact({"text": rng.randbytes(20_000_000).hex()})
    slot = next(i for i in range(5) if store.get(i) == compact(big[3]))
    store.put(slot, huge)
    flush(store)
    store.close()
    shard = qdrant_edge.EdgeShard.load(str(tmp_path))
    (record,) = shard.retrieve([3], with_payload=True, with_vector=False)
    assert compact(record.payload) == huge


def test_a_journal_record_that_is_not_in_the_tracker_counts(tmp_path, flush):
    """The oracle writes the journal before the tracker; here the tracker's writes are undone."""
    shard = new_shard(tmp_path)
    upsert(shard, {id: {"round": 1} for id in range(10)})
    shard.flush()
    directory = payload_dir(tmp_path)
    tracker = (directory / "tracker.dat").read_bytes()
    upsert(shard, {id: {"round": 2} for id in range(5, 20)})
    shard.update(qdrant_edge.UpdateOperation.clear_payload([0]))
    shard.flush()
    shard.close()
    (directory / "tracker.dat").write_bytes(tracker)
    want = [b'{"round":1}'] * 4 + [b'{"round":2}'] * 15
    before = snapshot(directory)
    assert sorted(values(Gridstore.open(directory, read_only=True))) == want
    assert snapshot(directory) == before
    store = Gridstore.open(directory)
    assert sorted(values(store)) == want
    flush(store)
    assert not (directory / "tracker_journal.dat").exists()
    store.close()
    assert sorted(values(Gridstore.open(directory))) == want


KILLED = """
    import os, sys
    sys.path.insert(0, {tests!r})
    from test_gridstore_interop import new_shard, upsert
    from pathlib import Path
    shard = new_shard(Path({path!r}))
    upsert(shard, {{id: {{"flushed": id}} for id in range(100)}})
    shard.flush()
    upsert(shard, {{id: {{"lost": "x" * 500}} for id in range(50)}})
    os._exit(9)
"""


def test_a_killed_oracle_leaves_the_old_values_and_its_leak_is_repaired(tmp_path, flush):
    tests = os.path.dirname(__file__)
    script = textwrap.dedent(KILLED.format(tests=tests, path=str(tmp_path)))
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 9
    directory = payload_dir(tmp_path)
    store = Gridstore.open(directory)
    assert sorted(values(store)) == sorted(b'{"flushed":%d}' % id for id in range(100))
    flush(store)
    bits = np.unpackbits(np.fromfile(directory / "bitmask.dat", np.uint8))
    assert np.count_nonzero(bits) == 100


@pytest.mark.parametrize("how", ["put", "packed"])
def test_the_oracle_reads_and_updates_our_store(tmp_path, how, flush):
    rng = random.Random(3)
    shard = new_shard(tmp_path)
    upsert(shard, {id: {"old": id} for id in range(COUNT)})
    shard.flush()
    shard.close()
    directory = payload_dir(tmp_path)
    old = Gridstore.open(directory)
    slot_of = {json.loads(old.get(slot))["old"]: slot for slot in range(COUNT)}
    old.close()
    new = {slot: compact(payload(rng, 20_000)) for slot in range(COUNT)}
    shutil.rmtree(directory)
    if how == "put":
        store = Gridstore.create(directory)
        for _ in range(2):  # twice, so that blocks are freed and used again
            store.put_batch(np.arange(COUNT, dtype=np.uint32), [new[slot] for slot in range(COUNT)])
            flush(store)
        store.close()
    else:
        write_packed(directory, [[new[slot] for slot in range(COUNT)]])
    shard = qdrant_edge.EdgeShard.load(str(tmp_path))
    records = shard.retrieve(list(range(COUNT)), with_payload=True, with_vector=False)
    assert {r.id: compact(r.payload) for r in records} == {id: new[slot_of[id]] for id in range(COUNT)}
    upsert(shard, {id: {"again": id} for id in range(0, COUNT, 2)})
    shard.flush()
    shard.close()
    want = [b'{"again":%d}' % id if id % 2 == 0 else new[slot_of[id]] for id in range(COUNT)]
    assert sorted(values(Gridstore.open(directory, read_only=True))) == sorted(want)


def test_files_are_those_of_a_fresh_oracle_store(tmp_path):
    new_shard(tmp_path).close()
    theirs = payload_dir(tmp_path)
    Gridstore.create(tmp_path / "ours").close()
    assert {p.name: p.read_bytes() for p in theirs.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "ours").iterdir()
    }
