"""Files and directories of a shard that the system refuses to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import edgeshard as es


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(es.UpdateOperation.upsert_points([es.Point(1, [1, 1])]))
    return tmp_path / "shard"


@pytest.mark.parametrize("call", ["load", "read", "check"])
def test_a_directory_that_cannot_be_listed(shard: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def scandir(path: Any = ".") -> Any:  # rights do not stop the user that tests may run as
        if os.fspath(path).endswith("/wal"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    calls = {
        "load": lambda: es.EdgeShard.load(shard),
        "read": lambda: es.EdgeShard.load(shard, read_only=True),
        "check": lambda: es.EdgeShard.check(shard),
    }
    with pytest.raises(es.StorageError, match="wal"):
        calls[call]()


def test_a_file_that_cannot_be_opened(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Any, *rest: Any, **others: Any) -> int:
        if os.fspath(path).endswith("segment.json"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opened(path, *rest, **others)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(es.StorageError, match=r"segment\.json"):
        es.EdgeShard.check(shard)
