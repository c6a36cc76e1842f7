"""Local writes in a mirror are noticed before an archive is applied over them."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import pack_partial
from mirrors import Server, partial
from small_shards import content, small_config, upsert

import edgeshard
from edgeshard import DivergedError, EdgeShard, SnapshotError


def test_local_writes_are_noticed(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    mirror.update_from_snapshot(partial(server, 0, mirror.snapshot_manifest(), tmp_path))
    synced = mirror.snapshot_manifest("synced")
    assert synced
    mirror.update(upsert(edgeshard, [1], "local"))
    assert mirror.snapshot_manifest("synced") == {}
    archive = partial(server, 1, synced, tmp_path)
    for _ in range(2):
        with pytest.raises(DivergedError, match="force=True"):
            mirror.update_from_snapshot(archive)
    assert content(mirror)[1][0]["tag"] == "local"
    whole = tmp_path / "whole.snapshot"
    whole.write_bytes(pack_partial(server.path, server.change(), mirror.snapshot_manifest("synced")))
    mirror.update_from_snapshot(whole, force=True)
    assert content(mirror) == server.content
    assert mirror.snapshot_manifest("synced")


def test_force_does_not_mix_states(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    mirror.update_from_snapshot(partial(server, 0, mirror.snapshot_manifest(), tmp_path))
    base = mirror.snapshot_manifest()
    for number in range(5):
        mirror.update(upsert(edgeshard, range(number + 1), "local"))
    base = {name: {**entry, "segment_version": 10**6} for name, entry in base.items()}
    archive = partial(server, 1, base, tmp_path)
    before = content(mirror)
    with pytest.raises(SnapshotError, match="leaves it out"):
        mirror.update_from_snapshot(archive, force=True)
    assert content(mirror) == before


def test_optimising_a_mirror_is_a_local_write(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    mirror.update_from_snapshot(partial(server, 0, mirror.snapshot_manifest(), tmp_path))
    archive = partial(server, 1, mirror.snapshot_manifest("synced"), tmp_path)
    mirror.close()
    config = small_config(edgeshard)
    optimizers = edgeshard.EdgeOptimizersConfig(
        indexing_threshold=1, deleted_threshold=0.0001, vacuum_min_vector_number=1
    )
    shard = EdgeShard.load(mirror.path, edgeshard.EdgeConfig(vectors=config.vectors, optimizers=optimizers))
    assert shard.optimize()
    with pytest.raises(DivergedError):
        shard.update_from_snapshot(archive)
    shard.close()


def test_an_older_archive_is_refused(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    base = mirror.snapshot_manifest()
    old = partial(server, 0, {}, tmp_path, edit=lambda segment, files: None)
    older = partial(server, 1, base, tmp_path)
    newest = partial(server, 2, base, tmp_path)
    mirror.update_from_snapshot(newest)
    mirror.update_from_snapshot(newest)
    assert content(mirror) == server.content
    del older
    mirror.update_from_snapshot(old)  # holds everything, so it is a step back and not a mixture
    assert len(content(mirror)) != len(server.content)
