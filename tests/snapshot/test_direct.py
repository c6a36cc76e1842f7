"""Archives written past the page cache: the same bytes, and what happens where that is not possible."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from small_shards import content, copy_shard

from edgeshard import EdgeShard, SnapshotError, StorageError
from edgeshard.shard.snapshot import create, direct
from edgeshard.shard.snapshot.digest import BackgroundDigest
from edgeshard.shard.snapshot.tar_writer import Content, TarWriter
from edgeshard.storage import files

BYTES = os.urandom(1 << 16) * 97  # 6 MiB and a bit


def descriptors() -> Counter[str]:
    """What is open, by name; shards that earlier tests forgot are closed first."""
    gc.collect()
    return Counter(name for fd in os.listdir("/proc/self/fd") if (name := _open_file(fd)))


def _open_file(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # closed meanwhile
        return ""


class OtherDisk(files.Disk):
    """A file system that takes no direct writes, or no longer after some."""

    def __init__(self, number: int, at: int) -> None:
        self.number, self.left = number, at
        self.direct: set[int] = set()

    def open(self, path: files.PathLike, flags: int, mode: int = 0o644) -> int:
        if flags & os.O_DIRECT and not self.left:
            raise OSError(self.number, os.strerror(self.number), os.fspath(path))
        fd = super().open(path, flags, mode)
        (self.direct.add if flags & os.O_DIRECT else self.direct.discard)(fd)
        return fd

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        if fd in self.direct:
            self.left -= 1
            if not self.left:
                raise OSError(self.number, os.strerror(self.number))
        super().pwrite(fd, data, offset)


def write_entry(tmp_path: Path, data: bytes, stretches: list[tuple[int, int]] | None) -> bytes:
    """The data of an entry as it is found in the archive."""
    source = tmp_path / "source"
    source.write_bytes(data)
    entry = Content("e", len(data), stretches)
    with open(tmp_path / "a.tar", "w+b") as out, open(source, "rb") as file:
        writer = TarWriter(out.fileno())
        writer.reserve(Content("before", 0))
        place = writer.reserve(entry)
        writer.end()
        past = direct.DirectWriter(tmp_path / "a.tar", writer.position)
        writer.fill_from(place, entry, file.fileno(), direct=past)
        past.close()
    return (tmp_path / "a.tar").read_bytes()[place : place + entry.stored_bytes]


STRETCHES = {
    "all": None,
    "two": [(512, 4 << 20), ((5 << 20) + 1, (1 << 20) + 70)],
    "odd": [(3, (6 << 20) - 7)],
    "short": [(0, 4096), (8192, 1)],
}


@pytest.mark.parametrize("which", STRETCHES)
def test_the_bytes_are_the_same(which: str, tmp_path: Path) -> None:
    stretches = STRETCHES[which]
    expected = b"".join(BYTES[start : start + length] for start, length in stretches or [(0, len(BYTES))])
    assert write_entry(tmp_path, BYTES, stretches) == expected


@pytest.mark.parametrize(
    ("number", "at"), [(errno.EOPNOTSUPP, 0), (errno.EINVAL, 0), (errno.EINVAL, 1), (errno.EINVAL, 3)]
)
def test_file_systems_that_cannot(number: int, at: int, tmp_path: Path) -> None:
    before = descriptors()
    real = files.use_disk(OtherDisk(number, at))
    try:
        assert write_entry(tmp_path, BYTES, None) == BYTES
    finally:
        files.use_disk(real)
    assert not descriptors() - before


def test_a_source_that_became_shorter(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(8 << 20))
    (tmp_path / "source").write_bytes(BYTES[: 3 << 20])
    past = direct.DirectWriter(tmp_path / "a.tar", 8 << 20)
    with open(tmp_path / "source", "rb") as file, pytest.raises(SnapshotError, match="shorter"):
        past.copy(file.fileno(), 0, 0, 6 << 20)
    past.close()


@pytest.fixture
def shard(server_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EdgeShard:
    """A shard of which every file that never changes is copied at the end, as far as possible directly."""
    monkeypatch.setattr(direct, "LEAST_BYTES", 4096)
    monkeypatch.setattr(create, "LARGE_BYTES", 1)
    copy_shard(server_path, tmp_path / "shard")
    return EdgeShard.load(tmp_path / "shard")


@pytest.mark.parametrize("form", ["streamable", "regular"])
def test_whole_archives(form: Any, shard: EdgeShard, tmp_path: Path) -> None:
    shard.create_snapshot(tmp_path / "a.snapshot")  # what is opened once and kept, such as the journal
    before = descriptors()
    info = shard.create_snapshot(tmp_path / "a.snapshot", format=form)
    assert info.sha256 == hashlib.sha256(info.path.read_bytes()).hexdigest()
    assert info.size_bytes == info.path.stat().st_size
    assert not descriptors() - before
    EdgeShard.unpack_snapshot(info.path, tmp_path / "copy", checksum=info.sha256)
    with EdgeShard.load(tmp_path / "copy") as copy:
        assert content(copy) == content(shard)


def test_a_full_disk_leaves_nothing(shard: EdgeShard, tmp_path: Path) -> None:
    shard.create_snapshot(tmp_path / "a.snapshot").path.unlink()
    before, threads = descriptors(), threading.active_count()
    for at in (0, 2):
        real = files.use_disk(OtherDisk(errno.ENOSPC, at))
        try:
            with pytest.raises(StorageError, match="No space left"):
                shard.create_snapshot(tmp_path / "a.snapshot")
        finally:
            files.use_disk(real)
    assert sorted(os.listdir(tmp_path)) == ["shard"]
    assert not descriptors() - before
    assert threading.active_count() <= threads


def test_a_digest_that_cannot_be_computed_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with open(tmp_path / "a", "rb") as file:
        digest = BackgroundDigest([(file.fileno(), 0, 4)])
    with pytest.raises(StorageError, match="shorter"):
        digest()
