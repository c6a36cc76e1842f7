"""Copies of readers: removed with their readers, and after those that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import edgeshard as es

CONFIG = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    with es.EdgeShard.create(tmp_path / "shard", CONFIG) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 1])]))
    return tmp_path / "shard"


def test_copies_of_killed_readers_are_removed_by_the_next_one(shard: Path, temporary: Path) -> None:
    code = "import edgeshard as es, os, sys; r = es.EdgeShard.load(sys.argv[1], read_only=True); os.abort()"
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", code, str(shard)], timeout=60, check=False)
        assert killed.returncode == -signal.SIGABRT
    assert len(os.listdir(temporary)) == 1
    with es.EdgeShard.load(shard, read_only=True) as reader:
        assert len(os.listdir(temporary)) == 1
        with es.EdgeShard.load(shard, read_only=True) as other:
            assert len(os.listdir(temporary)) == 2
            assert reader.count(es.CountRequest()) == other.count(es.CountRequest()) == 1
    assert os.listdir(temporary) == []


def test_what_is_not_a_copy_stays(shard: Path, temporary: Path) -> None:
    (temporary / "edgeshard-reader-file").touch()
    (temporary / "elsewhere").mkdir()
    (temporary / "edgeshard-reader-link").symlink_to(temporary / "elsewhere")
    es.EdgeShard.load(shard, read_only=True).close()
    assert sorted(os.listdir(temporary)) == ["edgeshard-reader-file", "edgeshard-reader-link", "elsewhere"]


def test_no_temporary_directory(shard: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    with pytest.raises(es.StorageError, match="a reader needs a temporary directory"):
        es.EdgeShard.load(shard, read_only=True)
