"""Flags directories, deletion bit files and stored bitmasks, on their own and against the oracle's files."""

import random
import struct
import uuid

import numpy as np
import pytest
import qdrant_edge

from edgeshard.errors import CorruptedError, ReadOnlyError
from edgeshard.storage import roaring
from edgeshard.storage.bitset_file import DROP, BitFile, decode_stored_bitmask, encode_stored_bitmask
from edgeshard.storage.flags import Flags


def test_flags_follow_a_model(tmp_path, flush):
    rng = np.random.default_rng(5)
    flags, model = Flags.create(tmp_path), np.zeros(0, bool)
    for step in range(40):
        offsets = rng.integers(0, 50 * (step + 1), rng.integers(1, 30))
        value = bool(step % 3)
        model = np.pad(model, (0, max(0, int(offsets.max()) + 1 - len(model))))
        model[offsets] = value
        flags.set(offsets.astype(np.uint32), value)
        if step % 4 == 0:
            flush(flags)
            assert flags.dirty_bytes == 0
            assert flush(flags).empty
            flags = Flags.open(tmp_path)
        assert flags.count == len(model)
        assert np.array_equal(flags.mask(len(model)), model)
        assert not flags.mask(len(model) + 500)[len(model) :].any()


def test_only_changed_words_are_written(tmp_path, flush):
    flags = Flags.create(tmp_path)
    flags.extend(10_000)
    flush(flags)
    flags.set(np.array([3, 70, 9_000]), True)
    plan = flush(flags)
    assert [(path.name, offset, len(data)) for path, offset, data in plan.changes] == [
        ("flags_a.dat", 0, 16),
        ("flags_a.dat", 1120, 8),
    ]
    flags.set(np.array([3, 4]), np.array([True, False]))
    assert flags.dirty_bytes == 0  # nothing differs


def test_flags_grow_past_one_mebibyte(tmp_path, flush):
    flags = Flags.create(tmp_path)
    flags.set(np.array([8 << 20]), True)
    assert (tmp_path / "flags_a.dat").stat().st_size == 2 << 20
    flush(flags)
    assert np.flatnonzero(Flags.open(tmp_path).mask((8 << 20) + 1)).tolist() == [8 << 20]


def test_old_flags_move_to_the_first_file_when_written(tmp_path, flush):
    (tmp_path / "flags_b.dat").write_bytes(b"\x05".ljust(1 << 20, b"\0"))
    (tmp_path / "flags_a.dat").write_bytes(b"\xff".ljust(1 << 20, b"\0"))
    (tmp_path / "status.dat").write_bytes(struct.pack("<QQ", 5, 1))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert Flags.open(tmp_path, read_only=True).mask(5).tolist() == [True, False, True, False, False]
    flags = Flags.open(tmp_path)
    assert flush(flags).empty
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    flags.set(np.array([6]), True)
    flush(flags)
    assert (tmp_path / "status.dat").read_bytes() == struct.pack("<QQ", 7, 0)
    assert (tmp_path / "flags_a.dat").read_bytes() == b"\x45".ljust(1 << 20, b"\0")
    assert not (tmp_path / "flags_b.dat").exists()


def test_damaged_flags_are_reported(tmp_path):
    Flags.create(tmp_path)
    for status in (b"\1" * 15, struct.pack("<QQ", 1, 2), struct.pack("<QQ", (8 << 20) + 1, 0), b""):
        (tmp_path / "status.dat").write_bytes(status)
        with pytest.raises(CorruptedError):
            Flags.open(tmp_path)
    (tmp_path / "flags_a.dat").unlink()
    (tmp_path / "status.dat").write_bytes(bytes(16))
    with pytest.raises(CorruptedError, match="missing"):
        Flags.open(tmp_path)


def test_read_only_flags_refuse(tmp_path):
    Flags.create(tmp_path)
    with pytest.raises(ReadOnlyError):
        Flags.open(tmp_path, read_only=True).set(np.array([0]), True)


@pytest.mark.parametrize("header", [DROP, b""])
def test_bit_file(tmp_path, header, flush):
    path = tmp_path / "deleted.dat"
    file = BitFile.create(path, np.arange(130) % 7 == 0, header)
    assert path.stat().st_size == len(header) + 24
    file.set(np.array([1, 129]), True)
    file.set(np.array([7]), False)
    assert [(offset, len(data)) for _, offset, data in flush(file).changes] == [
        (len(header), 8),
        (len(header) + 16, 8),
    ]
    want = np.arange(130) % 7 == 0
    want[[1, 129]], want[7] = True, False
    assert np.array_equal(BitFile.open(path, 130, header).mask, want)
    with pytest.raises(IndexError):
        file.set(np.array([130]), True)
    with pytest.raises(CorruptedError, match="expected"):
        BitFile.open(path, 193, header)
    if header:
        path.write_bytes(b"data" + path.read_bytes()[4:])
        with pytest.raises(CorruptedError, match="drop"):
            BitFile.open(path, 130, header)


def test_missing_bit_file_is_made_by_the_first_change(tmp_path, flush):
    path = tmp_path / "deleted.dat"
    file = BitFile.open(path, 70, DROP, missing_ok=True)
    assert flush(file).empty
    file.set(np.array([69]), True)
    flush(file)
    assert path.read_bytes() == b"drop" + bytes(12) + b"\x20".ljust(8, b"\0")
    with pytest.raises(CorruptedError):
        BitFile.open(tmp_path / "other", 70)


@pytest.mark.parametrize("count", [0, 1, 64, 1000, 70_000, 300_000])
@pytest.mark.parametrize("density", [0.0, 0.001, 0.02, 0.5, 0.98, 1.0])
def test_stored_bitmask_round_trip(count, density):
    mask = np.random.default_rng(count).random(count) < density
    data = encode_stored_bitmask(mask)
    assert len(data) <= 32 + -(-count // 64) * 8
    assert np.array_equal(decode_stored_bitmask(data, count, "file"), mask)


def test_roaring_runs():
    """A bitmap with run containers, built by hand after the specification."""
    heads = struct.pack("<HHHH", 0, 6, 2, 1)
    data = struct.pack("<I", 12347 | 1 << 16) + b"\x01" + heads
    data += struct.pack("<HHHHH", 2, 5, 2, 100, 3) + struct.pack("<HH", 7, 9)
    assert roaring.decode(memoryview(data), 1 << 18).tolist() == [
        5, 6, 7, 100, 101, 102, 103, 131079, 131081,
    ]  # fmt: skip


def test_damaged_stored_bitmask_is_reported_or_right():
    rng = random.Random(3)
    mask = np.zeros(200_000, bool)
    mask[rng.sample(range(200_000), 3000)] = True
    data = encode_stored_bitmask(mask)
    for _ in range(400):
        broken = bytearray(data)
        broken[rng.randrange(60 if rng.random() < 0.5 else len(data))] ^= 1 << rng.randrange(8)
        try:
            assert len(decode_stored_bitmask(bytes(broken), len(mask), "file")) == len(mask)
        except CorruptedError:
            continue
    for size in [*range(60), len(data) - 1]:
        with pytest.raises(CorruptedError):
            decode_stored_bitmask(data[:size], len(mask), "file")


def shard_of(directory, ids, **config):
    vectors = qdrant_edge.EdgeVectorParams(size=2, distance=qdrant_edge.Distance.Dot)
    shard = qdrant_edge.EdgeShard.create(str(directory), qdrant_edge.EdgeConfig(vectors=vectors, **config))
    points = [qdrant_edge.Point(id, {"": [1.0, 2.0]}, {"a": True}) for id in ids]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
    return shard


@pytest.mark.parametrize("every", [1, 2, 7, 100, 1000, 6000])
def test_stored_bitmask_of_the_oracle(tmp_path, every):
    ids = [uuid.UUID(int=i + (1 << 100)) if i % every == 0 else i for i in range(5000)]
    config = {
        "id_tracker_memory": qdrant_edge.Memory.Cold,
        "optimizers": qdrant_edge.EdgeOptimizersConfig(indexing_threshold=1),
    }
    shard = shard_of(tmp_path, ids, **config)
    shard.update(qdrant_edge.UpdateOperation.delete_points(ids[:1000]))
    shard.optimize()
    shard.close()
    (path,) = tmp_path.glob("segments/*/id_tracker.is_uuid")
    data = path.read_bytes()
    count = struct.unpack_from("<Q", data, 8)[0]
    mask = decode_stored_bitmask(data, count, path)
    assert np.count_nonzero(mask) == sum(isinstance(id, uuid.UUID) for id in ids[1000:])
    assert encode_stored_bitmask(mask) == data


def test_flags_of_the_oracle_and_back(tmp_path, flush):
    shard = shard_of(tmp_path, range(100))
    shard.update(qdrant_edge.UpdateOperation.create_field_index("a", qdrant_edge.PayloadSchemaType.Bool))
    for point in (3, 64, 99):
        shard.update(qdrant_edge.UpdateOperation.set_payload([point], {"a": False}))
    shard.flush()
    shard.close()
    (trues,) = tmp_path.glob("segments/*/payload_index/*-bool/trues")
    flags = Flags.open(trues)
    assert np.count_nonzero(flags.mask(100)) == 97
    (deleted,) = tmp_path.glob("segments/*/vector_storage/deleted")
    assert not Flags.open(deleted).mask(100).any()
    assert sorted(path.name for path in deleted.iterdir()) == ["flags_a.dat", "status.dat"]
    flags.set(np.flatnonzero(~flags.mask(100))[:2], True)
    flush(flags)
    shard = qdrant_edge.EdgeShard.load(str(tmp_path))
    hits = shard.facet(qdrant_edge.FacetRequest("a", exact=True)).hits
    assert {hit.value: hit.count for hit in hits} == {True: 99, False: 3}
