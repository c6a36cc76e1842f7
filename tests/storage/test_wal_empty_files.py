"""The empty files of a log: two of them at most, however often it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import edgeshard as es
from edgeshard.storage.wal import Wal
from edgeshard.storage.wal_file import WalFile

CAPACITY = 1 << 12


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "wal"


def opened(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.startswith("open-"))


def with_empty_files(directory: Path, numbers: range) -> None:
    Wal.create(directory, capacity_bytes=CAPACITY).close()
    for number in numbers:
        WalFile.create(directory / f"open-{number}", CAPACITY).close()


@pytest.mark.parametrize("first_index", [0, 12])
def test_opening_an_empty_log_makes_no_file(directory, first_index):
    Wal.create(directory, first_index=first_index, capacity_bytes=CAPACITY).close()
    before = sorted(os.listdir(directory))
    for _ in range(4):
        Wal.open(directory, first_index=first_index).close()
        assert sorted(os.listdir(directory)) == before
    wal = Wal.open(directory, first_index=first_index)
    assert wal.append(b"a") == first_index
    wal.close()
    assert opened(directory) == ["open-1", "open-2"]


def test_a_log_that_starts_again_uses_the_files_it_has(directory):
    Wal.create(directory, capacity_bytes=CAPACITY).close()
    for first_index in (50, 60, 70):
        Wal.open(directory, first_index=first_index).close()
        assert opened(directory) == ["open-1", "open-2"]
    wal = Wal.open(directory)
    assert wal.append(b"a") == 70


def test_more_than_a_log_needs_are_removed(directory):
    with_empty_files(directory, range(3, 9))
    reader = Wal.open(directory, read_only=True)
    reader.close()
    assert len(opened(directory)) == 8
    wal = Wal.open(directory)
    assert opened(directory) == ["open-1", "open-2"]
    assert [wal.append(bytes(1000)) for _ in range(10)] == list(range(10))
    wal.close()
    with_records = Wal.open(directory)
    assert [number for number, _ in with_records.entries(0)] == list(range(10))


def test_one_with_anything_in_it_stays(directory):
    with_empty_files(directory, range(3, 6))
    with open(directory / "open-4", "r+b") as file:
        file.seek(8)
        file.write(b"half a record")
    Wal.open(directory).close()
    assert opened(directory) == ["open-1", "open-2", "open-4"]


def test_loading_a_shard_again_and_again_leaves_its_log_as_it_is(tmp_path):
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(4, es.Distance.Dot))
    es.EdgeShard.create(tmp_path / "shard", config).close()
    for _ in range(5):
        es.EdgeShard.load(tmp_path / "shard").close()
        assert opened(tmp_path / "shard" / "wal") == ["open-1", "open-2"]
