"""Every parser of bytes that somebody else may have written, as functions of one ``bytes``.

A target returns, or raises what :data:`CLEAN` says; anything else is a fault, and so are crashes, hangs and huge
allocations. The bounded test, the long run and the sanitizer builds all use these.
"""

from __future__ import annotations

import os
import shutil
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from damaged_shards import RestoredCopy, copy, files_of, make_shard

import edgeshard
from edgeshard import _native
from edgeshard.errors import EdgeShardError
from edgeshard.index.payload.mutable import document_tokens, tokenizer_of
from edgeshard.models.filters import FieldCondition, Filter
from edgeshard.models.matches import MatchText, MatchValue
from edgeshard.models.paths import parse_path
from edgeshard.query import run_query
from edgeshard.segment.files import open_segment
from edgeshard.segment.payload_index_files import FieldFiles
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs
from edgeshard.shard import seal
from edgeshard.shard.operations import decode, encode
from edgeshard.shard.reads import count
from edgeshard.shard.snapshot import state, swap
from edgeshard.shard.snapshot.limits import SnapshotLimits
from edgeshard.shard.snapshot.manifest import check_manifest, parse_segment_manifest
from edgeshard.shard.snapshot.unpack import unpack_snapshot
from edgeshard.shard.verify import findings
from edgeshard.storage import checksums, files, generation, journal, roaring
from edgeshard.storage.bitset_file import decode_stored_bitmask, encode_stored_bitmask
from edgeshard.storage.lock import _read_holder
from edgeshard.storage.wal import Wal

CLEAN = EdgeShardError
SEED_BYTES = 20_000
POINTS = 60


class Target(NamedTuple):
    """One parser: inputs to start from, and what takes one."""

    seeds: list[bytes]
    run: Callable[[bytes], Any]


class Replaced:
    """A directory of good files, one of which an input replaces at a time.

    The first byte of an input chooses the file, the second whether it is padded with zeros to its usual size; the
    rest is its content.

    Args:
        source: the files; copied.
        scratch: where to; made.
        read: takes the directory and the name of the file that was replaced.
    """

    def __init__(self, source: Path, scratch: Path, read: Callable[[Path, str], Any]) -> None:
        self._root, self._kept, self._read = scratch / "dir", scratch / "kept", read
        copy(source, self._kept)
        self._copied = RestoredCopy(self._kept, self._root)
        self._names = files_of(self._root)

    def target(self) -> Target:
        seeds = []
        for number, name in enumerate(self._names):
            data = (self._root / name).read_bytes().rstrip(b"\0")[:SEED_BYTES]
            seeds.append(number.to_bytes(2, "little") + b"\0" + data)
        return Target(seeds, self.run)

    def run(self, data: bytes) -> None:
        if len(data) < 3:
            return
        number = int.from_bytes(data[:2], "little") % len(self._names)
        path, draft = self._root / self._names[number], self._root.parent / "draft"
        size = os.stat(self._kept / self._names[number]).st_size
        with open(draft, "wb") as file:
            file.write(data[3:])
            if data[2] % 4 == 0:
                file.truncate(max(size, len(data) - 3))
        os.replace(draft, path)
        try:
            self._read(self._root, self._names[number].as_posix())
        finally:
            self._copied.restore()


def segment_reader(schema: Any) -> Callable[[Path, str], None]:
    """Opens a segment and does with it what a shard would do to read the file that was replaced."""
    queries = {name: requests(name, vector) for name, vector in query_vectors(schema)}

    def read(directory: Path, changed: str) -> None:
        segment = open_segment(directory)
        try:
            top = changed.split("/")[0]
            if top == "payload_index":
                read_indexes(segment, changed.split("/")[1])
            elif "-" in top:
                for request in queries[top.split("-")[1]]:
                    attempt(lambda request=request: run_query([segment], schema, request))
            else:
                findings([segment], "full")
        finally:
            segment.close()

    return read


def requests(name: str, vector: Any) -> list[edgeshard.QueryRequest]:
    """One of each way to search a vector."""
    nearest = edgeshard.Query.Nearest(vector, name)
    ways = (None, edgeshard.SearchParams(exact=True), edgeshard.SearchParams(indexed_only=True))
    return [edgeshard.QueryRequest(query=nearest, limit=3, with_vector=True, params=way) for way in ways]


def read_indexes(segment: Segment, directory: str) -> None:
    """Ask the index of a directory, or all if it is none's."""
    known = {field: segment.indexes._field(field) for field in segment.indexes.schema}
    chosen = [field for field, schema in known.items() if directory in schema.directories]
    for field in chosen or known:
        for match in (MatchValue("red"), MatchValue(3), MatchText("w1 w2")):
            condition = Filter(must=[FieldCondition(key=field, match=match)])
            attempt(lambda condition=condition: count([segment], condition))
        attempt(lambda field=field: write_index(segment, field))


def query_vectors(schema: Any) -> list[tuple[str, Any]]:
    sparse = edgeshard.SparseVector([1, 5, 9], [1.0, 0.5, 2.0])
    kinds = {"dense": lambda size: [0.5] * size, "multi": lambda size: [[0.3] * size], "sparse": lambda _: sparse}
    return [(name, kinds[spec.kind](spec.size)) for name, spec in schema.items()]


def attempt(call: Callable[[], Any]) -> None:
    """One of several things done with the same damaged files."""
    try:
        call()
    except CLEAN:
        return


def write_index(segment: Segment, field: str) -> None:
    """Open the index of a field as a flush does that has something to change."""
    if segment.appendable:
        FieldFiles.open(segment.indexes.path, segment.indexes._field(field)).close()


def read_wal(directory: Path, _: str) -> None:
    wal = Wal.open(directory, read_only=True, on_damage="skip")
    try:
        for _, payload in wal.entries(0):
            attempt(lambda payload=payload: decode(bytes(payload)))
    finally:
        wal.close()


def read_root(directory: Path, _: str) -> None:
    """The files in a shard's root."""
    attempt(lambda: configs.read_config(directory))
    attempt(lambda: configs.wal_options(directory))
    attempt(lambda: state.read_state(directory))
    attempt(lambda: swap.recover(directory))
    generation.current(directory)
    _read_holder(directory)
    table = checksums.read(directory, seal.seal_of(directory))
    list(checksums.differences(directory, table, "fast"))


def read_record(data: bytes) -> None:
    operation = decode(data)
    encode(operation)


def read_json(data: bytes) -> None:
    attempt(lambda: parse_segment_manifest("segment", data))
    try:
        value = files.parse_json(data)
    except ValueError:
        return
    attempt(lambda: check_manifest(value))


def read_text(data: bytes) -> None:
    text = data.decode(errors="replace")
    attempt(lambda: parse_path(text))
    from edgeshard.index.payload.schema import FieldSchema

    for tokenizer in ("word", "whitespace", "prefix", "multilingual"):
        schema = {"type": "text", "tokenizer": tokenizer, "lowercase": True, "ascii_folding": True}
        document_tokens(tokenizer_of(FieldSchema("t", schema)), [text], phrases=True)


def journal_reader(scratch: Path) -> Callable[[bytes], None]:
    """Records with the right checksum and any body."""
    root = scratch / "shard"
    (root / "segments" / "x").mkdir(parents=True)

    def read(data: bytes) -> None:
        half = data.find(b"\xff\xfe") if b"\xff\xfe" in data else len(data)
        parts = [part for part in (data[:half], data[half + 2 :]) if part]
        body = b"".join(
            journal.RECORD.pack(len(part), zlib.crc32(part), number) + part for number, part in enumerate(parts)
        )
        (root / journal.NAME).write_bytes(journal.header(0) + body)
        attempt(lambda: journal.names(root))
        attempt(lambda: journal.recover(root))
        assert sorted(os.listdir(scratch)) == ["shard"], "written outside of the shard"

    return read


def table_reader(scratch: Path) -> Callable[[bytes], None]:
    """Checksum tables with the right checksum and any body."""
    scratch.mkdir()

    def read(data: bytes) -> None:
        (scratch / checksums.NAME).write_bytes(_native.crc32c(data).to_bytes(4, "little") + data)
        table = checksums.read(scratch, "seal")
        list(checksums.differences(scratch, table, "full"))

    return read


def archive_reader(scratch: Path) -> Callable[[bytes], None]:
    """Snapshot archives."""
    scratch.mkdir()
    limits = SnapshotLimits(entries=200, total_bytes=1 << 24, sparse_pieces=1000)

    def read(data: bytes) -> None:
        (scratch / "archive").write_bytes(data)
        target = scratch / "target"
        try:
            unpack_snapshot(scratch / "archive", target, limits=limits)
        finally:
            shutil.rmtree(target, ignore_errors=True)
        assert os.listdir(scratch) == ["archive"], "written outside of the target"

    return read


def read_bits(data: bytes) -> None:
    if data:
        decode_stored_bitmask(data[1:], data[0] * 8, Path("mask"))


def read_roaring(data: bytes) -> None:
    try:
        roaring.decode(memoryview(data), 1 << 20)
    except ValueError:  # named by the caller, which knows the file
        return


def all_targets(scratch: Path, shard: Path | None = None) -> dict[str, Target]:
    """The targets by name.

    Args:
        scratch: an existing directory for their files.
        shard: one of ``make_shard``, to save time; made if None.
    """
    from archives import pack_full

    targets: dict[str, Target] = {}
    if shard is None:
        shard = scratch / "shard"
        make_shard(edgeshard, shard, points=POINTS, rich=True)
    from edgeshard.shard.layout import schema_of_config

    config = configs.read_config(shard)
    assert config is not None
    reader = segment_reader(schema_of_config(config))
    for segment in sorted((shard / "segments").iterdir()):
        kind = "appendable" if (segment / "mutable_id_tracker.mappings").exists() else "immutable"
        targets[f"segment-{kind}"] = Replaced(segment, scratch / kind, reader).target()
    targets["wal"] = Replaced(shard / "wal", scratch / "wal", read_wal).target()
    root = scratch / "only-root"
    root.mkdir()
    for path in shard.iterdir():
        if path.is_file():
            shutil.copyfile(path, root / path.name)
    (root / state.FILE).write_bytes(state.SyncState({}, {}).to_json())
    targets["root"] = Replaced(root, scratch / "root", read_root).target()
    records = [bytes(payload) for _, payload in Wal.open(shard / "wal", read_only=True).entries(0)]
    targets["record"] = Target([record[:SEED_BYTES] for record in records], read_record)
    (scratch / "journal").mkdir()
    targets["journal"] = Target([journal_body()], journal_reader(scratch / "journal"))
    table = (shard / checksums.NAME).read_bytes()[4:]
    targets["checksums"] = Target([table[:SEED_BYTES]], table_reader(scratch / "checksums"))
    plain = scratch / "plain"
    with edgeshard.EdgeShard.create(plain, tiny_config()) as tiny:
        tiny.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(1, [1.0] * 4, {"a": 1})]))
    archives = [pack_full(plain, layout)[: 1 << 20] for layout in ("streamable", "regular", "flat")]
    targets["archive"] = Target(archives, archive_reader(scratch / "archive"))
    targets["manifest"] = Target(
        [b'{"segment_id":"a","segment_version":3,"file_versions":{"x":null,"y":2}}'], read_json
    )
    targets["text"] = Target([b'a.b[].c[3]."d e"', "Ünï straße 東京タワー ไทย running dogs".encode()], read_text)
    mask = encode_stored_bitmask(np.arange(1000) % 7 == 0)
    targets["bits"] = Target([b"\x7d" + mask], read_bits)
    targets["roaring"] = Target(
        [roaring.encode(np.arange(0, 70_000, step, dtype=np.int64)) for step in (1, 3, 900)], read_roaring
    )
    return targets


def tiny_config() -> edgeshard.EdgeConfig:
    size = edgeshard.EdgeVectorParams(size=4, distance=edgeshard.Distance.Dot)
    return edgeshard.EdgeConfig(vectors={"": size})


def journal_body() -> bytes:
    import msgspec

    record = {
        "segments": {"segments/x": [1]},
        "sizes": {"segments/x/f": 64},
        "writes": [["segments/x/f", 8, b"data"]],
        "replacements": {"segments/x/g": b"whole"},
        "removals": ["segments/x/h"],
    }
    return msgspec.msgpack.encode(record)


def quietly(target: Target, data: bytes) -> None:
    """Run a target; clean errors and warnings are its right."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attempt(lambda: target.run(data))
