import struct
import time
import uuid

import numpy as np
import pytest
import qdrant_edge as oracle
import zstandard

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.id_tracker import (
    DiskIdTracker,
    ImmutableIdTracker,
    MutableIdTracker,
    open_id_tracker,
    write_disk_tracker,
    write_immutable_tracker,
)

LOG, VERSIONS = "mutable_id_tracker.mappings", "mutable_id_tracker.versions"


def u32(*values):
    return np.array(values, np.uint32)


def order_key(point_id):
    return (1, point_id.int) if isinstance(point_id, uuid.UUID) else (0, point_id)


def check_against(tracker, by_offset, versions):
    """Compare every answer of a tracker with a dict offset -> id of the live points."""
    live = {point_id: offset for offset, point_id in by_offset.items()}
    ids = list(live)
    assert tracker.live == len(ids)
    assert tracker.offsets_of([*ids, 2**64 - 2, uuid.UUID(int=12345)]).tolist() == [*live.values(), -1, -1]
    assert [tracker.offset_of(i) for i in ids[:20]] == list(live.values())[:20]
    assert tracker.ids_of(np.array(list(by_offset), np.uint32)) == ids
    assert np.flatnonzero(~tracker.deleted_mask()).tolist() == sorted(by_offset)
    assert tracker.ids_of(tracker.sorted_offsets()) == sorted(ids, key=order_key)
    assert tracker.versions.tolist() == versions
    lo, hi, is_uuid = tracker.ids_arrays()
    for offset, point_id in by_offset.items():
        assert (is_uuid[offset], int(hi[offset]) << 64 | int(lo[offset])) == (
            isinstance(point_id, uuid.UUID),
            int(point_id),
        )


def test_random_changes_agree_with_a_dict(tmp_path, rng, mixed_ids, flush):
    tracker, ids = MutableIdTracker.create(tmp_path), mixed_ids(400)
    by_offset, versions = {}, []
    for step in range(1, 60):
        if rng.random() < 0.6:
            drawn = rng.choice(np.array(ids, object), 12, replace=False)
            new = [i for i in drawn if tracker.offset_of(i) is None]
            first = tracker.insert(new)
            tracker.set_versions(np.arange(first, first + len(new), dtype=np.uint32), step)
            by_offset.update(enumerate(new, first))
            versions += [step] * len(new)
        elif by_offset:
            gone = rng.choice(list(by_offset), min(5, len(by_offset)), replace=False).astype(np.uint32)
            tracker.delete(gone, step)
            for offset in gone.tolist():
                del by_offset[offset]
                versions[offset] = step
        if step % 7 == 0:
            flush(tracker)
            assert tracker.dirty_bytes == 0
            tracker = MutableIdTracker.open(tmp_path)
        check_against(tracker, by_offset, versions)


def test_nothing_is_written_before_a_flush(tmp_path, flush):
    tracker = MutableIdTracker.create(tmp_path)
    tracker.insert([1, 2])
    assert list(tmp_path.iterdir()) == []
    flush(tracker)
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOG]
    tracker.set_versions(u32(0, 1), 9)
    flush(tracker)
    assert (tmp_path / VERSIONS).read_bytes() == struct.pack("<QQ", 9, 9)


def test_a_flush_that_failed_is_repeated_whole(tmp_path, flush):
    from edgeshard.storage.flush import FlushPlan

    tracker = MutableIdTracker.create(tmp_path)
    tracker.insert([5])
    tracker.set_version(0, 3)
    tracker.collect(FlushPlan())
    tracker.insert([6])
    tracker.set_version(1, 4)
    flush(tracker)
    check_against(MutableIdTracker.open(tmp_path), {0: 5, 1: 6}, [3, 4])


def test_changes_made_while_a_flush_runs_are_kept(tmp_path, flush):
    from edgeshard.storage.flush import FlushPlan

    tracker = MutableIdTracker.create(tmp_path)
    tracker.insert([5])
    tracker.set_version(0, 3)
    flush(tracker)
    tracker.set_version(0, 4)
    plan = FlushPlan()
    tracker.collect(plan)
    tracker.set_version(0, 5)
    plan.done()
    flush(tracker)
    assert MutableIdTracker.open(tmp_path).versions.tolist() == [5]


def test_worked_example_of_the_format_page(tmp_path, flush):
    """docs/format/id-tracker.md"""
    tracker = MutableIdTracker.create(tmp_path)
    tracker.insert([7, uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")])
    tracker.set_versions(u32(0, 1), 1)
    tracker.delete(u32(0), 2)
    flush(tracker)
    log = "01 0700000000000000 00000000  02 00112233445566778899aabbccddeeff 01000000  03 0700000000000000"
    assert (tmp_path / LOG).read_bytes() == bytes.fromhex(log)
    assert (tmp_path / VERSIONS).read_bytes() == struct.pack("<QQ", 2, 1)


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_torn_tail_is_cut_off(tmp_path, cut):
    whole = struct.pack("<BQIBQI", 1, 7, 0, 1, 8, 1)
    (tmp_path / LOG).write_bytes(whole[:-cut])
    (tmp_path / VERSIONS).write_bytes(struct.pack("<QQ", 1, 1))
    before = MutableIdTracker.open(tmp_path, read_only=True)
    assert (before.total, (tmp_path / LOG).stat().st_size) == (1, 26 - cut)
    tracker = MutableIdTracker.open(tmp_path)
    assert (tracker.total, (tmp_path / LOG).stat().st_size) == (1, 13)


def test_an_unknown_record_is_reported_with_its_place(tmp_path):
    (tmp_path / LOG).write_bytes(struct.pack("<BQIB", 1, 7, 0, 9) + bytes(30))
    with pytest.raises(CorruptedError, match="unknown record type") as caught:
        MutableIdTracker.open(tmp_path)
    assert caught.value.offset == 13


def test_an_impossible_offset_is_refused(tmp_path):
    (tmp_path / LOG).write_bytes(struct.pack("<BQI", 1, 7, 0xFFFFFFF0))
    with pytest.raises(CorruptedError, match="offset"):
        MutableIdTracker.open(tmp_path)


def test_holes_ask_for_no_memory(tmp_path):
    for name, reason in ((LOG, "unknown record type"), (VERSIONS, "expected 0")):
        with open(tmp_path / name, "wb") as file:
            file.truncate(1 << 31)
        with pytest.raises(CorruptedError, match=reason):
            MutableIdTracker.open(tmp_path)
        (tmp_path / name).unlink()


def unmixed(x):
    """The number that the finaliser of splitmix64 turns into ``x``."""
    x ^= x >> 31 ^ x >> 62
    x = x * pow(0x94D049BB133111EB, -1, 1 << 64) % (1 << 64)
    x ^= x >> 27 ^ x >> 54
    x = x * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) % (1 << 64)
    return x ^ x >> 30 ^ x >> 60


def test_ids_made_to_collide_take_no_longer_than_others():
    def seconds(ids):
        log = b"".join(struct.pack("<BQI", 1, point_id, offset) for offset, point_id in enumerate(ids))
        start = time.process_time()
        found = _native.IdMap()
        assert found.load_log(np.frombuffer(log, np.uint8))[0] is None
        assert found.live == len(ids)
        return time.process_time() - start

    count = 40_000
    ordinary = min(seconds(range(count)) for _ in range(3))
    assert seconds([unmixed(number << 20) for number in range(count)]) < 0.1 + 20 * ordinary


def test_repair_drops_mappings_without_version_for_good(tmp_path, flush):
    (tmp_path / LOG).write_bytes(struct.pack("<BQIBQI", 1, 7, 0, 1, 8, 1))
    (tmp_path / VERSIONS).write_bytes(struct.pack("<Q", 1))
    tracker = MutableIdTracker.open(tmp_path)
    assert (tracker.repair.unversioned.tolist(), tracker.repair.unmapped.tolist()) == ([1], [])
    assert (tracker.offset_of(8), tracker.live, tracker.total) == (None, 1, 2)
    assert tracker.orphans.tolist() == [1]
    tracker.insert([9])
    tracker.set_version(2, 5)
    flush(tracker)
    check_against(MutableIdTracker.open(tmp_path), {0: 7, 2: 9}, [1, 0, 5])


def test_repair_reports_versions_without_mapping(tmp_path):
    (tmp_path / LOG).write_bytes(struct.pack("<BQI", 1, 7, 0))
    (tmp_path / VERSIONS).write_bytes(struct.pack("<QQQ", 1, 0, 4))
    tracker = MutableIdTracker.open(tmp_path)
    assert (tracker.repair.unversioned.tolist(), tracker.repair.unmapped.tolist()) == ([], [2])
    tracker.insert([1, 2])
    assert tracker.versions.tolist() == [1, 0, 0]


def test_ids_are_checked_before_anything_is_inserted(tmp_path):
    tracker = MutableIdTracker.create(tmp_path)
    for bad in ([1, -1], [1, 2**64], [1, "2"], [None]):
        with pytest.raises((TypeError, ValueError)):
            tracker.insert(bad)
    assert tracker.total == 0
    with pytest.raises(IndexError):
        tracker.id_at(0)
    assert tracker.insert([2**64 - 1, np.uint64(3)]) == 0
    assert tracker.ids_of(u32(0, 1)) == [2**64 - 1, 3]


def test_ids_made_natively_are_ordinary_uuids():
    import pickle

    made = uuid.uuid4()
    lo, hi, is_uuid = _native.parse_ids([made, 5])
    copy, number = _native.make_ids(lo, hi, is_uuid)
    assert (copy, number, hash(copy), str(copy)) == (made, 5, hash(made), str(made))
    assert copy.is_safe is uuid.SafeUUID.unknown
    assert pickle.loads(pickle.dumps(copy)) == made


WRITERS = {ImmutableIdTracker: write_immutable_tracker, DiskIdTracker: write_disk_tracker}


@pytest.fixture(params=list(WRITERS), ids=lambda c: c.__name__)
def fixed(request, tmp_path, mixed_ids):
    """An immutable tracker class with a written directory of 5000 mixed ids in id order."""
    ids = sorted(mixed_ids(5000), key=order_key)
    WRITERS[request.param](tmp_path, *_native.parse_ids(ids), np.arange(5000, dtype=np.uint64))
    return request.param, tmp_path, ids


def test_fixed_trackers_answer_and_delete(fixed, flush, rng):
    tracker_class, path, ids = fixed
    tracker = tracker_class.open(path)
    by_offset, versions = dict(enumerate(ids)), list(range(5000))
    check_against(tracker, by_offset, versions)
    for gone in (rng.choice(5000, 700, replace=False).astype(np.uint32), u32(3, 3, 4)):
        tracker.delete(gone, 9000)
        for offset in gone.tolist():
            by_offset.pop(offset, None)
            versions[offset] = 9000
    tracker.set_versions(u32(10, 11), 9001)
    versions[10] = versions[11] = 9001
    check_against(tracker, by_offset, versions)
    check_against(tracker_class.open(path), dict(enumerate(ids)), list(range(5000)))
    flush(tracker)
    assert tracker.dirty_bytes == 0
    check_against(tracker, by_offset, versions)
    check_against(tracker_class.open(path, read_only=True), by_offset, versions)


def test_damage_is_reported_or_harmless(fixed, rng):
    tracker_class, path, ids = fixed
    for name in sorted(p.name for p in path.iterdir()):
        original = (path / name).read_bytes()
        damaged = [original[:n] for n in (0, 5, len(original) // 2, len(original) - 1)]
        damaged += [bytes(len(original))]
        for at in [*range(0, 48, 3), *rng.integers(0, len(original), 20).tolist()]:
            flipped = bytearray(original)
            flipped[at % len(original)] ^= 1 << int(rng.integers(8))
            damaged.append(bytes(flipped))
        for content in damaged:
            (path / name).write_bytes(content)
            try:
                tracker = tracker_class.open(path)
                tracker.offsets_of(ids)
                assert (tracker.total, len(tracker.sorted_offsets())) <= (5000, 5000)
            except CorruptedError:
                continue
        (path / name).write_bytes(original)


@pytest.mark.parametrize("memory", [None, "Cold"])
def test_reads_what_the_oracle_optimised(make_shard, mixed_ids, memory):
    ids = mixed_ids(3000)
    shard = make_shard(
        vectors=oracle.EdgeVectorParams(size=4, distance=oracle.Distance.Dot),
        optimizers=oracle.EdgeOptimizersConfig(indexing_threshold=1),
        id_tracker_memory=getattr(oracle.Memory, memory) if memory else None,
    )
    shard.upsert([(i, [1.0, 2, 3, 4]) for i in ids])
    shard.shard.optimize()
    shard.shard.update(oracle.UpdateOperation.delete_points(ids[:100]))
    segments = shard.close()
    tracker_class = DiskIdTracker if memory else ImmutableIdTracker
    tracker = open_id_tracker(segments[0], appendable=False)
    assert type(tracker) is tracker_class
    assert tracker.total == 3000
    live = sorted(set(ids[100:]), key=order_key)
    assert tracker.ids_of(tracker.sorted_offsets()) == live
    assert set(tracker.versions[~tracker.deleted_mask()].tolist()) == {0}
    lo, hi, is_uuid = tracker.ids_arrays()
    copy = shard.path / "rewritten"
    copy.mkdir()
    WRITERS[tracker_class](copy, lo, hi, is_uuid, tracker.versions)
    for file in copy.iterdir():
        if file.suffix not in (".deleted", ".versions"):
            assert file.read_bytes() == (segments[0] / file.name).read_bytes(), file.name


@pytest.mark.parametrize("memory", [None, "Cold"])
def test_the_oracle_reads_what_we_wrote(make_shard, mixed_ids, memory, flush):
    ids = sorted(mixed_ids(3000), key=order_key)
    shard = make_shard(
        vectors=oracle.EdgeVectorParams(size=4, distance=oracle.Distance.Dot),
        optimizers=oracle.EdgeOptimizersConfig(indexing_threshold=1),
        id_tracker_memory=getattr(oracle.Memory, memory) if memory else None,
    )
    shard.upsert([(i, [float(n), 2, 3, 4]) for n, i in enumerate(ids)])
    shard.shard.optimize()
    segment = shard.close()[0]
    tracker_class = DiskIdTracker if memory else ImmutableIdTracker
    tracker = tracker_class.open(segment)
    columns, versions = tracker.ids_arrays(), tracker.versions.copy()
    tracker.close()
    for file in segment.glob("id_tracker.*"):
        file.unlink()
    WRITERS[tracker_class](segment, *columns, versions)
    tracker = tracker_class.open(segment)
    tracker.delete(u32(0, 1, 2), 7)
    flush(tracker)
    loaded = shard.reload()
    assert loaded.info().points_count == 2997
    assert shard.vectors([ids[2], ids[3]]) == {ids[3]: [3.0, 2.0, 3.0, 4.0]}
    loaded.close()


def test_the_oracle_goes_on_from_our_mutable_tracker(make_shard, mixed_ids, flush):
    ids = mixed_ids(50)
    shard = make_shard(vectors=oracle.EdgeVectorParams(size=4, distance=oracle.Distance.Dot))
    shard.upsert([(i, [float(n), 2, 3, 4]) for n, i in enumerate(ids)])
    segment = next(s for s in shard.close() if (s / LOG).exists())
    tracker = MutableIdTracker.open(segment)
    columns = tracker.ids_of(np.arange(tracker.total, dtype=np.uint32))
    versions = tracker.versions.copy()
    for name in (LOG, VERSIONS):
        (segment / name).unlink()
    ours = MutableIdTracker.create(segment)
    ours.insert(columns)
    ours.set_versions(np.arange(50, dtype=np.uint32), int(versions[0]))
    flush(ours)
    ours.delete(ours.offsets_of(ids[:5]).astype(np.uint32), 3)
    flush(ours)
    loaded = shard.reload()
    assert loaded.info().points_count == 45
    assert shard.vectors([ids[4], ids[7]]) == {ids[7]: [7.0, 2.0, 3.0, 4.0]}
    loaded.close()


def test_compact_versions_are_read_and_replaced(tmp_path, flush, mixed_ids):
    ids = sorted(mixed_ids(100), key=order_key)
    versions = np.cumsum(np.arange(100) % 7 * 300 - 200).astype(np.uint64) + np.uint64(2**40)
    write_disk_tracker(tmp_path, *_native.parse_ids(ids), versions)
    (tmp_path / "id_tracker.versions").unlink()
    deltas = np.diff(versions.astype(np.int64), prepend=0)
    zigzag = ((deltas << 1) ^ (deltas >> 63)).astype("<u8")
    planes = np.ascontiguousarray(zigzag.view(np.uint8).reshape(100, 8).T).tobytes()
    frame = zstandard.compress(struct.pack("<Q", 100) + planes)
    compact = tmp_path / "id_tracker.compact_versions"
    compact.write_bytes(b"QDRANTCV" + struct.pack("<I", 1) + frame)
    tracker = DiskIdTracker.open(tmp_path)
    assert (tracker.versions == versions).all()
    tracker.delete(u32(5), 2**41)
    flush(tracker)
    assert not compact.exists()
    versions[5] = 2**41
    assert (DiskIdTracker.open(tmp_path).versions == versions).all()
    (tmp_path / "id_tracker.versions").unlink()
    for bad in (b"", b"QDRANTCV", b"QDRANTCV" + struct.pack("<I", 1) + frame[:-9], frame):
        compact.write_bytes(bad)
        with pytest.raises(CorruptedError):
            DiskIdTracker.open(tmp_path)


def insert(number, offset):
    return struct.pack("<BQI", 1, number, offset)


def delete(number):
    return struct.pack("<BQ", 3, number)


@pytest.mark.parametrize(
    ("records", "reason", "place"),
    [
        ([insert(5, 0), insert(6, 1), insert(7, 0)], "gives an offset away again", 2),
        ([insert(5, 0), delete(5), insert(6, 0)], "gives an offset away again", 2),
        ([insert(5, 0), insert(5, 1)], "gives a point a second offset", 1),
        ([insert(5, 0), insert(6, 2)], "leaves an offset out", 1),
        ([insert(5, 0), delete(6)], "deletes a point that is not there", 1),
        ([insert(5, 0), delete(5), delete(5)], "deletes a point that is not there", 2),
    ],
)
def test_records_that_no_tracker_writes_are_said(tmp_path, records, reason, place):
    (tmp_path / LOG).write_bytes(b"".join(records))
    (tmp_path / VERSIONS).write_bytes(np.ones(3, "<u8").tobytes())
    at = len(b"".join(records[:place]))
    with pytest.warns(RuntimeWarning, match=f"{LOG}: the file is damaged at byte {at}: a record {reason}"):
        MutableIdTracker(tmp_path)


def test_a_sound_log_is_no_reason_to_complain(tmp_path):
    again = [insert(5, 0), insert(6, 1), delete(5), insert(5, 2), delete(6), insert(5, 2), insert(9, 3)]
    (tmp_path / LOG).write_bytes(b"".join(again))
    (tmp_path / VERSIONS).write_bytes(np.ones(4, "<u8").tobytes())
    assert MutableIdTracker(tmp_path).live == 2
