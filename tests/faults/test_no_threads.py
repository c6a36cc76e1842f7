"""A system that has no thread to give: calls go on without, or say so."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest

import edgeshard as es

CONFIG = es.EdgeConfig(vectors=es.EdgeVectorParams(size=2, distance=es.Distance.Dot))


@pytest.fixture
def shard(tmp_path: Path) -> es.EdgeShard:
    shard = es.EdgeShard.create(tmp_path / "shard", CONFIG)
    shard.update(es.UpdateOperation.upsert_points([es.Point(i, [i, 1]) for i in range(100)]))
    return shard


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("can't start new thread")


def test_what_needs_a_thread_says_so(shard: es.EdgeShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard.create_snapshot(tmp_path / "whole.snapshot")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(es.StorageError, match="cannot start a thread that optimises") as caught:
            shard.optimize(background=True)
        assert caught.value.errno == errno.EAGAIN
        with pytest.raises(es.StorageError, match="cannot start a thread"):
            shard.create_snapshot(tmp_path / "new.snapshot")
        with pytest.raises(es.StorageError, match="cannot start a thread"):
            es.EdgeShard.unpack_snapshot(tmp_path / "whole.snapshot", tmp_path / "unpacked")
        with pytest.raises(es.StorageError, match="cannot start a thread"):
            shard.update_from_snapshot(tmp_path / "whole.snapshot", force=True)
        shard.flush()
        shard.optimize()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard", "whole.snapshot"]
    assert shard.count(es.CountRequest()) == 100
    assert shard.optimize(background=True).result(60) is False
    shard.close()
