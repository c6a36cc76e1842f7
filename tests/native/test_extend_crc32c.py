"""Checksums over what is in use of a buffer, and over zeroes that are not there."""

import pytest

from edgeshard import _native


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 100])
@pytest.mark.parametrize("tail", [0, 1, 7, 8, 9, 31])
def test_used_bytes(size, tail):
    data = bytes(range(1, size + 1)) + bytes(tail)
    for view in (data, memoryview(data)[1:]):
        kept = bytes(view).rstrip(b"\0")
        assert _native.extend_crc32c(view, 0, 0) == (len(kept), _native.crc32c_portable(kept))


@pytest.mark.parametrize("gap", [0, 1, 3, 8, 4095, 100_000, 5_000_003])
def test_gap(gap):
    crc = _native.crc32c(b"before")
    whole = _native.crc32c_portable(b"before" + bytes(gap) + b"after")
    assert _native.extend_crc32c(b"after\0\0", gap, crc) == (5, whole)


def test_a_gap_with_nothing_behind_it_does_not_count():
    assert _native.extend_crc32c(bytes(50), 100, 77) == (0, 77)
    assert _native.extend_crc32c(b"", 100, 77) == (0, 77)


def test_a_gap_as_large_as_a_file_can_be():
    ones = _native.crc32c(b"\1")
    halves = _native.extend_crc32c(b"\1", (1 << 62) - 1, ones)[1]
    assert halves != _native.extend_crc32c(b"\1", 1 << 62, ones)[1]
