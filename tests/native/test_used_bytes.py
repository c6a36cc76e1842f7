"""Bytes up to the last that is not zero."""

from __future__ import annotations

import itertools

import pytest

from edgeshard import _native


@pytest.mark.parametrize(("size", "tail"), [*itertools.product(range(20), range(20)), (3, 1 << 17)])
def test_used_bytes(size, tail):
    data = (b"\0\x01" * 10)[:size] + bytes(tail)
    assert _native.used_bytes(data) == len(data.rstrip(b"\0"))
    assert _native.used_bytes(memoryview(data)[1:]) == len(data[1:].rstrip(b"\0"))
