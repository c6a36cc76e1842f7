"""Whatever happens to a store's files: right data or CorruptedError, never a crash."""

import random
import shutil
import struct

import numpy as np
import pytest
from small_shards import copy_shard

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.gridstore import Gridstore
from edgeshard.storage.gridstore_build import write_packed
from edgeshard.storage.gridstore_config import GridConfig

COUNT = 120
TEXTS = [bytes(range(35 + i % 50, 92)) * (i % 9) for i in range(COUNT)]
VALUES = [b'{"name":"package %d","text":"%s"}' % (i, text) for i, text in enumerate(TEXTS)]
DERIVED = ("bitmask.dat", "gaps.dat")  # computed again from the slots


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    directory = tmp_path_factory.mktemp("grid") / "store"
    write_packed(directory, [VALUES], GridConfig(8192, 64, 64))
    return directory


@pytest.fixture
def damaged(original, tmp_path):
    return copy_shard(original, tmp_path / "store")


def read_all(directory, read_only, flush):
    """Every value, or CorruptedError in its place; then a write and a flush if the store opens."""
    store = Gridstore.open(directory, read_only)
    got = []
    for slot in range(COUNT):
        try:
            got.append(store.get(slot))
        except CorruptedError as error:
            got.append(error)
    try:
        data, bounds = store.get_batch()
        assert len(data) == bounds[-1]
    except CorruptedError:
        assert any(isinstance(value, CorruptedError) for value in got) or store.count > COUNT
    if not read_only:
        store.put_batch(np.array([0, 7], np.uint32), [b"new", b"x" * 5000])
        flush(store)
        assert store.get(7) == b"x" * 5000
    store.close()
    return got


NAMES = ["config.json", "tracker.dat", "page_0.dat", "page_1.dat", "bitmask.dat", "gaps.dat"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read_only", [True, False])
def test_truncated_zeroed_or_missing(damaged, original, name, read_only, flush):
    size = (original / name).stat().st_size
    content = (original / name).read_bytes()
    for broken in [content[:cut] for cut in (0, 1, 3, 5, size // 2, size - 1)] + [bytes(size), None]:
        shutil.rmtree(damaged)
        copy_shard(original, damaged)
        (damaged / name).unlink()
        if broken is not None:
            (damaged / name).write_bytes(broken)
        try:
            got = read_all(damaged, read_only, flush)
        except CorruptedError:
            assert name not in DERIVED
            continue
        if name in DERIVED:
            assert got == VALUES
        else:  # a zeroed tracker or page is what an empty store or unwritten blocks look like
            assert all(v is None or isinstance(v, CorruptedError) or v in VALUES for v in got)


@pytest.mark.parametrize("name", DERIVED)
def test_free_space_of_more_pages_than_there_are_is_computed_again(damaged, original, name, flush):
    usual = (damaged / name).stat().st_size
    with open(damaged / name, "ab") as file:
        file.write(b"\xff" * 5000)
    assert read_all(damaged, True, flush) == VALUES
    Gridstore.open(damaged).close()
    assert (damaged / name).stat().st_size == usual
    assert read_all(damaged, False, flush) == VALUES


@pytest.mark.parametrize("read_only", [True, False])
def test_a_lost_page_is_told_by_the_slots(damaged, read_only):
    page = max(damaged.glob("page_*.dat"), key=lambda path: int(path.stem[5:]))
    page.unlink()
    with pytest.raises(CorruptedError, match="page"):
        Gridstore.open(damaged, read_only)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits(damaged, original, name, flush):
    rng = random.Random(name)
    content = (original / name).read_bytes()
    used = len(content) if name != "tracker.dat" else 4 + 16 * COUNT
    for attempt in range(100):
        broken = bytearray(content)
        broken[rng.randrange(used)] ^= 1 << rng.randrange(8)
        for other in NAMES:
            shutil.copyfile(original / other, damaged / other)
        (damaged / name).write_bytes(broken)
        try:
            got = read_all(damaged, attempt % 2 == 0, flush)
        except CorruptedError:
            assert name not in DERIVED
            continue
        # LZ4 has no checksum: a flipped literal goes unseen, but at most one value changes.
        assert sum(value != want for value, want in zip(got, VALUES, strict=True)) <= 1
        for extra in damaged.glob("page_*.dat"):
            if extra.name not in NAMES and not (original / extra.name).exists():
                extra.unlink()


def slot_bytes(slot):
    return 4 + 16 * slot


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param((2, 0, 0, 1), "neither present nor absent", id="present"),
        pytest.param((1, 9, 0, 1), "past the last page", id="page"),
        pytest.param((1, 0xFFFFFFFF, 0, 1), "past the last page", id="huge page"),
        pytest.param((1, 0, 128, 1), "past the end of its page", id="block"),
        pytest.param((1, 1, 100, 0xFFFFFFFF), "past the last page", id="length"),
        pytest.param((1, 0, 0, 70), "share a block", id="overlap"),
    ],
)
def test_impossible_slots_are_refused_when_the_store_is_opened(damaged, record, reason):
    data = bytearray((damaged / "tracker.dat").read_bytes())
    data[slot_bytes(COUNT - 1) : slot_bytes(COUNT)] = struct.pack("<4I", *record)
    (damaged / "tracker.dat").write_bytes(data)
    with pytest.raises(CorruptedError, match=reason) as caught:
        Gridstore.open(damaged)
    assert caught.value.offset == slot_bytes(COUNT - 1)
    assert caught.value.path.endswith("tracker.dat")


def test_an_absurd_uncompressed_size_is_refused(damaged):
    data = bytearray((damaged / "page_0.dat").read_bytes())
    data[0:4] = struct.pack("<I", 0xFFFFFFFF)
    (damaged / "page_0.dat").write_bytes(data)
    store = Gridstore.open(damaged)
    with pytest.raises(CorruptedError, match="impossible size"):
        store.get(0)
    with pytest.raises(CorruptedError, match=r"page_0.*slot 0"):
        store.get_batch()
    assert store.get(1) == VALUES[1]


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"[]",
        b'{"mode":"append_only","page_size_bytes":8192,"block_size_bytes":64,"region_size_blocks":64}',
        b'{"page_size_bytes":8192,"block_size_bytes":0,"region_size_blocks":64}',
        b'{"page_size_bytes":8192,"block_size_bytes":64,"region_size_blocks":65536}',
        b'{"page_size_bytes":8200,"block_size_bytes":64,"region_size_blocks":64}',
        b'{"page_size_bytes":8192.0,"block_size_bytes":64,"region_size_blocks":64}',
        b'{"page_size_bytes":8192,"block_size_bytes":64}',
        b'{"page_size_bytes":1099511627776,"block_size_bytes":64,"region_size_blocks":64}',
        b'{"page_size_bytes":8192,"block_size_bytes":64,"region_size_blocks":64,"compression":"Zstd"}',
        b"\xff" * 10,
    ],
)
def test_impossible_configs_are_refused(damaged, config):
    (damaged / "config.json").write_bytes(config)
    with pytest.raises(CorruptedError, match=r"config\.json"):
        Gridstore.open(damaged)


def test_a_missing_compression_means_lz4_and_unknown_keys_are_ignored(damaged, flush):
    config = b'{"page_size_bytes":8192,"block_size_bytes":64,"region_size_blocks":64,"later":1}'
    (damaged / "config.json").write_bytes(config)
    assert read_all(damaged, True, flush) == VALUES


@pytest.mark.parametrize("damage", ["torn", "flipped", "garbage", "empty"])
def test_a_damaged_journal_counts_up_to_the_damage(damaged, damage, flush):
    crc32c = pytest.importorskip("crc32c").crc32c
    first = struct.pack("<5I", 3, 0, 0, 0, 0)
    second = struct.pack("<5I", 4, 0, 0, 0, 0)
    records = [struct.pack("<II", len(body), crc32c(body)) + body for body in (first, second)]
    journal = {
        "torn": b"".join(records)[:-1],
        "flipped": records[0] + records[1][:-1] + b"\1",
        "garbage": records[0] + b"\xff" * 50,
        "empty": b"",
    }[damage]
    (damaged / "tracker_journal.dat").write_bytes(journal)
    want = [None if i == 3 and damage != "empty" else value for i, value in enumerate(VALUES)]
    assert read_all(damaged, True, flush) == want
    assert (damaged / "tracker_journal.dat").read_bytes() == journal
    assert read_all(damaged, False, flush) == want
    assert not (damaged / "tracker_journal.dat").exists()


def test_a_journal_may_reach_past_the_tracker(damaged):
    crc32c = pytest.importorskip("crc32c").crc32c
    body = struct.pack("<5I", 70_000, 1, 5, 0, 0)
    (damaged / "tracker_journal.dat").write_bytes(struct.pack("<II", len(body), crc32c(body)) + body)
    assert Gridstore.open(damaged, read_only=True).present(np.array([70_000], np.uint32)).all()
    assert (damaged / "tracker.dat").stat().st_size == 1 << 20
    assert Gridstore.open(damaged).count == 70_001
    body = struct.pack("<5I", 0xFFFFFFFF, 1, 0, 0, 0)
    (damaged / "tracker_journal.dat").write_bytes(struct.pack("<II", len(body), crc32c(body)) + body)
    with pytest.raises(CorruptedError, match="slot 4294967295"):
        Gridstore.open(damaged)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_journal_of_few_bytes_asks_for_little_memory(damaged, read_only):
    crc32c = pytest.importorskip("crc32c").crc32c
    body = struct.pack("<5I", 3_000_000, 1, 5, 0, 0)
    (damaged / "tracker_journal.dat").write_bytes(struct.pack("<II", len(body), crc32c(body)) + body)
    with pytest.raises(CorruptedError, match=r"tracker_journal.dat.*slot 3000000"):
        Gridstore.open(damaged, read_only)
    assert (damaged / "tracker.dat").stat().st_size == 1 << 20
    store = Gridstore.open(damaged, read_only, expected_slots=2_900_000)  # a segment has so many points
    assert store.count == 3_000_001
    store.close()


def test_a_grid_without_blocks_is_refused(tmp_path):
    for page, block, region in ((8192, 0, 64), (8192, 64, 0), (32, 64, 64)):
        with pytest.raises(ValueError, match="at least one block"):
            _native.GridCore(tmp_path, page, block, region, False)
