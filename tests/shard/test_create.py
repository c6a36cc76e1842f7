"""Creating shards beside other programs that do the same."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

import edgeshard as m
from edgeshard import EdgeShard
from edgeshard.shard import creating
from edgeshard.shard.store import Store
from edgeshard.storage.lock import ShardLock

CONFIG = m.EdgeConfig(vectors=m.EdgeVectorParams(2, m.Distance.Dot))


def points(*ids: int) -> m.UpdateOperation:
    return m.UpdateOperation.upsert_points([m.Point(i, [1.0, 2.0]) for i in ids])


def other_program_is_faster(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Another one creates, fills and closes the shard after this one has made the directory."""

    def lock(shard: Path) -> ShardLock:
        monkeypatch.setattr(creating, "ShardLock", ShardLock)
        with EdgeShard.create(path, CONFIG) as theirs:
            theirs.update(points(1, 2))
        return ShardLock(shard)

    monkeypatch.setattr(creating, "ShardLock", lock)


def test_a_shard_made_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "shard"
    other_program_is_faster(monkeypatch, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(m.StorageError, match="already contains segment data"):
            EdgeShard.create(path, CONFIG)
    with EdgeShard.load(path) as shard:
        assert shard.count(m.CountRequest()) == 2


def test_a_shard_that_another_program_is_making_stays(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with EdgeShard.create(path, CONFIG) as theirs:
        with pytest.raises(m.LockedError):
            EdgeShard.create(path, CONFIG)
        theirs.update(points(1))
    assert (path / "edge_config.json").exists()


def test_a_failure_removes_what_this_call_made_before_it_unlocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "shard"
    (tmp_path / "new").mkdir()
    seen: list[list[str]] = []
    release = ShardLock.release

    def refuse(*arguments: object) -> None:
        raise m.StorageError(28, "No space left on device")

    def watch(lock: ShardLock) -> None:
        if lock.held:
            seen.append(os.listdir(path))
        release(lock)

    monkeypatch.setattr(Store, "_open_wal", refuse)
    monkeypatch.setattr(ShardLock, "release", watch)
    with pytest.raises(m.StorageError, match="No space"):
        EdgeShard.create(path, CONFIG)
    assert seen == [[".edgeshard-lock"]]
    assert os.listdir(tmp_path / "new") == []


def test_a_directory_removed_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shard"

    def lock(shard: Path) -> ShardLock:
        held = ShardLock(shard)
        (shard / ".edgeshard-lock").unlink()
        shard.rmdir()
        return held

    monkeypatch.setattr(creating, "ShardLock", lock)
    with pytest.raises(m.StorageError, match="removed meanwhile"):
        EdgeShard.create(path, CONFIG)


@pytest.mark.parametrize("length", [3900, 3990, 4030, 4060, 4077, 4083, 4090, 4095, 4200])
def test_a_path_near_the_longest_works_or_is_refused(tmp_path: Path, length: int) -> None:
    """Where the directory can be, but not all of what goes into it."""
    text = str(tmp_path)
    while length - len(text) > 202:
        text += "/" + 200 * "d"
    path = text + "/" + (length - len(text) - 1) * "x"
    try:
        with EdgeShard.create(path, CONFIG) as shard:
            shard.update(points(1))
            count = shard.count(m.CountRequest())
    except m.StorageError:
        assert os.listdir(tmp_path) == []
    else:
        with EdgeShard.load(path) as shard:
            assert shard.count(m.CountRequest()) == count
    for call in (EdgeShard.check, EdgeShard.repair, EdgeShard.load):
        with suppress(m.StorageError):
            call(path)


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(m.ValidationError, match="NUL"):
        EdgeShard.create("a\0b", CONFIG)
    with pytest.raises(m.ValidationError, match="NUL"):
        EdgeShard.load("a\0b")
