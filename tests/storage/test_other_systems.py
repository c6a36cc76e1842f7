"""What macOS does otherwise than Linux, played by stand-ins: syncing, holes, and calls that are missing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeshard.shard.snapshot.tar_writer import data_stretches
from edgeshard.storage import files, mapping

F_FULLFSYNC = 51


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Play a system that knows ``F_FULLFSYNC``, and answers it with an error unless that is 0; what it was asked."""

    def play(answer: int) -> list[str]:
        calls: list[str] = []

        def fcntl(fd: int, command: int) -> int:
            assert command == F_FULLFSYNC
            os.fstat(fd)  # it is open
            calls.append("full")
            if answer:
                raise OSError(answer, os.strerror(answer))
            return 0

        monkeypatch.setattr(files, "_FULL_SYNC", F_FULLFSYNC)
        monkeypatch.setattr(files.fcntl, "fcntl", fcntl)
        monkeypatch.delattr(os, "fdatasync")
        monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync"))
        return calls

    return play


def sync_both(directory: Path) -> None:
    fd = os.open(directory / "file", os.O_RDWR | os.O_CREAT)
    try:
        files.disk.sync(fd)
    finally:
        os.close(fd)
    files.disk.sync_directory(directory)


def test_a_sync_goes_through_the_cache_of_the_disk(tmp_path: Path, asked: Callable[[int], list[str]]) -> None:
    calls = asked(0)
    sync_both(tmp_path)
    assert calls == ["full", "full"]


@pytest.mark.parametrize("answer", [errno.ENOTSUP, errno.ENOTTY, errno.EINVAL])
def test_a_file_system_without_such_a_sync_is_synced_all_the_same(
    tmp_path: Path, asked: Callable[[int], list[str]], answer: int
) -> None:
    calls = asked(answer)
    sync_both(tmp_path)
    assert calls == ["full", "fsync", "full", "fsync"]


def test_a_disk_that_fails_is_not_asked_for_less(tmp_path: Path, asked: Callable[[int], list[str]]) -> None:
    calls = asked(errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_both(tmp_path)
    assert calls == ["full"]


SIZE = 1 << 20


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A file that is a hole but for some bytes in the middle."""
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        file.seek(SIZE // 2)
        file.write(b"data")
    return path


def cannot_tell(fd: int, position: int, how: int) -> int:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def told_wrongly(fd: int, position: int, how: int) -> int:
    raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))


@pytest.mark.parametrize(("trusted", "seek"), [(True, cannot_tell), (False, told_wrongly)])
def test_all_of_a_file_is_data_where_holes_are_not_told(
    sparse: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, seek: Callable[[int, int, int], int]
) -> None:
    monkeypatch.setattr(mapping, "_TELLS_HOLES", trusted)
    monkeypatch.setattr(os, "lseek", seek)
    with open(sparse, "rb", buffering=0) as file:
        fd = file.fileno()
        assert list(mapping.extents(fd, SIZE)) == [(0, SIZE)]
        assert not mapping.is_hole_from(fd, SIZE // 4)
        assert data_stretches(fd, SIZE) is None


def test_a_file_that_cannot_be_looked_at_is_an_error(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int, position: int, how: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "lseek", fail)
    with open(sparse, "rb", buffering=0) as file, pytest.raises(OSError, match=os.strerror(errno.EIO)):
        mapping.is_hole_from(file.fileno(), 0)


@pytest.mark.parametrize("missing", [True, False])
def test_files_are_read_into_memory(sparse: Path, monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    if missing:
        monkeypatch.delattr(os, "preadv")
    target = memoryview(bytearray(b"?" * 8))
    with open(sparse, "rb", buffering=0) as file:
        assert files.read_into(file.fileno(), target, SIZE // 2 - 2) == 8
        assert bytes(target) == b"\0\0data\0\0"
        assert files.read_into(file.fileno(), target, SIZE - 3) == 3
        assert bytes(target) == b"\0\0\0ata\0\0"
        assert files.read_into(file.fileno(), target, SIZE) == 0
