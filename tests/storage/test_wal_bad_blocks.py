"""Bad blocks in the middle of a log: told, kept, and found in linear time."""

import json
import time

import pytest
from small_logs import contents, filled

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.wal import Wal


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "wal"


@pytest.mark.parametrize("first", [0, 2])
def test_a_bad_block_over_several_records_is_told_and_kept(directory, first):
    """How many records it took is not known, so those behind it cannot be numbered."""
    payloads = filled(directory, [b"payload %d" % i for i in range(40)])
    path = directory / "open-1"
    data = bytearray(path.read_bytes())
    size = len(_native.wal_record(payloads[0], 0)[0])
    start = 8 + first * size
    data[start : start + 5 * size] = bytes(byte ^ 0xFF for byte in data[start : start + 5 * size])
    path.write_bytes(data)
    assert contents(directory) == payloads[:first]  # a reader changes nothing
    with pytest.warns(RuntimeWarning, match=rf"damaged at byte {start}.*edgeshard.damaged"):
        wal = Wal.open(directory)
    assert wal.append(b"x") == first
    wal.close()
    assert contents(directory) == [*payloads[:first], b"x"]
    (kept,) = (directory.parent / "edgeshard.damaged").iterdir()
    assert kept.read_bytes() == bytes(data).rstrip(b"\0")


@pytest.mark.parametrize("ack", [None, 6, 7, 39])
def test_a_bad_block_behind_a_record_of_ours_is_damage(directory, ack):
    """It made the tail zero before it wrote, so what lies behind is no older."""
    operations = [_native.cbor_dumps({"delete_points": {"ids": [number]}}) for number in range(10, 22)]
    filled(directory, operations)
    path = directory / "open-1"
    data = bytearray(path.read_bytes())
    start = 8 + 7 * len(_native.wal_record(operations[0], 0)[0])
    data[start : start + 80] = bytes(byte ^ 0xFF for byte in data[start : start + 80])
    path.write_bytes(data)
    if ack is not None:
        (directory / "first-index").write_text(json.dumps({"ack_index": ack}))
    if ack is None or ack < 7:
        with pytest.raises(CorruptedError, match=f"byte {start}.*operation 7 of the log"):
            Wal.open(directory)
        assert path.read_bytes() == bytes(data)
    with pytest.warns(RuntimeWarning, match=rf"damaged at byte {start}.*edgeshard.damaged"):
        wal = Wal.open(directory, on_damage="skip")
    assert [damage.index for damage in wal.damage] == [7]
    assert wal.append(b"x") == max(7, (ack or 0) + 1)
    wal.close()
    (kept,) = (directory.parent / "edgeshard.damaged").iterdir()
    assert kept.read_bytes() == bytes(data).rstrip(b"\0")


def test_looking_for_the_next_record_takes_linear_time():
    def seconds(count):
        data, crc = bytearray(b"wal\0" + bytes(4)), 0
        for _ in range(count):
            record, crc = _native.wal_record(b"x" * 84, crc)
            data += record
        data[8 + 5 * 96 : 8 + 11 * 96] = b"\xff" * 6 * 96
        _, _, end, crc, _ = _native.wal_scan(bytes(data), 8, 0)
        start = time.process_time()
        assert _native.wal_inspect(bytes(data), end, crc) == (None, 8 + 12 * 96)
        return time.process_time() - start

    assert seconds(64_000) < 1 + 40 * min(seconds(8_000) for _ in range(3))
