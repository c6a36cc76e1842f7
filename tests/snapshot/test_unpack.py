"""Unpacking archives of every layout and tar dialect."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from archives import END, entry, gnu_sparse, pack_full, pax, segment_directories, segment_files, tail
from small_shards import content, copy_shard, small_config

import edgeshard
from edgeshard import (
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    Point,
    SnapshotError,
    SnapshotLimits,
    StorageError,
    UpdateOperation,
)  # fmt: skip
from edgeshard.shard.snapshot import settle
from edgeshard.shard.snapshot.layout import Archive

LAYOUTS = ["streamable", "regular", "flat", "mixed"]


def tree(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def views(data: bytes, tmp_path: Path) -> dict[str, bytes]:
    """What the reader finds in an archive, whole."""
    file = tmp_path / "read.tar"
    file.write_bytes(data)
    fd = os.open(file, os.O_RDONLY)
    try:
        archive = Archive.read(fd, SnapshotLimits())
        return {path: view.read(0, view.size) for path, view in archive.files.items()}
    finally:
        os.close(fd)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_unpacks_as_in_qdrant_edge(
    layout: str, server_path: Path, server_content: dict[Any, Any], tmp_path: Path
) -> None:
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(pack_full(server_path, layout))
    EdgeShard.unpack_snapshot(archive, tmp_path / "ours", durable=True)
    qdrant_edge.EdgeShard.unpack_snapshot(str(archive), str(tmp_path / "theirs"))
    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")
    with EdgeShard.load(tmp_path / "ours") as shard:
        assert content(shard) == server_content
    assert sorted(os.listdir(tmp_path)) == ["a.snapshot", "ours", "theirs"]


@pytest.mark.parametrize("dialect", ["gnu", "posix", "ustar", "v7-like"])
def test_archives_of_gnu_tar(dialect: str, server_path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    (tmp_path / "a.tar").write_bytes(pack_full(server_path))
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", plain)
    options = {
        "gnu": ["--sparse", "--format=gnu"],
        "posix": ["--sparse", "--format=posix"],
        "ustar": ["--format=ustar"],
        "v7-like": ["--format=oldgnu", "--sparse"],
    }[dialect]
    command = ["tar", *options, "-cf", str(tmp_path / "b.tar"), "-C", str(plain), "."]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("GNU tar is not installed")
    EdgeShard.unpack_snapshot(tmp_path / "b.tar", tmp_path / "again", durable=True)
    unpacked = tree(tmp_path / "again")
    assert unpacked == {name: data for name, data in tree(plain).items() if not name.startswith(settle.PREFIX)}
    assert unpacked


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_pax_sparse_of_each_version(version: str, tmp_path: Path) -> None:
    name, pieces, size = "newest_clocks.json", [(512, b"a" * 700), (4096, b"b" * 10)], 9000
    data = b"".join(part for _, part in pieces)
    numbers = [number for offset, part in pieces for number in (offset, len(part))]
    if version == "1.0":
        map_text = "".join(f"{number}\n" for number in [len(pieces), *numbers]).encode()
        records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", name)]
        records.append(("GNU.sparse.realsize", str(size)))
        data = map_text.ljust(512, b"\0") + data
    elif version == "0.1":
        records = [("GNU.sparse.size", str(size)), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.name", name)]
        records.append(("GNU.sparse.map", ",".join(map(str, numbers))))
    else:
        records = [("GNU.sparse.size", str(size)), ("GNU.sparse.numblocks", "2")]
        for offset, part in pieces:
            records += [("GNU.sparse.offset", str(offset)), ("GNU.sparse.numbytes", str(len(part)))]
    stated = name if version == "0.0" else "GNUSparseFile.0/x"
    packed = pax(records) + entry(stated, data, magic=b"ustar\x0000")
    expected = bytearray(size)
    for offset, part in pieces:
        expected[offset : offset + len(part)] = part
    assert views(minimal(packed), tmp_path)[name] == bytes(expected)
    with tarfile.open(fileobj=io.BytesIO(packed + END)) as archive:  # the standard library reads it alike
        member = archive.next()
        assert member is not None
        file = archive.extractfile(member)
        assert file is not None
        assert file.read() == bytes(expected)


def minimal(more: bytes = b"") -> bytes:
    segment = "segments/0a0a0a0a-1111-4222-8333-444444444444"
    return entry(f"{segment}/segment.json", b"{}") + entry(f"{segment}/version.info", b"0.6.0") + more + END


def test_sparse_map_over_many_blocks(tmp_path: Path) -> None:
    pieces = [(number * 4096, bytes([number % 251 + 1]) * 512) for number in range(60)]
    packed = gnu_sparse("newest_clocks.json", pieces, 60 * 4096 + 7)
    found = views(minimal(packed), tmp_path)["newest_clocks.json"]
    assert len(found) == 60 * 4096 + 7
    assert all(found[offset : offset + 512] == part for offset, part in pieces)
    assert found.count(0) == len(found) - 60 * 512


def test_holes_stay_holes(server_path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pack_full(server_path, "regular"))
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    pages = list((tmp_path / "t").rglob("payload_storage/page_0.dat"))
    assert pages
    assert all(page.stat().st_size == 32 << 20 and page.stat().st_blocks * 512 < 2 << 20 for page in pages)


def test_names_longer_than_a_header(tmp_path: Path) -> None:
    segment = "segments/0a0a0a0a-1111-4222-8333-444444444444"
    name = f"{segment}/payload_index/" + "é" * 60 + "/" + "f" * 90
    packed = minimal(entry(name, b"long") + pax([("path", name + "2")]) + entry("short", b"pax"))
    found = views(packed, tmp_path)
    assert (found[name], found[name + "2"]) == (b"long", b"pax")


# --- truncation ------------------------------------------------------------------------------------------


def entry_ends(data: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [member.offset for member in archive.getmembers()][1:]


def test_a_cut_between_any_two_entries_is_noticed(server_path: Path, tmp_path: Path) -> None:
    data = pack_full(server_path)
    archive = tmp_path / "a.tar"
    for end in entry_ends(data):
        archive.write_bytes(data[:end])
        with pytest.raises(SnapshotError, match=r"cut off|missing|has none"):
            EdgeShard.unpack_snapshot(archive, tmp_path / "t")
        assert os.listdir(tmp_path) == ["a.tar"]


def test_a_cut_inside_an_entry_is_noticed(server_path: Path, tmp_path: Path) -> None:
    data = pack_full(server_path)
    archive = tmp_path / "a.tar"
    for size in range(100, len(data) - 2000, len(data) // 40):
        archive.write_bytes(data[:size])
        with pytest.raises(SnapshotError):
            EdgeShard.unpack_snapshot(archive, tmp_path / "t")
        assert os.listdir(tmp_path) == ["a.tar"]


def test_a_missing_end_mark_is_fine_after_the_last_entry(server_path: Path, tmp_path: Path) -> None:
    data = pack_full(server_path)
    (tmp_path / "a.tar").write_bytes(data.removesuffix(END))
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    (tmp_path / "b.tar").write_bytes(data + b"\0" * 9000)
    EdgeShard.unpack_snapshot(tmp_path / "b.tar", tmp_path / "u")


def test_the_check_of_the_end_can_be_left_out(server_path: Path, tmp_path: Path) -> None:
    segments = b"".join(
        entry(f"segments/{segment.name}/{name}", data)
        for segment in segment_directories(server_path)
        for name, data in segment_files(segment).items()
    )
    (tmp_path / "a.tar").write_bytes(segments)
    with pytest.raises(SnapshotError, match="cut off"):
        EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t", limits=SnapshotLimits(require_end=False))


# --- targets ---------------------------------------------------------------------------------------------


def test_checksum(server_path: Path, tmp_path: Path) -> None:
    data = pack_full(server_path)
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(SnapshotError, match="SHA-256"):
        EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t", checksum="0" * 64)
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t", checksum=hashlib.sha256(data).hexdigest().upper())


def test_target_that_holds_something(server_path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pack_full(server_path))
    target = tmp_path / "t"
    target.mkdir()
    (target / "mine.txt").write_text("kept")
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", target)
    assert (target / "mine.txt").read_text() == "kept"
    before = tree(target)
    with pytest.raises(SnapshotError, match="holds it already"):
        EdgeShard.unpack_snapshot(tmp_path / "a.tar", target)
    assert tree(target) == before
    assert not [name for name in os.listdir(target) if name.startswith(".")]


@pytest.mark.parametrize("wal", [True, False])
def test_a_shard_that_is_open_is_no_target(wal: bool, server_path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pack_full(server_path))
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot), wal_enabled=wal
    )
    with EdgeShard.create(tmp_path / "t", config) as shard:
        before = sorted(path for path in (tmp_path / "t").rglob("*"))
        with pytest.raises(edgeshard.LockedError, match=str(os.getpid())):
            EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
        assert sorted(path for path in (tmp_path / "t").rglob("*")) == before
        assert shard.info().points_count == 0


def test_target_may_be_a_link_but_not_a_file(server_path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pack_full(server_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "link")
    assert (tmp_path / "real" / "segments").is_dir()
    with pytest.raises(StorageError):
        EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "a.tar")


def test_points_without_ids_are_missed(server_path: Path, tmp_path: Path) -> None:
    """A segment without points has no ids either, and is whole."""
    copy_shard(server_path, tmp_path / "shard")
    for file in (tmp_path / "shard").rglob("mutable_id_tracker.*"):
        file.unlink()
    (tmp_path / "a.tar").write_bytes(pack_full(tmp_path / "shard"))
    with pytest.raises(SnapshotError, match=r"mutable_id_tracker\.mappings.*missing"):
        EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    empty = qdrant_edge.EdgeShard.create(str(tmp_path / "empty"), small_config(qdrant_edge))
    empty.close()
    assert not list((tmp_path / "empty").rglob("mutable_id_tracker.*"))
    (tmp_path / "a.tar").write_bytes(pack_full(tmp_path / "empty"))
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")


def test_what_a_killed_process_left_is_removed(server_path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pack_full(server_path))
    (tmp_path / ".t.unpack-dead" / "segments").mkdir(parents=True)
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    assert sorted(os.listdir(tmp_path)) == ["a.tar", "t"]


def test_unknown_files_beside_the_segments_stay_in_the_archive(server_path: Path, tmp_path: Path) -> None:
    data = entry("evil/extra.bin", b"x") + entry("new_feature.json", b"{}") + pack_full(server_path)
    (tmp_path / "a.tar").write_bytes(data)
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t", durable=True)
    names = {"segments", "wal", "replica_state.json", "shard_config.json"}
    assert set(os.listdir(tmp_path / "t")) == names


def test_own_files_beside_the_segments_stay_in_the_archive(server_path: Path, tmp_path: Path) -> None:
    own = ("edgeshard.journal", "edgeshard.checksums", "edgeshard.codes/a", "sync_state.json", ".edgeshard-lock")
    data = b"".join(entry(name, b"\xff" * 64) for name in (*own, ".DS_Store"))
    data += entry("edgeshard.generation", b"\x08" + bytes(7)) + pack_full(server_path)
    (tmp_path / "a.tar").write_bytes(data)
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t", durable=True)
    assert set(os.listdir(tmp_path / "t")) == {"segments", "wal", "replica_state.json", "shard_config.json"}


@pytest.mark.parametrize("root", [".", ""])
@pytest.mark.parametrize("still_open", [True, False])
def test_a_directory_that_was_packed_by_hand(tmp_path: Path, root: str, still_open: bool) -> None:
    shard = EdgeShard.create(tmp_path / "s", EdgeConfig(vectors=EdgeVectorParams(2, Distance.Dot)))
    for number in range(3):
        shard.update(UpdateOperation.upsert_points([Point(number, [number, 1.0], {"n": number})]))
        shard.flush()
    if not still_open:
        shard.close()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "s", arcname=root)
    shard.close()
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    with EdgeShard.load(tmp_path / "t") as restored:
        assert [record.payload for record in restored.retrieve([0, 1, 2])] == [{"n": 0}, {"n": 1}, {"n": 2}]
        restored.update_from_snapshot(tmp_path / "a.tar")
        assert restored.count(CountRequest()) == 3


def test_modes_of_the_archive_are_ignored(server_path: Path, tmp_path: Path) -> None:
    data = entry("newest_clocks.json", b"{}", mode=0o6777) + entry("oldest_clocks.json", b"{}", mode=0)
    (tmp_path / "a.tar").write_bytes(data + pack_full(server_path))
    EdgeShard.unpack_snapshot(tmp_path / "a.tar", tmp_path / "t")
    umask = os.umask(0)
    os.umask(umask)
    for name in ("newest_clocks.json", "oldest_clocks.json"):
        assert (tmp_path / "t" / name).stat().st_mode & 0o7777 == 0o644 & ~umask


def test_no_snapshot_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(SnapshotError):
        EdgeShard.unpack_snapshot(tmp_path / "empty", tmp_path / "t")
    (tmp_path / "tar").write_bytes(tail(tmp_path / "none", wal=False) + END)
    with pytest.raises(SnapshotError, match="failed to read directory segments"):
        EdgeShard.unpack_snapshot(tmp_path / "tar", tmp_path / "t")
    with pytest.raises(StorageError, match="cannot open snapshot"):
        EdgeShard.unpack_snapshot(tmp_path / "absent", tmp_path / "t")
    with pytest.raises(SnapshotError, match="not a file"):
        EdgeShard.unpack_snapshot(tmp_path, tmp_path / "t")
