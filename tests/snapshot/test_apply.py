"""Applying full and partial archives: what the shard holds then, and what is refused."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
import qdrant_edge
from archives import pack_full, pack_partial
from mirrors import Server, leftovers, more, partial
from small_shards import content, small_config, upsert
from workload import Layout, assert_same, carry_out, dump, random_update

import edgeshard
from edgeshard import EdgeShard, SnapshotError, StorageError


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


def test_indexes_made_later_than_their_segment_are_kept(server: Server, tmp_path: Path) -> None:
    """Their files are as new as the schema, of whose changes a shard that was just opened knows nothing."""
    ops = qdrant_edge.UpdateOperation
    source = qdrant_edge.EdgeShard.load(str(server.path))
    source.update(ops.create_field_index("tag", qdrant_edge.PayloadSchemaType.Keyword))
    archive = tmp_path / "archive.snapshot"
    mirror = EdgeShard.create(tmp_path / "mirror", small_config(edgeshard))
    for number in range(3):
        source.update(upsert(qdrant_edge, [number, 600 + number], "new"))
        source.flush()
        base = mirror.snapshot_manifest("synced") if number else {}
        archive.write_bytes(pack_partial(server.path, source.snapshot_manifest(), base))
        mirror.update_from_snapshot(archive)
        assert content(mirror) == content(source)
        assert mirror.snapshot_manifest("synced") == source.snapshot_manifest()
    source.close()
    mirror.close()


def test_partial_archives_are_not_unpacked(server: Server, mirror: EdgeShard, tmp_path: Path) -> None:
    """Unless they hold everything, as those for somebody who has nothing do."""
    archive = partial(server, 0, mirror.snapshot_manifest(), tmp_path)
    with pytest.raises(SnapshotError, match="which is partial: update_from_snapshot"):
        EdgeShard.unpack_snapshot(archive, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    EdgeShard.unpack_snapshot(partial(server, 1, {}, tmp_path), tmp_path / "target")
    with EdgeShard.load(tmp_path / "target") as shard:
        assert content(shard) == server.content


@pytest.mark.parametrize("name", ["edgeshard.codes/0", "vector_storage/edgeshard.codes", "vector_index/edgeshard.x/y"])
def test_files_of_this_engine_alone_stay_behind(name: str, server: Server, tmp_path: Path) -> None:
    """What is derived from other files of a segment is not packed, not unpacked, and gone after an apply."""
    source = EdgeShard.load(server.path)
    plain = {segment: set(entry["file_versions"]) for segment, entry in source.snapshot_manifest().items()}
    segments = sorted(plain)

    def put(shard: Path) -> None:
        for segment in segments:
            (shard / "segments" / segment / name).parent.mkdir(parents=True, exist_ok=True)
            (shard / "segments" / segment / name).write_bytes(b"derived")

    def left(shard: Path) -> list[Path]:
        return [
            path
            for path in shard.rglob("*")
            if "edgeshard." in path.parent.name + path.name and "segments" in path.parts
        ]

    put(server.path)
    manifest = source.snapshot_manifest()
    assert {segment: set(entry["file_versions"]) for segment, entry in manifest.items()} == plain
    archive = source.create_snapshot(tmp_path / "a.snapshot").path
    assert b"edgeshard." not in archive.read_bytes()
    EdgeShard.unpack_snapshot(archive, tmp_path / "copy", mirror=True)
    put(tmp_path / "copy")
    source.update(upsert(edgeshard, [9001], "new"))
    changes = source.create_snapshot(tmp_path / "b.snapshot", base_manifest=manifest).path
    with EdgeShard.load(tmp_path / "copy") as copy:
        assert left(tmp_path / "copy")
        copy.update_from_snapshot(changes)
        assert left(tmp_path / "copy") == []
        assert content(copy) == content(source)
    source.close()
    by_hand = tmp_path / "c.snapshot"
    by_hand.write_bytes(pack_full(server.path, "flat"))
    assert b"edgeshard." in by_hand.read_bytes()
    EdgeShard.unpack_snapshot(by_hand, tmp_path / "again")
    assert left(tmp_path / "again") == []


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
