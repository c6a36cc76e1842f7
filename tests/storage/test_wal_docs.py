"""The worked examples of docs/format/wal.md and docs/format/config.md are what the code reads and writes."""

import json
import re
from pathlib import Path

import numpy as np

from edgeshard import _native
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.config import read_segment_config
from edgeshard.shard import config
from edgeshard.shard.operations import decode, encode
from edgeshard.storage.wal import Wal

DOCS = Path(__file__).parents[2] / "docs/format"


def blocks(name, kind=""):
    return re.findall(rf"^```{kind}\n(.*?)^```", (DOCS / name).read_text(), re.M | re.S)


def test_file_of_two_records(tmp_path):
    data = bytes.fromhex(blocks("wal.md")[0])
    (tmp_path / "open-1").write_bytes(data + bytes(1000))
    operations = [UpdateOperation.delete_points([1]), UpdateOperation.clear_payload([7])]
    entries = Wal.open(tmp_path, read_only=True).entries()
    assert [decode(payload) for _, payload in entries] == operations
    built, crc = data[:8], 0x12345678
    for operation in operations:
        record, crc = _native.wal_record(encode(operation), crc)
        built += record
    assert built == data


def test_raw_point():
    vector = ("a", np.array([[1, 0.5]], np.float32), None)
    record = _native.encode_upsert_raw(np.array([5], np.uint64), [vector], [b'{"n":1}'])
    assert record == bytes.fromhex(blocks("wal.md")[1])


def test_configurations(tmp_path):
    shard, segment = [json.loads(text) for text in blocks("config.md", "json")]
    assert config.to_object(config.from_object(shard)) == shard
    (tmp_path / "segment.json").write_text(json.dumps(segment))
    (tmp_path / "version.info").write_text("0.6.0")
    read = read_segment_config(tmp_path)
    assert json.loads(read.to_json()) == segment
    assert read.appendable
