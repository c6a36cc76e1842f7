"""Checksums taken along while files are written are those of the files."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

import edgeshard
from edgeshard import Distance, EdgeConfig, EdgeShard, EdgeVectorParams, UpdateOperation
from edgeshard.shard import seal
from edgeshard.storage import checksums, files, journal
from edgeshard.storage.checkpoint import write_ranges
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.overlay import PrivateFile
from edgeshard.storage.running_sums import RunningSums


@pytest.fixture(params=[True, False], ids=["device", "memory"])
def on_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether files count as lying on a device, wherever they are: their sums are taken before or after a write."""
    monkeypatch.setattr(files, "is_on_device", lambda fd: request.param)
    return bool(request.param)


@pytest.mark.usefixtures("on_device")
@pytest.mark.parametrize("seed", range(30))
def test_the_sum_is_that_of_the_file(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path, sums, end = tmp_path / "file", RunningSums(), 0
    with open(path, "wb") as file:
        file.write(rng.randbytes(rng.choice([0, 0, 10, 70_000])))
        end = file.tell()
        file.truncate(1 << 20)
    for _ in range(rng.randint(1, 6)):
        ranges = []
        for _ in range(rng.randint(1, 4)):
            data = rng.randbytes(rng.choice([1, 100, 30_000, 300_000])) + bytes(rng.choice([0, 0, 50, 5000]))
            at = end + rng.choice([0, 0, 0, 9000]) if rng.random() < 0.95 else rng.randrange(end + 1)
            ranges.append((path, at, np.frombuffer(data, np.uint8)))
            end = max(end, at + len(data))
        rng.shuffle(ranges)
        write_ranges(ranges, sums)
        if rng.random() < 0.2:
            os.truncate(path, os.path.getsize(path) + 4096)
        if rng.random() < 0.1:  # made anew under its old name
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content[: rng.randrange(len(content))])
            end = path.stat().st_size
        found = sums.entry(str(path))
        assert found is None or found == checksums.entry_of(path, bytearray(1000))


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_write_that_fails_leaves_no_sum(
    failing: int, on_device: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sums = tmp_path / "file", RunningSums()
    rows = np.random.default_rng(0).integers(0, 255, 3 << 20, np.uint8)
    write_ranges([(path, 0, rows[: 1 << 20])], sums)
    left = failing

    def pwrite(disk: files.Disk, fd: int, data: bytes | memoryview, offset: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(28, "no room")
        original(disk, fd, data, offset)

    original = files.Disk.pwrite
    monkeypatch.setattr(files.Disk, "pwrite", pwrite)
    parts = [(path, 1 << 20, rows[1 << 20 :]), (path, 3 << 20, rows[:10])]
    with pytest.raises(OSError, match="no room"):
        write_ranges(parts, sums)
    assert sums.entry(str(path)) is None
    write_ranges(parts, sums)
    assert sums.entry(str(path)) in (None, checksums.entry_of(path, bytearray(1000)))


def test_what_is_appended_is_not_read_again(tmp_path: Path) -> None:
    path, sums = tmp_path / "file", RunningSums()
    rows = np.random.default_rng(0).integers(0, 255, 900_000, np.uint8)
    write_ranges([(path, 0, rows[:500_000])], sums)
    write_ranges([(path, 500_000, rows[500_000:])], sums)
    assert sums.entry(str(path)) == checksums.entry_of(path, bytearray(1000))
    write_ranges([(path, 7, rows[:1])], sums)
    assert sums.entry(str(path)) is None


def test_a_file_that_was_replaced_is_not_read_again(tmp_path: Path) -> None:
    path, sums = tmp_path / "file", RunningSums()
    content = np.random.default_rng(0).integers(0, 255, 100_000, np.uint8).tobytes()
    path.write_bytes(content + bytes(10))
    sums.replaced(path, content + bytes(10))
    assert sums.entry(str(path)) == checksums.entry_of(path, bytearray(1000))
    assert checksums.entry_of(path, bytearray(7))[:2] == (len(content) + 10, len(content.rstrip(b"\0")))
    (tmp_path / "other").write_bytes(content)
    os.replace(tmp_path / "other", path)
    assert sums.entry(str(path)) is None
    sums.forget(path)
    assert sums.entry(str(path)) is None


def test_a_shard_is_closed_without_reading_its_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    entry = checksums.entry_of
    monkeypatch.setattr(checksums, "entry_of", lambda path, buffer: read.append(str(path)) or entry(path, buffer))
    path = tmp_path / "shard"
    params = EdgeVectorParams(size=64, distance=Distance.Dot)
    config = EdgeConfig(vectors={"a": params, "b": params})
    rows = np.random.default_rng(1).random((3000, 64), np.float32)
    with EdgeShard.create(path, config) as shard:
        for part in range(3):
            ids = np.arange(part * 1000, part * 1000 + 1000, dtype=np.uint64)
            vectors = {"a": rows[part * 1000 : part * 1000 + 1000]}
            shard.update(UpdateOperation.upsert_batch(ids, vectors, [{"text": "x" * 50}] * 1000))
            shard.flush()
    assert read
    assert not [name for name in read if "chunk" in name or "page_0" in name]
    assert EdgeShard.check(path) == []
    with EdgeShard.load(path, verify="full") as shard:
        shard.update(UpdateOperation.upsert_points([edgeshard.Point(5, {"a": [1.0] * 64}, {})]))
        shard.flush()
        shard.update(UpdateOperation.delete_vector_name("a"))
        shard.update(UpdateOperation.create_dense_vector("a", 64, Distance.Dot))
        vectors = [edgeshard.PointVectors(i, {"a": row}) for i, row in enumerate(rows[::-1])]
        shard.update(UpdateOperation.update_vectors(vectors))
    with EdgeShard.load(path, verify="full") as shard:
        assert shard.verify() == []


def test_checksums_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shard"
    table = path / checksums.NAME
    monkeypatch.setattr(edgeshard.options, "keep_checksums", False)
    config = EdgeConfig(vectors=EdgeVectorParams(64, Distance.Dot))
    rows = np.random.default_rng(2).random((3000, 64), np.float32)
    with EdgeShard.create(path, config) as shard:
        shard.update(UpdateOperation.upsert_batch(np.arange(3000, dtype=np.uint64), rows))
    assert not table.exists()
    monkeypatch.setattr(edgeshard.options, "keep_checksums", True)
    EdgeShard.load(path, verify="full").close()
    assert table.exists()
    monkeypatch.setattr(edgeshard.options, "keep_checksums", False)
    EdgeShard.load(path, verify="full").close()
    assert table.exists()  # nothing changed
    with EdgeShard.load(path) as shard:
        shard.update(UpdateOperation.delete_points([5]))
    assert not table.exists()
    assert EdgeShard.check(path) == []


def test_the_table_takes_the_place_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    table = path / checksums.NAME
    rows = np.random.default_rng(2).random((300, 64), np.float32)
    with EdgeShard.create(path, EdgeConfig(vectors=EdgeVectorParams(64, Distance.Dot))) as shard:
        assert not (path / journal.NAME).exists()
        shard.update(UpdateOperation.upsert_batch(np.arange(300, dtype=np.uint64), rows))
        shard.flush()
        number = (path / journal.NAME).stat().st_ino
    assert not (path / journal.NAME).exists()
    assert table.stat().st_ino == number
    content = table.read_bytes()
    names = set(checksums.read(path, seal.seal_of(path)))
    assert {name.rpartition("/")[2] for name in names} >= {"edge_config.json", "chunk_0.mmap", "page_0.dat"}
    table.write_bytes(content[journal.HEADER_BYTES :])  # as it is written where there was no journal
    assert set(checksums.read(path, seal.seal_of(path))) == names
    for torn in content[:-1], content + b"\0", content[: journal.HEADER_BYTES], content[:5]:
        table.write_bytes(torn)
        assert checksums.read(path, seal.seal_of(path)) == {}


def test_only_a_file_that_was_just_made_is_blank(tmp_path: Path) -> None:
    def blank() -> set[str]:
        plan = FlushPlan()
        file.write(100, b"abc")
        file.collect(plan)
        names = {found.name for found in plan.blank}
        write_ranges(plan.changes, sums, plan.blank)
        plan.done()
        assert not plan.blank
        assert sums.entry(str(path)) in (None, checksums.entry_of(path, bytearray()))
        return names

    path, sums = tmp_path / "file", RunningSums()
    file = PrivateFile.create(path, 200_000)
    file.write(0, bytes([1]) * 100_000)
    assert blank() == {"file"}
    assert blank() == set()
    file = PrivateFile(path)
    assert blank() == set()


def test_a_file_is_blank_once(tmp_path: Path) -> None:
    path, sums, blank = tmp_path / "file", RunningSums(), {tmp_path / "file"}
    PrivateFile.create(path, 400_000)
    write_ranges([(path, 0, np.full(100, 7, np.uint8))], sums, blank)  # too little to be summed
    write_ranges([(path, 100, np.full(300_000, 9, np.uint8))], sums, blank)
    found = sums.entry(str(path))
    assert found is None or found == checksums.entry_of(path, bytearray())
    file = PrivateFile.create(tmp_path / "other", 1000)
    file.write(0, b"abc")
    for expected in {"other"}, set():  # the first flush may have failed half way
        plan = FlushPlan()
        file.collect(plan)
        assert {found.name for found in plan.blank} == expected


def test_links_to_folders_are_passed_over_when_a_shard_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    shard = EdgeShard.create(path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot)))
    (segment,) = (path / "segments").iterdir()
    (segment / "circle").symlink_to(path / "segments", target_is_directory=True)
    shard.close()
    stored = checksums.read(path, seal.seal_of(path))
    assert stored
    assert not [name for name in stored if "circle" in name]
