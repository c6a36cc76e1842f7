"""Broken and malicious archives: refused with the entry and the rule, nothing written outside, nothing left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import (
    BLOCK,
    END,
    entry,
    gnu_sparse,
    header,
    octal,
    pack_full,
    pad,
    pax,
    segment_directories,
    segment_entries,
    segment_files,
    tail,
)

import edgeshard
from edgeshard import EdgeShard, SnapshotError, SnapshotLimits

UUID = "0a0a0a0a-1111-4222-8333-444444444444"
OTHER = "0b0b0b0b-1111-4222-8333-444444444444"
SEGMENT = f"segments/{UUID}/files"
MARKS = entry(f"{SEGMENT}/segment.json", b"{}") + entry(f"{SEGMENT}/version.info", b"0.6.0")
LAST = entry("shard_config.json", b"{}")


def inner(data: bytes) -> bytes:
    return entry(f"segments/{OTHER}.tar", data)


def pax_entry(records: list[tuple[str, str]], data: bytes = b"x", name: str = f"{SEGMENT}/x") -> bytes:
    return pax(records) + entry(name, data, magic=b"ustar\x0000")


SPARSE_1_0 = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", f"{SEGMENT}/s")]
TIB = 1 << 40

HOSTILE: dict[str, tuple[bytes, str]] = {
    # names that lead elsewhere
    "parent": (entry("../evil", b"x"), r"'\.\./evil'.*upwards"),
    "parent inside": (entry("segments/../../evil", b"x"), "upwards"),
    "parent at the end": (entry("segments/..", b"x"), "upwards"),
    "absolute": (entry("/tmp/evil", b"x"), "absolute"),
    "absolute below segments": (entry(f"//{SEGMENT}/x", b"x"), "absolute"),
    "parent in a long name": (entry("a/" * 60 + "../" * 61 + "evil", b"x"), "upwards"),
    "parent in a PAX path": (pax_entry([("path", "../evil")]), "upwards"),
    "parent in a sparse name": (
        pax_entry([*SPARSE_1_0[:2], ("GNU.sparse.name", "../evil"), ("GNU.sparse.realsize", "1")], pad(b"0\n")),
        "upwards|pieces",
    ),
    "parent in an inner archive": (inner(entry("snapshot/files/../../../evil", b"x")), "upwards"),
    "absolute in an inner archive": (inner(entry("/evil", b"x")), "absolute"),
    "ustar prefix": (entry("evil", b"x", magic=b"ustar\x0000", tail=b"../.."), "upwards"),
    "zero byte in a PAX path": (pax_entry([("path", f"{SEGMENT}/a\0b")]), "zero byte"),
    "empty name": (entry("", b"x"), "empty name"),
    "file named dot": (entry("./", b"", b"0") + entry(".", b"x"), "without a name"),
    "not UTF-8": (entry(b"segments/\xff\xfe", b"x"), "not UTF-8"),
    "long component": (entry(f"{SEGMENT}/{'n' * 256}", b"x"), "255"),
    "too deep": (entry(f"{SEGMENT}/{'d/' * 20}x", b"x"), "levels deep"),
    # entries that are no files
    "symbolic link": (entry(f"{SEGMENT}/l", b"", b"2", link=b"/etc/passwd"), "Forbidden entry type.*Symlink"),
    "hard link": (entry(f"{SEGMENT}/l", b"", b"1", link=b"/etc/passwd"), "Forbidden entry type.*Link"),
    "character device": (entry(f"{SEGMENT}/d", b"", b"3"), "Forbidden entry type.*Char"),
    "block device": (entry(f"{SEGMENT}/d", b"", b"4"), "Forbidden entry type.*Block"),
    "pipe": (entry(f"{SEGMENT}/p", b"", b"6"), "Forbidden entry type.*Fifo"),
    "contiguous": (entry(f"{SEGMENT}/c", b"x", b"7"), "Forbidden entry type.*Continuous"),
    "long link name": (header("././@LongLink", 5, b"K") + pad(b"abc\0\0"), "Forbidden entry type.*GNULongLink"),
    "volume label": (header("label", 0, b"V"), "Forbidden entry type.*GNUVolumeHeader"),
    "continued volume": (header(f"{SEGMENT}/m", 0, b"M"), "Forbidden entry type.*GNUMultiVolume"),
    "unknown type": (entry(f"{SEGMENT}/z", b"", b"Z"), "Forbidden entry type"),
    "link in an inner archive": (inner(entry("snapshot/files/l", b"", b"2", link=b"/")), "Forbidden.*Symlink"),
    "device in an inner archive": (inner(entry("snapshot/files/l", b"", b"3")), "Forbidden.*Char"),
    "directory with data": (entry(f"{SEGMENT}/d/", b"x", b"5"), "a directory with 1 bytes"),
    # bombs and floods
    "sparse bomb": (gnu_sparse(f"{SEGMENT}/b", [(0, b"x" * 512)], 8 * TIB - 1), "expands to more than"),
    "sparse bomb, PAX": (
        pax_entry([("GNU.sparse.size", str(64 * TIB)), ("GNU.sparse.numblocks", "0"), ("GNU.sparse.map", "")], b""),
        "expands to more than",
    ),
    "sparse bomb inside": (inner(gnu_sparse("snapshot/files/b", [(0, b"x" * 512)], 8 * TIB - 1)), "expands to more"),
    "many bombs": (
        b"".join(gnu_sparse(f"{SEGMENT}/b{i}", [(0, b"x")], TIB // 4) for i in range(9)),
        "expands to more than",
    ),
    "entry flood": (b"".join(entry(f"{SEGMENT}/f{i}") for i in range(300)), "more than 200 entries"),
    "entry flood inside": (inner(b"".join(entry(f"snapshot/files/f{i}") for i in range(300))), "more than 200 entries"),
    "piece flood": (
        gnu_sparse(f"{SEGMENT}/p", [(i * 1024, b"x" * 512) for i in range(400)], 1 << 20),
        "more than 300 pieces",
    ),
    "flood of empty sparse blocks": (
        header(f"{SEGMENT}/s", 0, b"S", tail=bytes(137) + b"\1" + octal(0, 12)) + (bytes(504) + b"\1" + bytes(7)) * 400,
        "more than 300 pieces",
    ),
    "long name flood": (header("././@LongLink", 5000, b"L") + pad(b"n" * 5000), "more than 4097"),
    "PAX flood": (header("PaxHeader", 1 << 21, b"x") + bytes(1 << 21), "more than 1048576"),
    "PAX map without an end": (
        pax_entry([*SPARSE_1_0, ("GNU.sparse.realsize", "512")], b"9" * 2048),
        "not a number|does not end|no numbers",
    ),
    # numbers that lie
    "size beyond the end": (header(f"{SEGMENT}/x", 1 << 30), "announced"),
    "negative size": (entry(f"{SEGMENT}/x", b"", size_field=b"\xff" * 12), "negative"),
    "huge binary size": (entry(f"{SEGMENT}/x", b"", size_field=b"\x80" + b"\xff" * 11), "expands to more|announced"),
    "size no number": (entry(f"{SEGMENT}/x", b"", size_field=b"12345678zzz\0"), "not an octal"),
    "wrong checksum": (header(f"{SEGMENT}/x", 0, checksum=1), "checksum"),
    "garbage": (b"\x07" * 1024, "checksum"),
    "wrong magic": (entry(f"{SEGMENT}/x", b"", magic=b"ustarXYZ"), "magic"),
    "sparse pieces overlap": (
        gnu_sparse(f"{SEGMENT}/s", [(0, b"x" * 1024)], 4096, stated=[(0, 512), (0, 512)]),
        "sparse piece",
    ),
    "sparse pieces backwards": (
        gnu_sparse(f"{SEGMENT}/s", [(0, b"x" * 1024)], 4096, stated=[(2048, 512), (0, 512)]),
        "sparse piece",
    ),
    "sparse piece beyond the file": (
        gnu_sparse(f"{SEGMENT}/s", [(0, b"x" * 512)], 4096, stated=[(8192, 512)]),
        "sparse piece",
    ),
    "sparse pieces without data": (
        gnu_sparse(f"{SEGMENT}/s", [], 1 << 20, stated=[(0, 512)]),
        "sparse pieces have 512",
    ),
    "sparse count lies": (
        pax_entry([("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "7"), ("GNU.sparse.map", "0,1")]),
        "7 sparse pieces announced",
    ),
    "sparse map odd": (pax_entry([("GNU.sparse.size", "9"), ("GNU.sparse.map", "0,1,2")]), "odd count"),
    "sparse without a size": (pax_entry([("GNU.sparse.map", "0,1")]), "without its real size"),
    "sparse of the future": (pax_entry([("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")]), "is not known"),
    "global path": (pax([("path", "evil")], b"g"), "global PAX header"),
    "PAX record too long": (header("PaxHeader", 10, b"x") + pad(b"99 path=ab\n"[:10]), "PAX record"),
    "PAX record without a length": (header("PaxHeader", 10, b"x") + pad(b"path=ab\n\n\n"), "PAX record"),
    "two long names": (
        header("././@LongLink", 2, b"L") + pad(b"a\0") + header("././@LongLink", 2, b"L") + pad(b"b\0"),
        "two long names",
    ),
    "long name without entry": (header("././@LongLink", 2, b"L") + pad(b"a\0") + END, "without its entry"),
    # entries that contradict each other
    "duplicate file": (entry(f"{SEGMENT}/x", b"1") + entry(f"{SEGMENT}/x", b"2"), "twice"),
    "duplicate by spelling": (entry(f"{SEGMENT}/x", b"1") + entry(f"./{SEGMENT}//./x", b"2"), "twice"),
    "duplicate by layout": (entry(f"{SEGMENT}/x", b"1") + entry(f"segments/{UUID}/x", b"2"), "twice"),
    "segment twice": (entry(f"segments/{UUID}.tar", entry("snapshot/files/x", b"1")), "twice"),
    "file and directory": (entry(f"{SEGMENT}/x", b"1") + entry(f"{SEGMENT}/x/y", b"2"), "directory"),
    "two manifests": (
        entry(f"{SEGMENT}/segment_manifest.json", b"{}") + entry(f"segments/{UUID}/segment_manifest.json", b"{}"),
        "two manifests",
    ),
    # names that a shard does not have
    "segment not a UUID": (entry("segments/evil/files/x", b"x"), "not a UUID"),
    "segment in upper case": (entry(f"segments/{UUID.upper()}/files/x", b"x"), "not a UUID"),
    "hidden segment": (entry("segments/.hidden/files/x", b"x"), "not a UUID"),
    "segment archive not a UUID": (entry("segments/evil.tar", b"x"), "Invalid snapshot path"),
    "file among segments": (entry("segments/readme.txt", b"x"), "Invalid snapshot path"),
    "segments is a file": (entry("segments", b"x"), "must be a directory"),
    "segment is a file": (entry(f"segments/{UUID}", b"x"), "Invalid snapshot path"),
    "hidden file in a segment": (entry(f"{SEGMENT}/.x", b"x"), "hidden"),
    "stranger in the log": (entry("wal/evil", b"x"), "not a file of a log"),
    "number of no operation": (entry(f"wal/closed-{(1 << 64) - 1}", b"wal\0seed"), "above 9223372036854775807"),
    "directory in the log": (entry("wal/sub/closed-1", b"x"), "not a file of a log"),
    "our record of an exchange": (entry(".edgeshard-commit", b"x"), "being replaced"),
    "our counter of changes while files change": (entry("edgeshard.generation", b"\7" + bytes(7)), "being replaced"),
    "configuration is a directory": (entry("edge_config.json/", b"", b"5"), "must be a file"),
    "clocks below a directory": (entry("newest_clocks.json/x", b"x"), "must be a file"),
}
LIMITS = SnapshotLimits(entries=200, sparse_pieces=300)


def archive_with(evil: bytes) -> bytes:
    """A complete archive but for one entry, which comes in the middle."""
    return MARKS + evil + LAST + END


@pytest.fixture(params=sorted(HOSTILE))
def hostile(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    evil, rule = HOSTILE[request.param]
    return archive_with(evil), rule


def everything_below(path: Path) -> set[str]:
    return {os.path.join(directory, name) for directory, names, files in os.walk(path) for name in [*names, *files]}


def test_there_are_at_least_sixty() -> None:
    assert len(HOSTILE) >= 60


def test_unpack_refuses_and_leaves_nothing(hostile: tuple[bytes, str], tmp_path: Path) -> None:
    data, rule = hostile
    (tmp_path / "a.snapshot").write_bytes(data)
    before = everything_below(tmp_path)
    with pytest.raises(SnapshotError, match=rule):
        EdgeShard.unpack_snapshot(tmp_path / "a.snapshot", tmp_path / "deep" / "target", limits=LIMITS)
    assert everything_below(tmp_path) == before
    assert not Path("/tmp/evil").exists()


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> EdgeShard:
    path = tmp_path_factory.mktemp("living") / "shard"
    params = edgeshard.EdgeVectorParams(size=4, distance=edgeshard.Distance.Dot)
    shard = EdgeShard.create(path, edgeshard.EdgeConfig(vectors=params))
    shard.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(1, [1.0, 2.0, 3.0, 4.0], {"a": 1})]))
    shard.flush()
    return shard


def test_apply_refuses_and_the_shard_goes_on(hostile: tuple[bytes, str], living: EdgeShard, tmp_path: Path) -> None:
    data, rule = hostile
    (tmp_path / "a.snapshot").write_bytes(data)
    before = set(os.listdir(living.path))
    with pytest.raises(SnapshotError, match=rule):
        living.update_from_snapshot(tmp_path / "a.snapshot", limits=LIMITS)
    assert set(os.listdir(living.path)) == before
    answer = living.query(edgeshard.QueryRequest(query=edgeshard.Query.Nearest([1.0, 0.0, 0.0, 0.0]), limit=1))
    assert [point.id for point in answer] == [1]


def test_larger_limits_let_an_archive_through(server_path: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(pack_full(server_path))
    with pytest.raises(SnapshotError, match="more than 10 entries"):
        EdgeShard.unpack_snapshot(archive, tmp_path / "target", limits=SnapshotLimits(entries=10))
    with pytest.raises(SnapshotError, match="times the"):
        EdgeShard.unpack_snapshot(archive, tmp_path / "target", limits=SnapshotLimits(free_space_ratio=1e-9))
    EdgeShard.unpack_snapshot(archive, tmp_path / "target", limits=SnapshotLimits(entries=1000))


def test_a_full_disk_is_seen_before_writing(server_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(pack_full(server_path))
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = 1  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    with pytest.raises(SnapshotError, match="make room"):
        EdgeShard.unpack_snapshot(archive, tmp_path / "target")
    assert os.listdir(tmp_path) == ["a.snapshot"]


# --- lies that only opening the segments shows -----------------------------------------------------------

Edit = Callable[[dict[str, bytes]], None]


def remove(name: str) -> Edit:
    def edit(contents: dict[str, bytes]) -> None:
        removed = [path for path in contents if path.endswith(name)]
        assert removed
        for path in removed:
            del contents[path]

    return edit


def replace(name: str, data: bytes) -> Edit:
    def edit(contents: dict[str, bytes]) -> None:
        assert name in contents
        contents[name] = data

    return edit


def configure(**fields: object) -> Edit:
    def edit(contents: dict[str, bytes]) -> None:
        state = json.loads(contents["segment.json"])
        state["config"]["vector_data"][""].update(fields)
        contents["segment.json"] = json.dumps(state).encode()

    return edit


def cut(name: str, size: int) -> Edit:
    def edit(contents: dict[str, bytes]) -> None:
        contents[name] = contents[name][:size]

    return edit


BROKEN: dict[str, tuple[Edit, str]] = {
    "no version.info": (remove("version.info"), "version.info.*missing"),
    "no segment.json": (remove("segment.json"), "segment.json.*missing"),
    "endless version": (replace("version.info", b"0.6.0" + bytes(1 << 20)), "version.info: 1048581 bytes, more than"),
    "newer version": (replace("version.info", b"0.9.0"), "Data version 0.9.0 is newer than application version 0.6.0"),
    "version is no version": (replace("version.info", b"new"), "Can't parse version"),
    "segment.json is no JSON": (replace("segment.json", b"{"), "failed to load segment"),
    "wrong size": (configure(size=8), "config is incompatible|expected|200 vectors for 400 points"),
    "wrong distance": (configure(distance="Cosine"), "config is incompatible"),
    "wrong datatype": (configure(datatype="float16"), "config is incompatible|expected"),
    "unknown storage": (configure(storage_type="Punched"), "not supported"),
    "no payload pages": (remove("payload_storage/page_0.dat"), "page_0.dat.*missing"),
    "no payload tracker": (remove("payload_storage/tracker.dat"), "tracker.dat.*missing"),
    "no payload index configuration": (remove("payload_index/config.json"), "config.json.*missing"),
    "no vectors": (remove("vector_storage/matrix.dat"), "matrix.dat.*missing"),
    "no deleted flags": (remove("vector_storage/deleted.dat"), "deleted.dat.*missing"),
    "no graph": (remove("graph.bin"), "graph.bin.*missing"),
    "no links": (remove("links_compressed.bin"), "links_compressed.bin.*missing"),
    "no chunk": (remove("chunk_0.mmap"), "chunk_0|chunk"),
    "no ids": (remove("id_tracker.mappings"), "id_tracker.mappings.*missing"),
    "no versions": (remove("id_tracker.versions"), "versions.*missing"),
    "short vectors": (cut("vector_storage/matrix.dat", 100), "vector_storage/matrix.dat: 6 vectors for 400 points"),
    "short ids": (cut("id_tracker.mappings", 20), "id_tracker.mappings"),
    "short payload tracker": (cut("payload_storage/tracker.dat", 10), "tracker.dat"),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_segments_that_do_not_open_are_refused(case: str, server_path: Path, living: EdgeShard, tmp_path: Path) -> None:
    edit, rule = BROKEN[case]
    parts, edited = b"", 0
    for segment in segment_directories(server_path):
        contents = segment_files(segment)
        try:
            edit(contents)
            edited += 1
        except (AssertionError, KeyError):
            pass  # the other kind of segment has this file
        parts += segment_entries(segment.name, contents, "streamable")
    assert edited
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(parts + tail(server_path) + END)
    before = set(os.listdir(living.path))
    with pytest.raises(SnapshotError, match=rule):
        living.update_from_snapshot(archive)
    assert set(os.listdir(living.path)) == before
    assert living.count(edgeshard.CountRequest()) == 1
    if "config is incompatible" not in rule:  # a shard of other vectors is a shard
        with pytest.raises(SnapshotError, match=rule):
            EdgeShard.unpack_snapshot(archive, tmp_path / "target", durable=case < "no")
        assert os.listdir(tmp_path) == ["a.snapshot"]


def test_segments_that_do_not_open_can_be_unpacked_to_be_repaired(server_path: Path, tmp_path: Path) -> None:
    parts = b""
    for segment in segment_directories(server_path):
        contents = segment_files(segment)
        contents.pop("payload_storage/tracker.dat")
        parts += segment_entries(segment.name, contents, "streamable")
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(parts + tail(server_path) + END)
    EdgeShard.unpack_snapshot(archive, tmp_path / "target", limits=SnapshotLimits(require_segments=False))
    assert EdgeShard.check(tmp_path / "target")


def test_numbers_are_written_as_tar_does() -> None:
    from edgeshard.shard.snapshot.tar_format import format_number, parse_number

    for value in (0, 1, 511, 8**11 - 1, 8**11, 1 << 60):
        assert parse_number(format_number(value, 12)) == value
    assert format_number(511, 12) == octal(511, 12)
    assert BLOCK == 512
