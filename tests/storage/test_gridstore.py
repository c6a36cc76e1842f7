"""A gridstore against a dict: every way in, flushes, failures and reopening."""

import random
import threading

import numpy as np
import pytest

from edgeshard.errors import ClosedError, ReadOnlyError, StorageError, ValidationError
from edgeshard.storage import files
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.gridstore_build import write_packed
from edgeshard.storage.gridstore_config import GridConfig


def content(store):
    data, bounds = store.get_batch()
    present = store.present()
    return {slot: data[bounds[slot] : bounds[slot + 1]].tobytes() for slot in range(store.count) if present[slot]}


def value(rng, largest):
    size = rng.choice([0, 1, 7, rng.randrange(largest)])
    return rng.randbytes(size) if rng.random() < 0.3 else (b"abc%d" % rng.randrange(100) * size)[:size]


SIZES = [
    pytest.param((4096, 16, 32), 9000, id="tiny pages"),
    pytest.param((9600, 4, 100), 700, id="odd regions"),
    pytest.param((32 << 20, 128, 8192), 3000, id="payload sizes"),
]


@pytest.mark.parametrize("compression", ["LZ4", "None"])
@pytest.mark.parametrize(("sizes", "largest"), SIZES)
def test_agrees_with_a_dict_through_updates_flushes_and_reopening(tmp_path, sizes, largest, compression, flush):
    rng, model, durable = random.Random(7), {}, {}
    page, block, region = sizes
    store = Gridstore.create(tmp_path, page, block, compression, region)
    for _ in range(300):
        action = rng.random()
        if action < 0.4:
            slot, new = rng.randrange(200), value(rng, largest)
            store.put(slot, new)
            model[slot] = new
        elif action < 0.6:
            slots = [rng.randrange(300) for _ in range(rng.randrange(20))]
            new = [None if rng.random() < 0.2 else value(rng, largest) for _ in slots]
            store.put_batch(np.array(slots, np.uint32), new)
            model.update(zip(slots, new, strict=True))
            model = {slot: old for slot, old in model.items() if old is not None}
        elif action < 0.75:
            slots = [rng.randrange(400) for _ in range(5)]
            store.remove_batch(np.array(slots, np.uint32))
            model = {slot: old for slot, old in model.items() if slot not in slots}
        elif action < 0.9:
            flush(store)
            durable = dict(model)
            assert store.dirty_bytes == 0
        else:  # a crash: what was not flushed is lost, what was is whole
            store.close()
            store = Gridstore.open(tmp_path)
            model = dict(durable)
        slot = rng.randrange(400)
        assert store.get(slot) == model.get(slot)
        assert store.live == len(model)
    assert content(store) == model


def test_packed_batches_and_subsets(tmp_path):
    store = Gridstore.create(tmp_path)
    data = np.frombuffer(b"onetwothree", np.uint8)
    store.put_batch(np.array([4, 2, 9], np.uint32), (data, np.array([0, 3, 6, 11], np.int64)))
    got, bounds = store.get_batch(np.array([9, 3, 4, 50], np.uint32))
    assert got.tobytes() == b"threeone"
    assert bounds.tolist() == [0, 5, 5, 8, 8]
    assert store.present(np.array([9, 3, 4, 50], np.uint32)).tolist() == [True, False, True, False]
    assert (store.count, store.live) == (10, 3)


def test_values_that_are_there_are_not_written_again(tmp_path, flush):
    store = Gridstore.create(tmp_path / "s", 2 << 20, 8, "None")
    rng = random.Random(3)
    known = {slot: rng.randbytes(rng.choice([1, 8, 8, 64, 100])) for slot in range(40)}
    for _ in range(20):
        slots = np.array(rng.sample(range(60), rng.randint(1, 30)), np.uint32)
        changed = {
            int(slot): known[slot] if slot in known and rng.random() < 0.7 else rng.randbytes(8) for slot in slots
        }
        known |= changed
        data = [known[int(slot)] for slot in slots]
        bounds = np.cumsum([0, *map(len, data)])
        store.replace_batch(slots, (np.frombuffer(b"".join(data), np.uint8), bounds))
        assert all(store.get(slot) == stored for slot, stored in changed.items())
        flush(store)
        store.replace_batch(slots, (np.frombuffer(b"".join(data), np.uint8), bounds))
        plan = FlushPlan()
        store.collect(plan)
        assert plan.empty


def test_tracker_grows_and_keeps_what_was_not_flushed(tmp_path, flush):
    store = Gridstore.create(tmp_path)
    store.put(3, b"three")
    store.put(65535, b"first past one mebibyte")
    assert (tmp_path / "tracker.dat").stat().st_size == 2 << 20
    flush(store)
    store.close()
    want = {3: b"three", 65535: b"first past one mebibyte"}
    assert content(Gridstore.open(tmp_path, read_only=True)) == want


def test_blocks_are_reused_only_after_the_flush(tmp_path, flush):
    store = Gridstore.create(tmp_path, 1 << 16, 16, "None", 512)
    for round_number in range(50):
        for slot in range(20):
            store.put(slot, b"%04d" % round_number * 40)
        flush(store)
    assert not (tmp_path / "page_1.dat").exists()
    before = (tmp_path / "page_0.dat").read_bytes()
    store.put(0, b"new" * 50)
    plan = FlushPlan()
    store.collect(plan)
    for path, offset, data in plan.fresh:  # nothing durable is touched by the fresh writes
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)
    assert content(Gridstore.open(tmp_path, read_only=True))[0] == b"0049" * 40
    assert before != (tmp_path / "page_0.dat").read_bytes()


def test_a_failed_flush_loses_nothing(tmp_path, flush):
    store = Gridstore.create(tmp_path)
    store.put_batch(np.arange(100, dtype=np.uint32), [b"%d" % i for i in range(100)])
    store.collect(FlushPlan())  # never executed: the disk was full
    store.put(5, b"five")
    flush(store)
    store.close()
    assert content(Gridstore.open(tmp_path)) == {i: b"five" if i == 5 else b"%d" % i for i in range(100)}


class NoNewPages(files.Disk):
    def truncate(self, fd, size):
        raise OSError(28, "No space left on device")


def test_a_batch_that_finds_no_room_changes_nothing(tmp_path, flush):
    store = Gridstore.create(tmp_path, 4096, 16, "None", 32)
    store.put_batch(np.array([0, 1], np.uint32), [b"zero", b"one"])
    flush(store)
    before = files.use_disk(NoNewPages())
    try:
        with pytest.raises(StorageError):
            store.put_batch(np.array([1, 2, 0, 7], np.uint32), [b"new", b"two", None, b"x" * 9000])
        with pytest.raises(StorageError):
            store.put(3, b"x" * 9000)
        with pytest.raises(StorageError):
            store.put(1 << 20, b"past the tracker")
    finally:
        files.use_disk(before)
    assert content(store) == {0: b"zero", 1: b"one"}
    assert store.count == 2
    store.put_batch(np.array([1, 2, 0, 7], np.uint32), [b"new", b"two", None, b"x" * 9000])
    flush(store)
    store.close()
    assert content(Gridstore.open(tmp_path)) == {1: b"new", 2: b"two", 7: b"x" * 9000}


def test_packed_store_is_like_one_that_was_put(tmp_path, flush):
    values = [None if i % 5 == 0 else b"value %d " % i * (i % 40 + 1) for i in range(9000)]
    config = GridConfig(1 << 17, 16, 512)
    batches = [values[:6000], [], values[6000:8000]]
    data = np.frombuffer(b"".join(v or b"" for v in values[8000:]), np.uint8)
    bounds = np.cumsum([0] + [len(v or b"") for v in values[8000:]]).astype(np.int64)
    assert write_packed(tmp_path, [*batches, (data, bounds)], config) == 9000
    store = Gridstore.open(tmp_path)
    plan = FlushPlan()
    store.collect(plan)
    assert plan.empty  # bitmask and gaps were right
    wanted = {i: v for i, v in enumerate(values) if v is not None}
    wanted |= dict.fromkeys(range(8000, 9000, 5), b"")
    assert content(store) == wanted
    store.put(0, b"zero")
    flush(store)
    assert Gridstore.open(tmp_path, read_only=True).get(0) == b"zero"


def test_refusals(tmp_path, flush):
    store = Gridstore.create(tmp_path)
    store.put(0, b"zero")
    flush(store)
    with pytest.raises(ValidationError, match="slot must be in"):
        store.put(1 << 40, b"")
    with pytest.raises(ValueError, match="as many values as slots"):
        store.put_batch(np.array([1, 2], np.uint32), [b"one"])
    with pytest.raises(TypeError, match="bytes or None"):
        store.put_batch(np.array([1], np.uint32), ["one"])
    with pytest.raises(ValueError, match="ascend"):
        store.put_batch(np.array([1], np.uint32), (np.zeros(3, np.uint8), np.array([0, 4], np.int64)))
    reader = Gridstore.open(tmp_path, read_only=True)
    for write in (lambda: reader.put(0, b""), lambda: reader.remove(0), lambda: reader.put(1 << 20, b"")):
        with pytest.raises(ReadOnlyError):
            write()
    store.close()
    store.close()
    with pytest.raises(ClosedError):
        store.get(0)
    with pytest.raises(ValueError, match="region_size_blocks"):
        GridConfig(region_size_blocks=65536)


def test_readers_beside_a_writer(tmp_path, flush):
    store = Gridstore.create(tmp_path, 1 << 18, 128, "LZ4", 512)
    slots = np.arange(64, dtype=np.uint32)
    store.put_batch(slots, [b"0" * 500] * 64)
    failures, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            data, bounds = store.get_batch(slots)
            values = [data[bounds[i] : bounds[i + 1]].tobytes() for i in range(64)]
            failures.extend(value for value in values if len(set(value)) != 1)
            if len(set(store.get(7))) != 1:
                failures.append(7)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for i in range(200):
        store.put_batch(slots, [b"%d" % (i % 10) * (400 + i)] * 64)
        if i % 20 == 0:
            flush(store)
    stop.set()
    for thread in readers:
        thread.join()
    assert not failures
