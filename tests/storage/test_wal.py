import itertools
import json
import os
import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest
import qdrant_edge as oracle
from small_logs import CAPACITY, contents, filled

from edgeshard import _native
from edgeshard.errors import CorruptedError, ReadOnlyError, StorageError
from edgeshard.storage import files
from edgeshard.storage.wal import Wal


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "wal"


def test_crc32c_of_rfc_3720():
    for data, expected in [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ]:
        assert _native.crc32c(data) == _native.crc32c_portable(data) == expected


@pytest.mark.parametrize("size", [1, 7, 8, 255, 767, 768, 769, 1023, 1024, 1279, 1280, 12287, 12288, 12300, 100_003])
def test_crc32c_versions_agree(size):
    data = bytes(i * 131 % 251 for i in range(size))
    assert _native.crc32c(data, 77) == _native.crc32c_portable(data, 77)
    assert _native.crc32c(data[5:], _native.crc32c(data[:5], 77)) == _native.crc32c(data, 77)


def test_chained_crc():
    assert _native.wal_crc(b"123456789", 0xFFFFFFFF) == 0xE3069283
    assert _native.wal_crc(bytes(12), 0x12345678) == 0x5C0E19CE


def test_record_and_frame_agree():
    for size in range(20):
        payload = bytes(range(size))
        record, crc = _native.wal_record(payload, 99)
        head, tail, same = _native.wal_frame(payload, 99)
        assert (head + payload + tail, same) == (record, crc)
        assert len(record) % 8 == 0


def test_append_and_reopen(directory):
    payloads = filled(directory, [bytes([i]) * i for i in range(1, 40)])
    wal = Wal.open(directory)
    assert [(i, bytes(p)) for i, p in wal.entries()] == list(enumerate(payloads))
    assert wal.append(b"next") == len(payloads)


def test_roll_over_keeps_a_spare(directory):
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    for i in range(10):
        wal.append(bytes([i]) * 1000)
    names = sorted(os.listdir(directory))
    assert names == ["closed-0", "closed-3", "closed-6", "open-4", "open-5"]
    wal.close()
    assert contents(directory) == [bytes([i]) * 1000 for i in range(10)]


def test_oversize_record(directory):
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    wal.append(b"small")
    large = os.urandom(1 << 20)
    assert wal.append(large) == 1
    assert wal.append(b"after") == 2
    wal.close()
    assert contents(directory) == [b"small", large, b"after"]


def test_create_at_an_index(directory):
    wal = Wal.create(directory, first_index=100)
    assert wal.next_index == wal.first_index == 100
    wal.close()
    wal = Wal.open(directory)
    assert wal.append(b"x") == 100


def test_acknowledge_drops_closed_files(directory):
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    for i in range(10):
        wal.append(bytes([i]) * 1000)
    wal.acknowledge(8)
    assert json.loads((directory / "first-index").read_text()) == {"ack_index": 8}
    assert "closed-3" not in os.listdir(directory)
    assert "closed-6" in os.listdir(directory)
    wal.acknowledge(5)
    assert wal.ack_index == 8
    wal.acknowledge(1000)
    assert wal.ack_index == 9
    wal.close()
    wal = Wal.open(directory)
    assert [i for i, _ in wal.entries()] == [9]
    assert [i for i, _ in wal.entries(7)] == [7, 8, 9]


def test_read_only_changes_nothing(directory):
    filled(directory, [b"a", b"b"])
    (directory / "tmp-open-9").write_bytes(b"")
    before = {name: (directory / name).read_bytes() for name in os.listdir(directory)}
    wal = Wal.open(directory, read_only=True)
    assert len(wal) == 2
    with pytest.raises(ReadOnlyError):
        wal.append(b"c")
    wal.close()
    assert {name: (directory / name).read_bytes() for name in os.listdir(directory)} == before


def test_restart_continues_elsewhere(directory):
    filled(directory, [b"a"] * 5)
    wal = Wal.open(directory)
    wal.restart(77)
    assert wal.append(b"b") == 77
    wal.close()
    assert [(i, bytes(p)) for i, p in Wal.open(directory).entries()] == [(77, b"b")]


@pytest.mark.parametrize("survivors", [1, 2, 3])
def test_restart_killed_halfway(directory, survivors):
    """The marker is there, old closed files still are: numbering continues at the marker."""
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    for i in range(10):
        wal.append(bytes([i]) * 1000)
    os.rename(directory / "open-4", directory / "closed-9")
    for name in ["closed-0", "closed-3", "closed-6"][survivors:]:
        os.unlink(directory / name)
    wal.close()
    Wal.create(directory.parent / "other", first_index=50)
    os.rename(directory.parent / "other/closed-50", directory / "closed-50")
    (directory / "first-index").write_text('{"ack_index":9}')
    wal = Wal.open(directory)
    assert wal.append(b"x") == 50


# --- damage


def test_truncated_anywhere_gives_a_prefix(directory):
    payloads = filled(directory, [b"first", b"the second one", b"3", b"number four is longer" * 3])
    path = directory / "open-1"
    whole = path.read_bytes()
    for size in itertools.chain(range(8, 200), [300, 1000]):
        path.write_bytes(whole[:size])
        found = contents(directory)
        assert found == payloads[: len(found)]
    assert found == payloads


def test_every_bit_flip_gives_a_prefix_or_an_error(directory):
    payloads = filled(directory, [b"first", b"the second one", b"3", b"number four" * 3])
    path = directory / "open-1"
    whole = bytearray(path.read_bytes())
    reported, where = 0, set()
    for position, bit in itertools.product(range(4, 150), range(8)):
        whole[position] ^= 1 << bit
        path.write_bytes(whole)
        whole[position] ^= 1 << bit
        try:
            found = contents(directory)
        except CorruptedError as error:
            reported += 1
            where.add(error.path)
            continue
        assert found == payloads[: len(found)]
    assert where == {str(path)}
    assert reported > 200  # at least every flip in the payloads of the first three


def damage_record(directory, index, payloads):
    """Flip a bit in the payload of one record of open-1."""
    offset = 8 + sum(len(_native.wal_record(p, 0)[0]) for p in payloads[:index])
    data = bytearray((directory / "open-1").read_bytes())
    data[offset + 8] ^= 1
    (directory / "open-1").write_bytes(data)
    return offset


def test_damage_in_the_middle_is_reported(directory):
    payloads = filled(directory, [b"payload %d" % i for i in range(6)])
    offset = damage_record(directory, 2, payloads)
    with pytest.raises(CorruptedError, match="operation 2 of the log") as error:
        Wal.open(directory)
    assert error.value.offset == offset
    wal = Wal.open(directory, on_damage="skip")
    assert [i for i, _ in wal.entries()] == [0, 1, 3, 4, 5]
    assert [(d.index, d.offset) for d in wal.damage] == [(2, offset)]
    assert wal.append(b"x") == 6


def test_damaged_length_is_reported(directory):
    payloads = filled(directory, [b"payload %d" % i for i in range(6)])
    data = bytearray((directory / "open-1").read_bytes())
    offset = 8 + 3 * len(_native.wal_record(payloads[0], 0)[0])
    data[offset + 5] ^= 0x40
    (directory / "open-1").write_bytes(data)
    with pytest.raises(CorruptedError, match="operation 3 of the log"):
        Wal.open(directory)


def test_acknowledged_damage_does_not_block(directory):
    payloads = filled(directory, [b"payload %d" % i for i in range(6)])
    damage_record(directory, 2, payloads)
    (directory / "first-index").write_text('{"ack_index":4}')
    wal = Wal.open(directory)
    assert [(i, bytes(p)) for i, p in wal.entries()] == [(4, b"payload 4"), (5, b"payload 5")]
    assert wal.append(b"x") == 6
    wal.close()


@pytest.mark.parametrize("ack", [5, 40])
def test_wholly_acknowledged_log_continues_behind_the_acknowledgement(directory, ack):
    payloads = filled(directory, [b"payload %d" % i for i in range(6)])
    damage_record(directory, 2, payloads)
    (directory / "first-index").write_text(json.dumps({"ack_index": ack}))
    wal = Wal.open(directory)
    assert wal.append(b"x") == ack + 1
    assert len(wal.damage) == 1
    wal.close()
    assert [(i, bytes(p)) for i, p in Wal.open(directory).entries()] == [(ack + 1, b"x")]


def test_lost_sector_is_a_torn_tail(directory):
    """Power loss: a sector in the middle was never written, later ones were."""
    payloads = filled(directory, [bytes([i + 1]) * 700 for i in range(5)])
    data = bytearray((directory / "open-1").read_bytes())
    data[1024:1536] = bytes(512)
    (directory / "open-1").write_bytes(data)
    assert contents(directory) == payloads[:1]
    wal = Wal.open(directory)
    assert wal.append(b"y" * 700) == 1
    wal.close()
    assert contents(directory) == [payloads[0], b"y" * 700]  # the old records behind it are gone for good


def test_old_bytes_behind_a_shorter_new_record_are_no_damage(directory):
    """What 0.9.0 leaves when it writes over a torn tail."""
    payloads = filled(directory, [b"a" * 100, b"b" * 100, b"c" * 100, b"d" * 100])
    data = bytearray((directory / "open-1").read_bytes())
    first = _native.wal_record(payloads[0], int.from_bytes(data[4:8], "little"))
    new = _native.wal_record(b"short", first[1])[0]
    data[8 + len(first[0]) : 8 + len(first[0]) + len(new)] = new
    (directory / "open-1").write_bytes(data)
    assert contents(directory) == [payloads[0], b"short"]


def test_missing_closed_file(directory):
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    for i in range(10):
        wal.append(bytes([i]) * 1000)
    wal.close()
    os.unlink(directory / "closed-3")
    with pytest.raises(CorruptedError, match="3 records are missing before closed-6"):
        Wal.open(directory)
    (directory / "first-index").write_text('{"ack_index":6}')
    assert [i for i, _ in Wal.open(directory).entries()] == [6, 7, 8, 9]


@pytest.mark.parametrize("header", [b"law\0", b"wal\1"])
def test_wrong_header(directory, header):
    filled(directory, [b"a"])
    data = (directory / "open-1").read_bytes()
    (directory / "open-1").write_bytes(header + data[4:])
    with pytest.raises(CorruptedError, match="expected 'wal' and version 0"):
        Wal.open(directory)


def test_open_file_without_header_is_made_again(directory):
    filled(directory, [b"a"])
    (directory / "open-2").write_bytes(b"")
    wal = Wal.open(directory)
    assert wal.append(b"b") == 1


# --- failing disks


class FullDisk(files.Disk):
    """Refuses writes beyond a number of bytes, after a partial one."""

    def __init__(self):
        self.room = 1 << 40
        self.refuse_new_files = False

    def open(self, path, flags, mode=0o644):
        if self.refuse_new_files and flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return super().open(path, flags, mode)

    def pwrite(self, fd, data, offset):
        size = memoryview(data).nbytes
        if size > self.room:
            super().pwrite(fd, memoryview(data)[: self.room], offset)
            raise OSError(28, "No space left on device")
        self.room -= size
        super().pwrite(fd, data, offset)


@pytest.fixture
def full_disk():
    disk = FullDisk()
    before = files.use_disk(disk)
    yield disk
    files.use_disk(before)


@pytest.mark.parametrize("size", [500, 300_000])
def test_full_disk_leaves_the_log_valid(directory, full_disk, size):
    wal = Wal.create(directory)
    wal.append(b"before")
    full_disk.room = size // 2
    with pytest.raises(StorageError, match="No space left on device"):
        wal.append(b"x" * size)
    assert contents(directory) == [b"before"]
    assert not (directory / "open-1").read_bytes()[8 + 24 :].strip(b"\0")
    full_disk.room = 1 << 40
    assert wal.append(b"y" * size) == 1
    wal.close()
    assert contents(directory) == [b"before", b"y" * size]


def test_full_disk_at_roll_over(directory, full_disk):
    wal = Wal.create(directory, capacity_bytes=CAPACITY)
    for _ in range(3):
        wal.append(b"x" * 1000)
    full_disk.refuse_new_files = True
    for _ in range(3):
        wal.append(b"y" * 1000)  # the spare takes them; another spare could not be made
    with pytest.raises(StorageError, match="cannot create"):
        wal.append(b"z" * 1000)
    full_disk.refuse_new_files = False
    assert wal.append(b"z" * 1000) == 6
    wal.close()
    assert len(contents(directory)) == 7


def test_acknowledged_appends_survive_sigkill(directory):
    code = (
        "import sys\nfrom edgeshard.storage.wal import Wal\nwal = Wal.create(sys.argv[1])\n"
        "for i in range(10**9):\n    print(wal.append(b'%d' % i), flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE) as process:
        for _ in range(500):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        last = process.stdout.read().split(b"\n")
    numbers = [int(x) for x in last if x]
    found = contents(directory)
    assert len(found) >= max([499, *numbers[:-1]])
    assert found == [b"%d" % i for i in range(len(found))]


# --- the oracle


def oracle_shard(path):
    config = oracle.EdgeConfig(vectors=oracle.EdgeVectorParams(size=2, distance=oracle.Distance.Dot))
    return oracle.EdgeShard.create(str(path), config)


def ids_in(shard):
    return {record.id for record in shard.scroll(oracle.ScrollRequest(limit=1000))[0]}


def upsert(number):
    return oracle.UpdateOperation.upsert_points([oracle.Point(number, [1.0, float(number)], {"n": number})])


def test_reads_what_the_oracle_wrote(tmp_path):
    shard = oracle_shard(tmp_path)
    for i in range(5):
        shard.update(upsert(i))
    shard.close()
    wal = Wal.open(tmp_path / "wal", read_only=True)
    assert [i for i, _ in wal.entries(0)] == list(range(5))
    assert wal.ack_index == 4
    assert all(b"upsert_points" in bytes(p) for _, p in wal.entries(0))


def test_the_oracle_replays_what_we_wrote(tmp_path):
    oracle_shard(tmp_path).close()
    wal = Wal.open(tmp_path / "wal")
    for i in range(3000):  # over a roll-over
        payload = b'{"n":%d,"pad":"%s"}' % (i, b"x" * 20000)
        wal.append(_native.encode_upsert_raw([i], [("", _rows(i), None)], [payload]))
    assert any(name.startswith("closed") for name in os.listdir(tmp_path / "wal"))
    wal.close()
    shard = oracle.EdgeShard.load(str(tmp_path))
    assert shard.count(oracle.CountRequest()) == 3000
    record = shard.retrieve([7], with_payload=True, with_vector=True)[0]
    assert record.vector == [7.0, 1.0]
    assert record.payload["n"] == 7


def test_the_oracle_goes_on_behind_a_restart(tmp_path):
    shard = oracle_shard(tmp_path)
    for i in range(5):
        shard.update(upsert(i))
    shard.close()
    wal = Wal.open(tmp_path / "wal")
    wal.restart(500)
    wal.close()
    shard = oracle.EdgeShard.load(str(tmp_path))
    shard.update(upsert(99))
    assert ids_in(shard) == {0, 1, 2, 3, 4, 99}
    shard.close()
    assert [i for i, _ in Wal.open(tmp_path / "wal").entries(0)] == [500]


def _rows(i):
    return np.array([[i, 1]], np.float32)


def test_uuid_ids_reach_the_oracle(tmp_path):
    oracle_shard(tmp_path).close()
    wal = Wal.open(tmp_path / "wal")
    key = uuid.uuid4()
    wal.append(_native.encode_upsert_raw([key], [("", _rows(3), None)], None))
    wal.close()
    assert ids_in(oracle.EdgeShard.load(str(tmp_path))) == {key}


# --- numbers that must stay ahead of the segments


def test_opening_makes_a_missing_log(directory):
    wal = Wal.open(directory, first_index=8)
    assert wal.append(b"x") == 8


def test_a_log_behind_the_segments_starts_again_once_acknowledged(directory):
    filled(directory, [b"a", b"b"])
    wal = Wal.open(directory, first_index=50)
    assert [i for i, _ in wal.entries()] == [0, 1]
    assert wal.next_index == 50
    wal.acknowledge(49)
    assert wal.append(b"c") == 50
    wal.close()
    wal = Wal.open(directory, first_index=51)
    assert [(i, bytes(p)) for i, p in wal.entries(0)] == [(50, b"c")]


def test_drop_last(directory):
    payloads = filled(directory, [b"a" * 100, b"b", b"c" * 9])
    wal = Wal.open(directory)
    with pytest.raises(StorageError, match="operation 1 is not the last"):
        wal.drop_last(1)
    wal.drop_last(2)
    assert wal.append(b"d") == 2
    wal.drop_last(2)
    wal.drop_last(1)
    wal.drop_last(0)
    assert wal.append(payloads[0]) == 0
    wal.close()
    assert contents(directory) == payloads[:1]


def test_drop_last_behind_damage(directory):
    payloads = filled(directory, [b"payload %d" % i for i in range(4)])
    damage_record(directory, 1, payloads)
    wal = Wal.open(directory, on_damage="skip")
    assert wal.damage
    wal.close()
    wal = Wal.open(directory, on_damage="skip", read_only=True)
    assert [i for i, _ in wal.entries()] == [0, 2, 3]
