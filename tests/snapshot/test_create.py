"""Creating archives: who can read them, what is in them, and that the shard stays in use."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge
from small_shards import content, copy_shard, upsert
from workload import Layout, assert_same, carry_out, dump, random_update

import edgeshard
from edgeshard import EdgeShard, StorageError, ValidationError
from edgeshard.shard.snapshot.tar_writer import Content, TarWriter

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def shard(server_path: Path, tmp_path: Path) -> EdgeShard:
    copy_shard(server_path, tmp_path / "shard")
    return EdgeShard.load(tmp_path / "shard")


@pytest.mark.parametrize("form", ["streamable", "regular"])
def test_both_engines_read_both_forms(form: Any, shard: EdgeShard, tmp_path: Path) -> None:
    info = shard.create_snapshot(tmp_path / "a.snapshot", format=form)
    data = info.path.read_bytes()
    assert (info.size_bytes, info.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    for mod, name in ((edgeshard, "ours"), (qdrant_edge, "theirs")):
        mod.EdgeShard.unpack_snapshot(str(info.path), str(tmp_path / name))
        copy = mod.EdgeShard.load(str(tmp_path / name))
        assert content(copy) == content(shard)
        assert copy.snapshot_manifest() == shard.snapshot_manifest() == info.manifest
        copy.update(upsert(mod, [1], "later"))
        assert content(copy)[1][0]["tag"] == "later"
        copy.close()
    assert sorted(os.listdir(tmp_path)) == ["a.snapshot", "ours", "shard", "theirs"]


def test_order_and_names_are_those_of_a_server(shard: EdgeShard, tmp_path: Path) -> None:
    (shard.path / "newest_clocks.json").write_text("{}")
    shard.update(upsert(edgeshard, [1], "x"))
    data = shard.create_snapshot(tmp_path / "a.snapshot").path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    last = ["newest_clocks.json", "wal", "wal/closed-4", "replica_state.json", "shard_config.json"]
    assert names[-5:] == last
    inside = [name.split("/files/")[1] for name in names if "/files/" in name]
    assert [name for name in inside if name in ("segment.json", "version.info")] == ["segment.json", "version.info"] * 2
    own = ("tracker_journal.dat", "edgeshard.journal", "sync_state.json", "edge_config.json", "segment_manifest.json")
    assert not [name for name in names if name.rpartition("/")[2] in own]
    partial = shard.create_snapshot(tmp_path / "b.snapshot", base_manifest={}).path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(partial)) as archive:
        first = archive.getnames()[0]
    assert first.endswith("files/segment_manifest.json")


def test_archives_are_small_because_holes_are_kept(shard: EdgeShard, tmp_path: Path) -> None:
    info = shard.create_snapshot(tmp_path / "a.snapshot")
    apparent = sum(path.stat().st_size for path in (shard.path / "segments").rglob("*") if path.is_file())
    assert info.size_bytes < apparent / 20


def test_partial_archives_hold_what_changed(shard: EdgeShard, tmp_path: Path) -> None:
    base = shard.snapshot_manifest()
    nothing = shard.create_snapshot(tmp_path / "a.snapshot", base_manifest=base)
    shard.update(upsert(edgeshard, [1000], "new"))
    some = shard.create_snapshot(tmp_path / "b.snapshot", base_manifest=base)
    everything = shard.create_snapshot(tmp_path / "c.snapshot")
    assert nothing.files <= some.files < everything.files
    with tarfile.open(some.path) as archive:
        assert not [name for name in archive.getnames() if name.endswith("matrix.dat")]


@pytest.mark.parametrize(
    "base", [[], {"x": 1}, {"x": {"segment_id": "x", "segment_version": "1", "file_versions": {}}}], ids=str
)
def test_base_manifests_are_checked(base: Any, shard: EdgeShard, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="Validation failed"):
        shard.create_snapshot(tmp_path / "a.snapshot", base_manifest=base)
    with pytest.raises(ValidationError, match="format"):
        shard.create_snapshot(tmp_path / "a.snapshot", format="zip")  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["shard"]


def test_refusals_leave_nothing(shard: EdgeShard, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for target in (tmp_path / "taken", tmp_path / "absent" / "a.snapshot"):
        with pytest.raises(StorageError):
            shard.create_snapshot(target)
    (tmp_path / ".a.snapshot.part-dead").write_bytes(b"left by a killed process")
    shard.create_snapshot(tmp_path / "a.snapshot")
    assert sorted(os.listdir(tmp_path)) == ["a.snapshot", "shard", "taken"]
    shard.close()
    with pytest.raises(edgeshard.ClosedError):
        shard.create_snapshot(tmp_path / "b.snapshot")


def test_the_shard_stays_in_use_and_archives_are_consistent(shard: EdgeShard, tmp_path: Path) -> None:
    """Each update gives all of ten points one tag: an archive never holds two different ones."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            shard.update(upsert(edgeshard, range(10), f"round {number}"))
            number += 1
            if number % 7 == 0:
                shard.flush()
            if number % 31 == 0:
                shard.optimize()

    shard.update(upsert(edgeshard, range(10), "round -1"))
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(8):
            archive = shard.create_snapshot(tmp_path / f"{number}.snapshot").path
            EdgeShard.unpack_snapshot(archive, tmp_path / f"{number}")
    finally:
        stop.set()
        thread.join()
    for number in range(8):
        with EdgeShard.load(tmp_path / f"{number}") as copy:
            found = content(copy)
        assert len(found) == 420
        assert len({found[point][0]["tag"] for point in range(10)}) == 1


def compare_manifests(seed: int, path: Path) -> None:
    rng = random.Random(seed)
    layout = Layout(rng)
    mod = rng.choice([edgeshard, qdrant_edge])
    made = mod.EdgeShard.create(str(path), layout.config(mod))
    for _ in range(rng.randint(0, 30)):
        carry_out(mod, made, random_update(rng, layout))
        if rng.random() < 0.05:
            made.update(mod.UpdateOperation.create_field_index("n", mod.PayloadSchemaType.Integer))
        if rng.random() < 0.05:
            made.optimize()
    made.close()
    with EdgeShard.load(path) as ours:
        manifest, points = ours.snapshot_manifest(), dump(edgeshard, ours)
    theirs = qdrant_edge.EdgeShard.load(str(path))
    assert theirs.snapshot_manifest() == manifest
    assert_same(dump(qdrant_edge, theirs), points)
    theirs.close()


@pytest.mark.parametrize("seed", range(15))
def test_manifests_of_random_shards_are_those_of_qdrant_edge(seed: int, tmp_path: Path) -> None:
    compare_manifests(seed, tmp_path / "shard")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_manifests_of_a_hundred_random_shards(seed: int, tmp_path: Path) -> None:
    compare_manifests(seed, tmp_path / "shard")


def test_the_worked_example_of_the_format_page(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "format" / "snapshot.md").read_text(encoding="utf-8")
    expected = b"".join(bytes.fromhex(line) for line in re.findall(r"^((?:[0-9a-f]{2} ){12})", text, re.MULTILINE))
    header = Content("f", 16384, [(4096, 3)]).header()
    assert len(expected) == 48
    assert header[386 : 386 + 48] == expected
    assert (header[482], header[483:495]) == (0, b"00000040000\0")


@pytest.mark.parametrize("pieces", [0, 1, 3, 4, 5, 25, 26, 80])
def test_the_standard_library_reads_our_sparse_entries(pieces: int, tmp_path: Path) -> None:
    size = 100 * 1000
    stretches = [(number * 1000, 10) for number in range(pieces)]
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    with open(source, "r+b") as file:
        for offset, length in stretches:
            file.seek(offset)
            file.write(b"x" * length)
    target = tmp_path / "a.tar"
    with open(target, "w+b") as out, open(source, "rb") as file:
        writer = TarWriter(out.fileno())
        sparse = Content("n" * 150, size, stretches)
        places = [writer.reserve(sparse), *writer.reserve_archive("inner.tar", [Content("small", 5), sparse])]
        writer.fill(places[1], b"12345")
        writer.fill_from(places[2], sparse, file.fileno())
        writer.fill_from(places[0], sparse, file.fileno())
        writer.end()

    def read(data: bytes) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]

    found = read(target.read_bytes())
    assert found["n" * 150] == source.read_bytes()
    assert read(found["inner.tar"]) == {"small": b"12345", "n" * 150: source.read_bytes()}


@pytest.mark.parametrize("form", ["streamable", "regular"])
def test_what_the_first_operation_built_is_not_sent_again(form: Any, tmp_path: Path) -> None:
    """Version 0 is also that of a segment made of one large operation, which must not make every refresh a copy."""
    params = edgeshard.EdgeVectorParams(size=64, distance=edgeshard.Distance.Dot)
    optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=1)
    config = edgeshard.EdgeConfig(vectors=params, optimizers=optimizers)
    operations = edgeshard.UpdateOperation
    with EdgeShard.create(tmp_path / "shard", config) as shard:
        points = [edgeshard.Point(i, [float(i), *[1.0] * 63], {"n": i}) for i in range(3000)]
        shard.update(operations.upsert_points(points))
        shard.optimize()
        full = shard.create_snapshot(tmp_path / "full.snapshot", format=form)
        for mod in (edgeshard, qdrant_edge):
            mod.EdgeShard.unpack_snapshot(str(full.path), str(tmp_path / mod.__name__))
            mirror = mod.EdgeShard.load(str(tmp_path / mod.__name__))
            base = mirror.snapshot_manifest()
            shard.update(operations.set_payload(list(range(30)), {"by": mod.__name__}))
            part = shard.create_snapshot(tmp_path / "part.snapshot", format=form, base_manifest=base)
            assert part.size_bytes < full.size_bytes / 2  # the payload, which changed, is the rest
            mirror.update_from_snapshot(str(part.path))
            assert content(mirror) == content(shard)
            mirror.close()
