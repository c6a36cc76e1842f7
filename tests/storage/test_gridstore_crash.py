"""Gridstores under the shard's flush and its journal: what a crash between two steps leaves."""

import random

import numpy as np

from edgeshard.storage.checkpoint import INLINE_FRESH_BYTES, Checkpointer
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.journal import recover


def flush(checkpointer, store):
    plan = FlushPlan()
    store.collect(plan)
    checkpointer.flush(plan, -1)


def test_replay_does_not_bring_back_blocks_that_were_used_again(tmp_path):
    """Blocks that were written through the journal are freed and hold another value when the crash comes."""
    rng = random.Random(1)
    store = Gridstore.create(tmp_path / "store", 4 << 20, 128, "None", 64)
    checkpointer = Checkpointer(tmp_path, None)
    for value in (b"first" * 20, b"second" * 20):
        store.put(0, value)
        flush(checkpointer, store)
    many = [rng.randbytes(120) for _ in range(INLINE_FRESH_BYTES // 100)]
    store.put_batch(np.arange(1, len(many) + 1, dtype=np.uint32), many)
    flush(checkpointer, store)
    checkpointer.close(remove=False)
    recover(tmp_path)
    again = Gridstore.open(tmp_path / "store")
    assert again.get(0) == b"second" * 20
    assert [again.get(i + 1) for i in range(len(many))] == many


def test_every_flush_survives_the_loss_of_what_was_not_synced(tmp_path):
    """The files go back to their state before the flushes; the journal alone brings all of them back."""
    rng = random.Random(2)
    store = Gridstore.create(tmp_path / "store", 1 << 16, 16, "LZ4", 512)
    before = {path: path.read_bytes() for path in (tmp_path / "store").iterdir()}
    checkpointer = Checkpointer(tmp_path, None)
    model = {}
    for _ in range(10):
        for _ in range(30):
            slot, value = rng.randrange(100), rng.randbytes(rng.randrange(1500))
            store.put(slot, value)
            model[slot] = value
        flush(checkpointer, store)
    store.put(0, b"not flushed")
    checkpointer.close(remove=False)
    for path, content in before.items():
        path.write_bytes(content)
    recover(tmp_path)
    again = Gridstore.open(tmp_path / "store")
    assert {slot: again.get(slot) for slot in range(100)} == {slot: model.get(slot) for slot in range(100)}
