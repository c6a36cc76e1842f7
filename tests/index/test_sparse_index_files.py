"""The compressed files of a sparse index: written as described, refused when damaged."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.sparse import SparseIndexConfig, open_index, write_index

DOCS = Path(__file__).parents[2] / "docs" / "format" / "sparse-index.md"


def plain(rows: list[tuple[list[int], list[float]]]) -> _native.PlainSparseIndex:
    index = _native.PlainSparseIndex()
    indptr = np.concatenate([[0], np.cumsum([len(row[0]) for row in rows])]).astype(np.int64)
    indices = np.array([i for row in rows for i in row[0]], np.uint32)
    values = np.array([v for row in rows for v in row[1]], np.float32)
    index.put(np.arange(len(rows), dtype=np.uint32), indptr, indices, values)
    return index


def many(count: int = 400) -> _native.PlainSparseIndex:
    rng = np.random.default_rng(0)
    return plain([([1, 5 + i % 3], rng.normal(2, 3, 2).tolist()) for i in range(count)])


def postings(index: Any, dimension: int, points: int) -> tuple[list[int], list[float]]:
    mask = np.ones(points, np.bool_)
    offsets, sims = index.search(np.array([dimension], np.uint32), np.ones(1, np.float32), mask, points)
    order = np.argsort(offsets)
    return offsets[order].tolist(), sims[order].tolist()


def test_worked_example(tmp_path: Path) -> None:
    example = DOCS.read_text().split("## Example")[1]
    block = re.search(r"```\n(.*?)```", example, re.S)
    assert block
    expected = bytes.fromhex("".join(re.findall(r"^((?:[0-9a-f]{2} ?)+)", block[1], re.M)))
    rows: list[tuple[list[int], list[float]]] = [([70], [i % 4 + 0.5]) if i % 2 else ([], []) for i in range(258)]
    rows[3] = ([9, 70], [1.0, 3.5])
    write_index(tmp_path, plain(rows), SparseIndexConfig("Mmap", datatype="uint8"))
    data = (tmp_path / "inverted_index.dat").read_bytes()
    assert data[: len(expected) - 8] == expected[:-8]
    assert data[-8:] == expected[-8:]
    assert json.loads((tmp_path / "inverted_index_config.json").read_text())["vector_count"] == 129
    index, _ = open_index(tmp_path, 258)
    assert postings(index, 70, 258)[0] == list(range(1, 258, 2))
    assert postings(index, 9, 258) == ([3], [1.0])


@pytest.mark.parametrize("datatype", [None, "float16", "uint8"])
@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 1000])
def test_round_trip(datatype: str | None, count: int, tmp_path: Path) -> None:
    index = many(count)
    write_index(tmp_path, index, SparseIndexConfig("ImmutableRam", datatype=datatype))
    again, config = open_index(tmp_path, count)
    again.check()
    assert (again.vectors, config.datatype) == (count, datatype)
    for dimension in (1, 5, 6, 7):
        offsets, weights = postings(index, dimension, count)
        got, decoded = postings(again, dimension, count)
        assert got == offsets
        if datatype is None:
            assert decoded == weights
        elif datatype == "float16":
            assert decoded == np.array(weights, np.float16).astype(np.float32).tolist()
        elif weights:
            step = (max(weights) - min(weights)) / 255
            assert np.abs(np.array(decoded) - weights).max() <= step * 0.5001 + 1e-6


def test_half_precision_is_numpys(tmp_path: Path) -> None:
    bits = np.arange(0, 2**32, 65_521, dtype=np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32)
    index = _native.PlainSparseIndex()
    count = len(values)
    offsets = np.arange(count, dtype=np.uint32)
    index.put(offsets, np.arange(count + 1, dtype=np.int64), np.zeros(count, np.uint32), values)
    write_index(tmp_path, index, SparseIndexConfig("Mmap", datatype="float16"))
    again, _ = open_index(tmp_path, count)
    query = np.zeros(1, np.uint32), np.ones(1, np.float32)
    sims, _ = again.score(*query, np.arange(count, dtype=np.uint32))
    np.testing.assert_array_equal(sims, expected)


def test_every_damaged_byte_is_found_or_harmless(tmp_path: Path) -> None:
    """Whatever is in the file, reading it ends in an error or in postings of points the segment has."""
    rng = np.random.default_rng(1)
    write_index(tmp_path, many(), SparseIndexConfig("ImmutableRam"))
    file = tmp_path / "inverted_index.dat"
    whole = file.read_bytes()
    found = 0
    places = [*range(4 * 24), *rng.integers(96, len(whole), 600).tolist()]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
        try:
            index, _ = open_index(tmp_path, 400)
            index.check()
        except (CorruptedError, RuntimeError):
            found += 1
        else:
            for dimension in (1, 5, 6, 7):
                offsets, _ = postings(index, dimension, 400)
                assert offsets == sorted(set(offsets))
    assert found > 4 * 20
    for size in range(0, len(whole), 97):
        file.write_bytes(whole[:size])
        with pytest.raises((CorruptedError, RuntimeError)):
            open_index(tmp_path, 400)[0].check()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("version.info", b"0.3.0"),
        ("version.info", None),
        ("inverted_index.dat", None),
        ("inverted_index_config.json", b"{}"),
        ("inverted_index_config.json", b'{"posting_count":-1,"vector_count":1}'),
        ("inverted_index_config.json", b'{"posting_count":99999999,"vector_count":1}'),
        ("inverted_index_config.json", None),
        ("indices_tracker.json", b'{"map":{"1":0,"5":1,"6":2,"7":4}}'),
        ("indices_tracker.json", b'{"map":{"1":0,"5":1,"6":2}}'),
        ("indices_tracker.json", b'{"map":{"1":0,"5":1,"6":2,"-7":3}}'),
        ("indices_tracker.json", b'{"map":{"1":0,"5":1,"6":2,"7":"x"}}'),
        ("indices_tracker.json", b"[]"),
        ("sparse_index_config.json", b'{"index_type":"Best"}'),
        ("sparse_index_config.json", b'{"index_type":"Mmap","datatype":"float64"}'),
    ],
)
def test_damaged_small_files(name: str, content: bytes | None, tmp_path: Path) -> None:
    write_index(tmp_path, many(), SparseIndexConfig("ImmutableRam"))
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CorruptedError):
        open_index(tmp_path, 400)


def test_fewer_points_than_postings(tmp_path: Path) -> None:
    write_index(tmp_path, many(), SparseIndexConfig("ImmutableRam"))
    with pytest.raises(CorruptedError, match="does not have"):
        open_index(tmp_path, 399)


def test_gaps_that_overflow(tmp_path: Path) -> None:
    """Ids whose differences add up beyond 2^32 do not come out as small ones."""
    write_index(tmp_path, many(), SparseIndexConfig("ImmutableRam"))
    file = tmp_path / "inverted_index.dat"
    data = bytearray(file.read_bytes())
    start = struct.unpack_from("<Q", data)[0]
    struct.pack_into("<I", data, start, 2**32 - 2)  # the first id of the first chunk: there are no packed bytes
    file.write_bytes(data)
    index, _ = open_index(tmp_path, 400)
    with pytest.raises(RuntimeError, match="out of order"):
        index.check()
