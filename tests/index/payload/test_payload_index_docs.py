"""The worked examples of docs/format/payload-index.md are what the code writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from joined import joined

from edgeshard import _native
from edgeshard.index.payload.build import write_field, write_starts
from edgeshard.index.payload.build_geo import geohashes
from edgeshard.index.payload.schema import FieldSchema, directory_name
from edgeshard.index.payload.values import Extracted

PAGE = Path(__file__).parents[3] / "docs" / "format" / "payload-index.md"
PAYLOADS = [b'{"t":"red fox","n":7,"k":"b"}', b'{"t":"fox","n":5,"k":["a","b"]}', b"{}", b'{"n":5,"k":"abc"}']


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


@pytest.fixture(scope="module")
def examples(page):
    """``{name: bytes}`` of the ``hex`` blocks."""
    return {name: bytes.fromhex(body) for name, body in re.findall(r"```hex (\S+)\n(.*?)```", page, re.S)}


def packed():
    return joined(PAYLOADS)


def read(offsets):
    assert offsets.tolist() == list(range(len(PAYLOADS)))
    return packed()


def written(tmp_path, field, stored):
    schema = FieldSchema(field, stored)
    drafts = {name: tmp_path / name for name in schema.directories}
    write_field(schema, drafts, len(PAYLOADS), read, str)
    return drafts[schema.directory(schema.kinds[0])]


def test_directory_name(page):
    assert directory_name("cat", "map") in page


def test_appendable_values(examples):
    found = Extracted(*packed(), ("k",), str)
    counts, codes = found.values("keyword_index")
    data, bounds = _native.pack_keywords(found.strings, codes, counts)
    assert data[bounds[1] : bounds[2]].tobytes() == examples["keyword-value"]
    data, _ = _native.pack_tokens(
        ["red", "fox"], np.array([0, 1], np.uint32), np.array([0, 2]), np.zeros(1, np.uint32), np.ones(1, np.uint32), 0,
        False,
    )  # fmt: skip
    assert data.tobytes() == examples["text-value"]


def test_map_and_prefix_files(examples, tmp_path):
    directory = written(tmp_path, "k", {"type": "keyword", "prefix": True})
    raw = (directory / "values_to_points.bin").read_bytes()
    assert raw[: len(examples["map-head"])] == examples["map-head"]
    assert raw[4096:] == examples["map-entries"]
    assert (directory / "prefix_index.bin").read_bytes() == examples["prefix_index.bin"]
    values = (directory / "point_to_values.bin").read_bytes()
    assert values[:16] + values[4096:] == examples["point_to_values.bin"]
    assert (directory / "deleted.bin").read_bytes() == examples["deleted.bin"]


def test_numeric_files(examples, tmp_path):
    schema = FieldSchema("n", {"type": "integer", "lookup": False})
    drafts = {name: tmp_path / name for name in schema.directories}
    write_field(schema, drafts, len(PAYLOADS), read, str)
    directory = drafts[schema.directory("int_index")]
    assert (directory / "data.bin").read_bytes() == examples["data.bin"]
    assert (directory / "data_block_index.bin").read_bytes() == examples["data_block_index.bin"]
    assert (directory / "histogram_borders.bin").read_bytes() == examples["histogram_borders.bin"]


def test_text_files(examples, tmp_path):
    stored = {"type": "text", "tokenizer": "word", "phrase_matching": True, "scoring": {"type": "bm25"}}
    directory = written(tmp_path, "t", stored)
    for name in ("postings.dat", "term_frequencies.dat"):
        assert (directory / name).read_bytes() == examples[name], name


def test_geohash(examples):
    assert geohashes(np.array([[-5.6, 42.6]])).astype("<u8").tobytes() == examples["geohash"]


def test_element_starts(examples, tmp_path):
    write_starts(tmp_path / "elements", [np.array([2, 0, 1], np.uint32)], 2)
    assert (tmp_path / "elements" / "starts.zstd").read_bytes() == examples["starts.zstd"]
