"""Applying full and partial archives: what the shard holds then, failures, kills, divergence."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from archives import MANIFEST, pack_full, pack_partial
from small_shards import content, copy_shard, small_config, upsert
from workload import Layout, assert_same, carry_out, dump, random_update

import edgeshard
from edgeshard import DivergedError, EdgeShard, SnapshotError, StorageError
from edgeshard.shard.snapshot import swap
from edgeshard.storage import files


class Server:
    """A shard of Qdrant Edge in the role of a server."""

    def __init__(self, path: Path, source: Path) -> None:
        self.path = path
        copy_shard(source, path)

    def change(self, *operations: Any) -> dict[str, Any]:
        """Apply operations; the manifest after them."""
        shard = qdrant_edge.EdgeShard.load(str(self.path))
        for operation in operations:
            shard.update(operation)
        shard.flush()
        self.content = content(shard)
        manifest: dict[str, Any] = shard.snapshot_manifest()
        shard.close()
        return manifest


@pytest.fixture
def server(server_path: Path, tmp_path: Path) -> Server:
    return Server(tmp_path / "server", server_path)


@pytest.fixture
def mirror(server_path: Path, tmp_path: Path) -> EdgeShard:
    archive = tmp_path / "full.snapshot"
    archive.write_bytes(pack_full(server_path))
    EdgeShard.unpack_snapshot(archive, tmp_path / "mirror")
    return EdgeShard.load(tmp_path / "mirror")


def more(number: int) -> list[Any]:
    ops = qdrant_edge.UpdateOperation
    return [
        upsert(qdrant_edge, range(500 + number * 10, 510 + number * 10), "new"),
        upsert(qdrant_edge, range(number, number + 3), f"changed {number}"),
        ops.delete_points([100 + number, 405 + number]),
    ]


def partial(server: Server, number: int, base: dict[str, Any], tmp_path: Path, **options: Any) -> Path:
    """The server moves on; a partial archive against ``base``."""
    manifest = server.change(*more(number))
    archive = tmp_path / f"partial-{number}.snapshot"
    archive.write_bytes(pack_partial(server.path, manifest, base, **options))
    return archive


def leftovers(path: Path) -> list[str]:
    return [name for name in os.listdir(path) if name.startswith(".") and name != ".edgeshard-lock"]


# --- results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["streamable", "regular", "flat"])
def test_partial_archives_give_what_qdrant_edge_makes_of_them(
    layout: str, server: Server, mirror: EdgeShard, tmp_path: Path
) -> None:
    twin_path = tmp_path / "twin"
    qdrant_edge.EdgeShard.unpack_snapshot(str(tmp_path / "full.snapshot"), str(twin_path))
    for number in range(4):
        archive = partial(server, number, mirror.snapshot_manifest("synced"), tmp_path, layout=layout)
        twin = qdrant_edge.EdgeShard.load(str(twin_path))
        whole = partial(server, number + 10, twin.snapshot_manifest(), tmp_path) if number == 2 else archive
        if number == 0:
            mirror.update_from_snapshot(archive)
            twin.update_from_snapshot(str(archive))
        else:
            if whole is not archive:
                archive = tmp_path / "again.snapshot"
                manifest = server.change()
                archive.write_bytes(pack_partial(server.path, manifest, mirror.snapshot_manifest("synced"), layout))
            mirror.update_from_snapshot(archive)
            twin.update_from_snapshot(str(whole))
        assert content(mirror) == content(twin) == server.content
        assert mirror.snapshot_manifest() == twin.snapshot_manifest()
        twin.close()
    mirror.close()
    assert not leftovers(mirror.path)
    with EdgeShard.load(mirror.path) as again:
        assert content(again) == server.content
        again.update(upsert(edgeshard, [7], "later"))  # numbering goes on above the server's
        assert content(again)[7][0]["tag"] == "later"


def test_full_archives_replace_everything(server: Server, tmp_path: Path) -> None:
    server.change(*more(0))
    archive = tmp_path / "a.snapshot"
    archive.write_bytes(pack_full(server.path, "mixed", wal=False))
    shard = EdgeShard.create(tmp_path / "local", small_config(edgeshard))
    shard.update(upsert(edgeshard, [9001], "local"))
    shard.update_from_snapshot(archive)
    assert content(shard) == server.content
    shard.update(upsert(edgeshard, [1], "later"))
    assert content(shard)[1][0]["tag"] == "later"
    shard.close()
    twin = qdrant_edge.EdgeShard.load(str(tmp_path / "local"))
    assert content(twin)[1][0]["tag"] == "later"
    twin.close()


def test_a_shard_without_a_log_stays_without_one(server: Server, tmp_path: Path) -> None:
    config = small_config(edgeshard)
    config = edgeshard.EdgeConfig(vectors=config.vectors, wal_enabled=False)
    shard = EdgeShard.create(tmp_path / "local", config)
    archive = tmp_path / "a.snapshot"
    server.change()
    archive.write_bytes(pack_full(server.path))
    shard.update_from_snapshot(archive)
    assert not (tmp_path / "local" / "wal").exists()
    shard.update(upsert(edgeshard, [1], "later"))
    shard.close()
    with EdgeShard.load(tmp_path / "local") as again:
        assert content(again)[1][0]["tag"] == "later"


def test_applying_twice_is_harmless(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    mirror.update_from_snapshot(archive)
    mirror.update_from_snapshot(archive)
    assert content(mirror) == server.content


@pytest.mark.parametrize("seed", range(12))
def test_random_histories(seed: int, tmp_path: Path) -> None:
    random_history(seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_random_histories_long(seed: int, tmp_path: Path) -> None:
    random_history(seed, tmp_path)


def random_history(seed: int, tmp_path: Path) -> None:
    """Either engine is the server of a mirror in the other one; after every sync the contents are equal."""
    rng = random.Random(seed)
    layout = Layout(rng)
    ours = EdgeShard.create(tmp_path / "ours", layout.config(edgeshard))
    theirs_path = tmp_path / "theirs"
    theirs = qdrant_edge.EdgeShard.create(str(theirs_path), layout.config(qdrant_edge))
    our_mirror = EdgeShard.create(tmp_path / "our-mirror", layout.config(edgeshard))
    their_mirror = qdrant_edge.EdgeShard.create(str(tmp_path / "their-mirror"), layout.config(qdrant_edge))
    for _ in range(3):
        for _ in range(rng.randint(1, 12)):
            update = random_update(rng, layout)
            carry_out(edgeshard, ours, update)
            carry_out(qdrant_edge, theirs, update)
        form = rng.choice(["streamable", "regular"])
        base = None if rng.random() < 0.3 else their_mirror.snapshot_manifest()
        ours.create_snapshot(tmp_path / "ours.snapshot", format=form, base_manifest=base)
        their_mirror.update_from_snapshot(str(tmp_path / "ours.snapshot"))
        assert_same(dump(qdrant_edge, their_mirror), dump(edgeshard, ours))

        theirs.flush()
        manifest = theirs.snapshot_manifest()
        theirs.close()
        if rng.random() < 0.3:
            data = pack_full(theirs_path, rng.choice(["streamable", "regular", "flat", "mixed"]))
        else:
            data = pack_partial(theirs_path, manifest, our_mirror.snapshot_manifest(rng.choice([None, "synced"])), form)
        theirs = qdrant_edge.EdgeShard.load(str(theirs_path))
        (tmp_path / "theirs.snapshot").write_bytes(data)
        our_mirror.update_from_snapshot(tmp_path / "theirs.snapshot")
        assert_same(dump(edgeshard, our_mirror), dump(qdrant_edge, theirs))
    for shard in (ours, theirs, our_mirror, their_mirror):
        shard.close()


# --- divergence ------------------------------------------------------------------------------------------


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


# --- failures --------------------------------------------------------------------------------------------


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


class FailingDisk(files.Disk):
    """A disk whose n-th changing call fails."""

    def __init__(self, failing: int) -> None:
        self.left = failing
        self.mutex = threading.Lock()

    def _count(self) -> None:
        with self.mutex:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.EIO, "Input/output error")

    def open(self, path: Any, flags: int, mode: int = 0o644) -> int:
        self._count()
        return super().open(path, flags, mode)

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        self._count()
        super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._count()
        super().sync(fd)

    def rename(self, source: Any, target: Any) -> None:
        self._count()
        super().rename(source, target)

    def sync_directory(self, path: Any) -> None:
        self._count()
        super().sync_directory(path)


def test_a_failing_disk_leaves_the_old_state_or_the_new(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    old = content(mirror)
    mirror.close()
    failures = 0
    for failing in range(1, 1000, 7):
        path = tmp_path / "victim"
        copy_shard(mirror.path, path)
        shard = EdgeShard.load(path)
        real = files.use_disk(disk := FailingDisk(failing))
        try:
            shard.update_from_snapshot(archive)
        except StorageError:
            failures += 1
        finally:
            files.use_disk(real)
        assert content(shard) in (old, server.content), failing
        shard.update(upsert(edgeshard, [3], "alive"))
        assert content(shard)[3][0]["tag"] == "alive"
        shard.close()
        with EdgeShard.load(path) as again:
            assert content(again)[3][0]["tag"] == "alive"
            assert not leftovers(path)
        if disk.left > 0:
            break
    assert failures > 10


def test_other_refusals(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    with pytest.raises(StorageError, match="No such file or directory"):
        mirror.update_from_snapshot(archive, str(tmp_path / "absent"))
    with pytest.raises(StorageError, match="cannot open snapshot"):
        mirror.update_from_snapshot(tmp_path / "absent.snapshot")
    with pytest.raises(SnapshotError, match="SHA-256"):
        mirror.update_from_snapshot(archive, checksum="00")
    mirror.update_from_snapshot(archive, str(tmp_path))
    mirror.close()
    with pytest.raises(edgeshard.ClosedError):
        mirror.update_from_snapshot(archive)


def test_other_vectors_are_refused_before_anything_is_lost(server: Server, tmp_path: Path) -> None:
    shard = EdgeShard.create(tmp_path / "local", small_config(edgeshard, size=5))
    archive = tmp_path / "a.snapshot"
    server.change()
    archive.write_bytes(pack_full(server.path))
    with pytest.raises(SnapshotError, match="config is incompatible with existing segments"):
        shard.update_from_snapshot(archive)
    assert content(shard) == {}
    shard.close()
    EdgeShard.load(tmp_path / "local").close()


def test_reads_go_on_while_archives_are_applied(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    old, stop, seen, failed = content(mirror), threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(len(content(mirror)))
            except Exception as error:
                failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    counts = {len(old)}
    for number in range(4):
        mirror.update_from_snapshot(partial(server, number, mirror.snapshot_manifest("synced"), tmp_path))
        counts.add(len(server.content))
    stop.set()
    thread.join()
    assert not failed
    assert set(seen) <= counts


# --- kills -----------------------------------------------------------------------------------------------


def kill_during_apply(mirror: Path, archive: Path, victim: Path, share: float, seconds: float) -> bool:
    """Kill a process at a share of the time an apply takes; whether it had finished."""
    copy_shard(mirror, victim)
    script = Path(__file__).parent / "killed_apply.py"
    child = subprocess.Popen([sys.executable, script, victim, archive], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(share * seconds)
    child.kill()
    finished = b"applied" in child.stdout.read()
    child.wait()
    child.stdout.close()
    return finished


def kills(server: Server, mirror: EdgeShard, tmp_path: Path, count: int) -> None:
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    old = content(mirror)
    mirror.close()
    outcomes = set()
    for number in range(count):
        finished = kill_during_apply(mirror.path, archive, tmp_path / "victim", number / count, 0.15)
        with EdgeShard.load(tmp_path / "victim") as shard:
            found = content(shard)
            assert found == server.content if finished else found in (old, server.content)
            assert not leftovers(tmp_path / "victim")
            shard.update(upsert(edgeshard, [3], "alive"))
            assert content(shard)[3][0]["tag"] == "alive"
        outcomes.add(found == server.content)
    assert outcomes == {False, True}


def test_kills(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    kills(server, mirror, tmp_path, 24)


@pytest.mark.long
def test_two_hundred_kills(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    kills(server, mirror, tmp_path, 200)


class Killed(BaseException):
    """Stands for the death of the process."""


class DyingDisk(files.Disk):
    """A disk that is never used again after n renames and removals."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def rename(self, source: Any, target: Any) -> None:
        self._count()
        super().rename(source, target)

    def unlink(self, path: Any) -> None:
        self._count()
        super().unlink(path)

    def remove_tree(self, path: Any) -> None:
        self._count()
        super().remove_tree(path)


@pytest.mark.parametrize("undone", [False, True])
def test_the_swap_can_stop_after_any_step(undone: bool, tmp_path: Path) -> None:
    """Steps of commit, finish and undo are cut one by one; recovery leaves exactly one of the two states."""
    old = {"segments": "old", "wal": "old", "newest_clocks.json": "old"}
    new = {"segments": "new", "wal": "new", "sync_state.json": "new"}
    names = ["segments", "wal", "newest_clocks.json", "oldest_clocks.json", "sync_state.json"]
    for steps in range(40):
        root = tmp_path / f"{undone}-{steps}"
        root.mkdir()
        for name, text in old.items():
            (root / name).write_text(text)
        stage = swap.new_stage(root)
        for name, text in new.items():
            (stage / swap.NEW / name).write_text(text)
        real = files.use_disk(disk := DyingDisk(steps))
        try:
            swap.commit(root, stage, names)
            (swap.undo if undone else swap.finish)(root, stage)
        except Killed:
            pass
        finally:
            files.use_disk(real)
        swap.recover(root)
        found = {name: (root / name).read_text() for name in os.listdir(root)}
        assert found in (old, new), steps
        if disk.left >= 0:
            assert found == (old if undone else new)
            return
    raise AssertionError("the swap never finished")
