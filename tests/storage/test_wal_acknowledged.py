"""Opening a log without looking at what was acknowledged."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.wal import Wal

PAYLOADS = [b"payload %03d" % i * (1 + i % 7) for i in range(120)]


def filled(directory: Path, acknowledged: int | None) -> None:
    wal = Wal.create(directory, capacity_bytes=2000)
    for payload in PAYLOADS:
        wal.append(payload)
    wal.close()
    if acknowledged is not None:
        (directory / "first-index").write_text(json.dumps({"ack_index": acknowledged}))


def flip(directory: Path, index: int, byte: int) -> None:
    """Damage one byte of a record, counted from the start of its length."""
    closed = sorted(directory.glob("closed-*"), key=lambda path: int(path.name.partition("-")[2]))
    first = 0
    for path in [*closed, *sorted(directory.glob("open-*"))]:
        data = bytearray(path.read_bytes())
        offsets = _native.wal_scan(data, 8, int.from_bytes(data[4:8], "little"))[0]
        if index < first + len(offsets):
            data[offsets[index - first] + byte] ^= 0x11
            path.write_bytes(data)
            return
        first += len(offsets)
    raise AssertionError(f"no record {index}")


def read(wal: Wal) -> list[tuple[int, bytes]]:
    return [(index, bytes(payload)) for index, payload in wal.entries()]


@pytest.mark.parametrize("acknowledged", [None, 0, 1, 40, 41, 100, 118, 119])
def test_same_log_as_when_everything_is_checked(tmp_path, acknowledged):
    filled(tmp_path / "wal", acknowledged)
    whole = Wal.open(tmp_path / "wal", read_only=True)
    wal = Wal.open(tmp_path / "wal", check_acknowledged=False)
    assert (wal.next_index, wal.first_index) == (whole.next_index, whole.first_index) == (120, 0)
    assert read(wal) == read(whole) == list(enumerate(PAYLOADS))[acknowledged or 0 :]
    assert wal.append(b"more") == 120
    wal.close()
    wal = Wal.open(tmp_path / "wal")
    assert read(wal)[-1] == (120, b"more")
    assert not wal.damage


def test_last_operation_can_be_dropped(tmp_path):
    filled(tmp_path / "wal", 119)
    wal = Wal.open(tmp_path / "wal", check_acknowledged=False)
    for number in (120, 121):
        assert wal.append(b"more") == number
    wal.drop_last(121)
    assert read(wal)[1:] == [(120, b"more")]
    wal.drop_last(120)
    assert wal.append(b"other") == 120
    wal.close()
    assert read(Wal.open(tmp_path / "wal"))[1:] == [(120, b"other")]


@pytest.mark.parametrize(("index", "byte"), list(itertools.product([3, 60, 117], [0, 1, 7, 8, 12])))
def test_damage_among_acknowledged_records_changes_nothing(tmp_path, index, byte):
    filled(tmp_path / "wal", 118)
    flip(tmp_path / "wal", index, byte)
    wal = Wal.open(tmp_path / "wal", check_acknowledged=False)
    assert read(wal) == list(enumerate(PAYLOADS))[118:]
    assert wal.append(b"more") == 120
    wal.close()
    assert read(Wal.open(tmp_path / "wal", check_acknowledged=False))[-1] == (120, b"more")
    assert read(Wal.open(tmp_path / "wal"))[-1] == (120, b"more")


def test_damage_behind_the_acknowledged_records_is_reported(tmp_path):
    filled(tmp_path / "wal", 40)
    flip(tmp_path / "wal", 100, 9)
    with pytest.raises(CorruptedError, match="operation 100 of the log"):
        Wal.open(tmp_path / "wal", check_acknowledged=False)


def test_skipping_stops_before_the_last_record():
    crc, data = 7, b""
    ends = [0]
    for payload in PAYLOADS[:5]:
        record, crc = _native.wal_record(payload, crc)
        data += record
        ends.append(len(data))
    for most in range(8):
        records, offset, chained = _native.wal_skip(data + bytes(64), 0, 7, most)
        assert records == min(most, 4)
        assert offset == ends[records]
        assert len(_native.wal_scan(data, offset, chained)[0]) == 5 - records
    for cut in range(0, len(data), 5):  # whatever is there, nothing behind the end is read
        records, offset, _ = _native.wal_skip(data[:cut], 0, 7, 99)
        assert offset == ends[records] <= cut
