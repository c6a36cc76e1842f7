"""Shards whose directory is moved, removed or replaced while they are open, and what their paths mean."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from killed_shards import after_a_kill, config, count, point, put, rows

import edgeshard as es


def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shard = es.EdgeShard.create("shard", config(wal_enabled=False))
    put(shard, point(1))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    put(shard, point(2))
    shard.close()
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert count(shard) == 2


def test_a_shard_that_was_replaced_while_it_was_open(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    old = es.EdgeShard.create(path, config())
    put(old, point(1))
    old.flush()
    shutil.rmtree(path)
    with es.EdgeShard.create(path, config()) as new:
        put(new, point(100))
        new.flush()
        put(new, point(101))
        with pytest.raises(es.StorageError, match="replaced"):
            old.flush()
        old.close()
        assert (path / ".edgeshard-lock").exists()
        put(new, point(102))
        with after_a_kill(path) as again:
            assert [row[0] for row in rows(again)] == [100, 101, 102]


def test_changes_of_a_shard_that_is_gone_are_said_to_be_lost(tmp_path: Path) -> None:
    shard = es.EdgeShard.create(tmp_path / "shard", config(wal_enabled=False))
    put(shard, point(1))
    shutil.rmtree(tmp_path / "shard")
    with pytest.warns(RuntimeWarning, match="lost"):
        shard.close()
    assert not (tmp_path / "shard").exists()


def test_a_path_that_cannot_be_looked_at_is_no_moved_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = es.EdgeShard.create(tmp_path / "shard", config(wal_enabled=False))
    put(shard, point(1))
    stat = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if path == tmp_path / "shard":
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        with pytest.raises(es.StorageError, match="cannot look at"):
            shard.close()
    shard.close()
    with es.EdgeShard.load(tmp_path / "shard") as shard:
        assert count(shard) == 1


def test_a_path_through_a_link_leads_where_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "data" / "v1").mkdir(parents=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "current").symlink_to(tmp_path / "data" / "v1")
    es.EdgeShard.create(tmp_path / "app" / "current" / ".." / "shard", config()).close()
    assert (tmp_path / "data" / "shard" / "edge_config.json").exists()
