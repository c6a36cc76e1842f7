"""Applies that fail: archives that lie, disks that refuse; the shard goes on as it was."""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from archives import MANIFEST
from mirrors import Server, leftovers, partial
from simulated_disk import FaultyDisk
from small_shards import content, copy_shard, small_config, upsert

import edgeshard
from edgeshard import EdgeShard, SnapshotError, StorageError
from edgeshard.shard import store
from edgeshard.storage import files


def lies() -> dict[str, tuple[Any, str]]:
    def manifest_edit(change: Any) -> Any:
        def edit(segment: str, contents: dict[str, bytes]) -> None:
            manifest = json.loads(contents[MANIFEST])
            change(manifest)
            contents[MANIFEST] = json.dumps(manifest).encode()

        return edit

    def raw(data: bytes) -> Any:
        return lambda segment, contents: contents.__setitem__(MANIFEST, data)

    def first_only(edit: Any) -> Any:
        done: list[str] = []

        def once(segment: str, contents: dict[str, bytes]) -> None:
            if not done:
                edit(segment, contents)
            done.append(segment)

        return once

    def newer(manifest: dict[str, Any]) -> None:
        manifest["segment_version"] += 100
        manifest["file_versions"] = {
            name: manifest["segment_version"] if version is not None else None
            for name, version in manifest["file_versions"].items()
        }

    def drop(name: str) -> Any:
        def edit(segment: str, contents: dict[str, bytes]) -> None:
            manifest = json.loads(contents[MANIFEST])
            for path in [path for path in manifest["file_versions"] if path.endswith(name)]:
                del manifest["file_versions"][path]
                contents.pop(path, None)
            contents[MANIFEST] = json.dumps(manifest).encode()

        return edit

    return {
        "other id": (manifest_edit(lambda m: m.update(segment_id="x")), "segment_id"),
        "text version": (manifest_edit(lambda m: m.update(segment_version="7")), "segment_version"),
        "negative version": (manifest_edit(lambda m: m.update(segment_version=-1)), "segment_version"),
        "no files": (manifest_edit(lambda m: m.pop("file_versions")), "file_versions"),
        "file above segment": (
            manifest_edit(lambda m: m["file_versions"].update({"payload_storage/tracker.dat": 10**9})),
            "above that of the segment",
        ),
        "unknown file": (
            manifest_edit(lambda m: m["file_versions"].update({"../../../etc/passwd": 0})),
            "neither in the archive nor in the shard",
        ),
        "no JSON": (raw(b"{"), "manifest"),
        "a list": (raw(b"[]"), "expected an object"),
        "one manifest missing": (first_only(lambda segment, contents: contents.pop(MANIFEST)), "partial"),
        "file unlisted": (
            lambda segment, contents: contents.__setitem__("vector_storage/extra.dat", b"x"),
            "does not list",
        ),
        "made for another state": (manifest_edit(newer), "another state|missing"),
        "omits payload pages": (drop("payload_storage/page_0.dat"), "page_0.dat.*missing"),
        "omits vectors": (drop("matrix.dat"), "matrix.dat.*missing"),
        "omits chunks": (drop("chunk_0.mmap"), "chunk_0"),
        "omits ids": (drop("mutable_id_tracker.mappings"), "mutable_id_tracker.mappings.*missing"),
        "omits the graph": (drop("graph.bin"), "graph.bin.*missing"),
    }


@pytest.mark.parametrize("case", sorted(lies()))
def test_lying_manifests(case: str, server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    edit, rule = lies()[case]
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path, edit=edit)
    before, names = content(mirror), set(os.listdir(mirror.path))
    with pytest.raises(SnapshotError, match=rule):
        mirror.update_from_snapshot(archive)
    assert content(mirror) == before
    assert set(os.listdir(mirror.path)) - names <= {"edgeshard.journal"}
    mirror.update(upsert(edgeshard, [3], "alive"))
    assert content(mirror)[3][0]["tag"] == "alive"


def refuse(name: str) -> None:
    raise OSError(errno.EIO, f"Input/output error in {name}")


def test_a_failing_disk_leaves_the_old_state_or_the_new(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    old = content(mirror)
    mirror.close()
    failures = 0
    for failing in range(0, 1000, 7):
        path = tmp_path / "victim"
        copy_shard(mirror.path, path)
        shard = EdgeShard.load(path)
        real = files.use_disk(disk := FaultyDisk(failing, refuse))
        expected = server.content
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "the snapshot was applied", RuntimeWarning)
                shard.update_from_snapshot(archive)
        except StorageError:
            failures, expected = failures + 1, old
        finally:
            files.use_disk(real)
        assert content(shard) == expected, failing
        shard.update(upsert(edgeshard, [3], "alive"))
        assert content(shard)[3][0]["tag"] == "alive"
        shard.close()
        with EdgeShard.load(path) as again:
            assert content(again)[3][0]["tag"] == "alive"
            assert not leftovers(path)
        if disk.changes <= failing:
            break
    assert failures > 10


@pytest.mark.parametrize("wal", [True, False])
def test_a_state_that_does_not_open_leaves_a_shard_that_flushes(
    wal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(size=4, distance=edgeshard.Distance.Dot), wal_enabled=wal
    )
    with EdgeShard.create(tmp_path / "other", config) as other:
        other.update(upsert(edgeshard, [7], "new"))
        other.create_snapshot(tmp_path / "archive")

    def refuse_files(*arguments: Any, **settings: Any) -> None:
        raise StorageError(errno.EMFILE, os.strerror(errno.EMFILE))

    with EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(upsert(edgeshard, [1], "old"))
        shard.flush()
        with monkeypatch.context() as patch:
            patch.setattr(store, "open_segment", refuse_files)
            with pytest.raises(StorageError, match=os.strerror(errno.EMFILE)):
                shard.update_from_snapshot(tmp_path / "archive")
        shard.update(upsert(edgeshard, [2], "after"))
        shard.flush()
        shard.update(upsert(edgeshard, [3], "after"))
        shard.flush()
        before = content(shard)
        assert before.keys() == {1, 2, 3}
    with EdgeShard.load(tmp_path / "shard") as again:
        assert content(again) == before


class Refusing(files.Disk):
    """From the second rename of the new state on, every rename is refused."""

    def __init__(self) -> None:
        self.refusing = False

    def rename(self, source: Any, target: Any) -> None:
        self.refusing = self.refusing or "/new/wal" in os.fspath(source)
        if self.refusing:
            refuse(os.fspath(target))
        super().rename(source, target)


@pytest.fixture
def half_applied(tmp_path: Path) -> Iterator[EdgeShard]:
    """A shard with the points 1 and 2 that could neither take a snapshot whole nor take it back so far."""
    with EdgeShard.create(tmp_path / "other", small_config(edgeshard)) as other:
        other.update(upsert(edgeshard, [7], "new"))
        other.create_snapshot(tmp_path / "archive")
    shard = EdgeShard.create(tmp_path / "shard", small_config(edgeshard))
    shard.update(upsert(edgeshard, [1, 2], "old"))
    real = files.use_disk(Refusing())
    try:
        with pytest.warns(RuntimeWarning, match="cannot be used until"), pytest.raises(StorageError):
            shard.update_from_snapshot(tmp_path / "archive")
        yield shard
    finally:
        files.use_disk(real)


def test_a_snapshot_that_cannot_be_taken_back_stops_the_shard(half_applied: EdgeShard, tmp_path: Path) -> None:
    shard = half_applied
    calls: list[Callable[[], object]] = [
        lambda: content(shard), shard.flush, lambda: shard.update(upsert(edgeshard, [3], "lost?")), shard.info,
        lambda: shard.create_snapshot(tmp_path / "copy"), lambda: shard.update_from_snapshot(tmp_path / "archive"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StorageError):
            call()
    files.use_disk(files.Disk())
    assert content(shard).keys() == {1, 2}
    shard.update(upsert(edgeshard, [3], "kept"))
    killed = copy_shard(shard.path, tmp_path / "killed")
    assert not leftovers(killed)
    with EdgeShard.load(killed) as again:
        assert content(again) == content(shard)
    shard.close()
    with EdgeShard.load(tmp_path / "shard") as again:
        assert content(again).keys() == {1, 2, 3}


def test_a_half_applied_snapshot_that_stays_so_is_finished_by_the_next_load(half_applied: EdgeShard) -> None:
    with pytest.raises(StorageError):
        half_applied.close()
    files.use_disk(files.Disk())
    with EdgeShard.load(half_applied.path) as again:
        assert content(again).keys() == {7}
    assert not leftovers(half_applied.path)
