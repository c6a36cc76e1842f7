"""Readers in other processes see whole flushes, never halves, and never hold the writer up."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from history import History, Killed, live, record
from simulated_disk import dying_disk
from workload import Layout, assert_same, carry_out, dump, random_update, same

import edgeshard
from edgeshard import CorruptedError, EdgeShard

READER = """
import sys
import edgeshard
from edgeshard import EdgeShard, ScrollRequest
shard = EdgeShard.load(sys.argv[1], read_only=True)
print("open", flush=True)
seen, states = -1, 0
for line in sys.stdin:
    pass_on = shard.refresh()
    records, _ = shard.scroll(ScrollRequest(limit=100_000, with_payload=True, with_vector=True))
    rounds = {record.payload["round"] for record in records}
    assert len(rounds) == 1, rounds
    (number,) = rounds
    assert all(record.vector == [float(number)] * 8 for record in records)
    assert number >= seen
    states += number > seen
    seen = number
    print(number, flush=True)
"""


def small_shard(path: Path) -> EdgeShard:
    size = edgeshard.EdgeVectorParams(size=8, distance=edgeshard.Distance.Dot)
    return EdgeShard.create(path, edgeshard.EdgeConfig(vectors={"": size}))


def write_round(shard: EdgeShard, number: int) -> None:
    points = [edgeshard.Point(i, [float(number)] * 8, {"round": number, "pad": "x" * 50}) for i in range(200)]
    shard.update(edgeshard.UpdateOperation.upsert_points(points))


def test_readers_see_whole_flushes(tmp_path: Path) -> None:
    shard = small_shard(tmp_path / "shard")
    write_round(shard, 0)
    shard.flush()
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", READER, str(tmp_path / "shard")]
    readers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            write_round(shard, number)
            shard.flush()
            if number % 20 == 0:
                shard.optimize()
            stop.wait(0.01)

    writer = threading.Thread(target=write)
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
    writer.start()
    seen: list[set[int]] = [set(), set()]
    deadline = time.monotonic() + 60
    while min(map(len, seen)) <= 3 and time.monotonic() < deadline:
        for place, reader in enumerate(readers):
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write("\n")
            reader.stdin.flush()
            seen[place].add(int(reader.stdout.readline()))
    stop.set()
    writer.join()
    for reader in readers:
        reader.communicate("")
        assert reader.returncode == 0
    assert all(len(numbers) > 3 for numbers in seen)
    shard.close()


def test_files_missing_while_segments_are_exchanged_are_no_damage(tmp_path: Path) -> None:
    config = edgeshard.EdgeConfig(vectors=edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot))
    with EdgeShard.create(tmp_path, config) as shard:
        shard.flush()
        path = tmp_path / "edgeshard.generation"
        path.write_bytes((7).to_bytes(8, "little"))  # odd
        segment = next(tmp_path.glob("segments/*/segment.json"))
        content = segment.read_bytes()
        segment.unlink()
        threading.Timer(0.3, segment.write_bytes, [content]).start()
        EdgeShard.load(tmp_path, read_only=True).close()
        segment.unlink()
        with pytest.raises(edgeshard.CorruptedError, match=r"segment\.json"):  # nobody ends this
            EdgeShard.load(tmp_path, read_only=True)
        segment.write_bytes(content)


def test_what_was_not_flushed_is_not_seen(tmp_path: Path) -> None:
    with small_shard(tmp_path / "shard") as shard:
        write_round(shard, 1)
        shard.flush()
        write_round(shard, 2)
        with EdgeShard.load(tmp_path / "shard", read_only=True) as reader:
            assert reader.retrieve([3])[0].payload == {"round": 1, "pad": "x" * 50}
            assert not reader.refresh()
            shard.flush()
            assert reader.refresh()
            assert reader.retrieve([3])[0].payload == {"round": 2, "pad": "x" * 50}


def test_nothing_can_be_changed(tmp_path: Path) -> None:
    small_shard(tmp_path / "shard").close()
    reader = EdgeShard.load(tmp_path / "shard", read_only=True)
    before = sorted(os.listdir(tmp_path / "shard"))
    for call in (reader.flush, reader.optimize, lambda: write_round(reader, 1)):
        with pytest.raises(edgeshard.ReadOnlyError):
            call()
    reader.close()
    with pytest.raises(edgeshard.ClosedError):
        reader.info()
    assert sorted(os.listdir(tmp_path / "shard")) == before


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[max(range(len(content)), key=content.__getitem__)] ^= 4
    file.write_bytes(content)


def test_damage_that_checksums_tell_is_not_read(tmp_path: Path) -> None:
    shard = small_shard(tmp_path / "shard")
    write_round(shard, 3)
    shard.close()
    (file,) = (tmp_path / "shard").glob("segments/*/vector_storage/vectors/chunk_0.mmap")
    damage(file)
    for verify in ("fast", "full"):
        with pytest.raises(CorruptedError, match=r"chunk_0\.mmap"):
            EdgeShard.load(tmp_path / "shard", read_only=True, verify=verify)  # type: ignore[call-overload]
    EdgeShard.load(tmp_path / "shard", read_only=True, verify=None).close()


def test_a_refresh_tells_damage_and_shows_what_it_showed(tmp_path: Path) -> None:
    shard = small_shard(tmp_path / "shard")
    write_round(shard, 3)
    shard.flush()
    with EdgeShard.load(tmp_path / "shard", read_only=True) as reader:
        write_round(shard, 4)
        shard.close()
        (file,) = (tmp_path / "shard").glob("segments/*/vector_storage/vectors/chunk_0.mmap")
        damage(file)
        with pytest.raises(CorruptedError):
            reader.refresh()
        (record,) = reader.retrieve([7])
        assert record.payload["round"] == 3  # type: ignore[index]


def test_a_damaged_index_is_left_out_with_a_warning(tmp_path: Path) -> None:
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(size=8, distance=edgeshard.Distance.Dot),
        optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1),
    )
    with EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(edgeshard.UpdateOperation.create_field_index("round", edgeshard.PayloadSchemaType.Integer))
        write_round(shard, 3)
        assert shard.optimize()
    for pattern in ("segments/*/payload_index/round-*/*.bin", "segments/*/vector_index/links*.bin"):
        for file in (tmp_path / "shard").glob(pattern):
            if any(file.read_bytes()):
                damage(file)
    condition = edgeshard.FieldCondition("round", match=edgeshard.MatchValue(3))
    with pytest.warns(RuntimeWarning, match="rebuilt"):
        reader = EdgeShard.load(tmp_path / "shard", read_only=True, verify="full")
    with reader:
        assert reader.count(edgeshard.CountRequest(filter=edgeshard.Filter(must=[condition]))) == 200
        query = edgeshard.Query.Nearest([1.0] * 8)
        assert len(reader.query(edgeshard.QueryRequest(query=query, limit=10))) == 10
    assert EdgeShard.check(tmp_path / "shard")  # nothing was changed


def test_a_read_only_directory(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with small_shard(path) as shard:
        write_round(shard, 1)
        shard.optimize()
        write_round(shard, 2)
    changed = {entry: entry.stat().st_mode for entry in [path, *path.rglob("*")]}
    for entry, mode in changed.items():
        entry.chmod(mode & ~0o222)
    try:
        with EdgeShard.load(path, read_only=True) as reader:
            assert reader.count(edgeshard.CountRequest()) == 200
    finally:
        for entry, mode in changed.items():
            entry.chmod(mode)


@pytest.mark.skipif(sys.platform != "linux", reason="bind mounts are of Linux")
def test_a_read_only_file_system(tmp_path: Path) -> None:
    with small_shard(tmp_path / "shard") as shard:
        write_round(shard, 1)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    mount = ["mount", "--bind", str(tmp_path / "shard"), str(mounted)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount, so a read-only file system is NOT tested: {done.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(mounted)], check=True)
        with EdgeShard.load(mounted, read_only=True) as reader:
            assert reader.count(edgeshard.CountRequest()) == 200
            assert not reader.refresh()
        with pytest.raises(edgeshard.StorageError, match="Read-only file system"):
            EdgeShard.create(
                mounted / "another", edgeshard.EdgeConfig(vectors=edgeshard.EdgeVectorParams(4, edgeshard.Distance.Dot))
            )
        assert EdgeShard.check(mounted) == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


HOLDER = """
import sys, time
from edgeshard import EdgeShard
with EdgeShard.load(sys.argv[1]) as shard:
    print("open", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    with small_shard(tmp_path / "shard") as shard:
        write_round(shard, 1)
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "shard"), "1"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(edgeshard.LockedError, match=rf"process {holder.pid} on host \S+ since \d{{4}}-"):
        EdgeShard.load(tmp_path / "shard")
    with EdgeShard.load(tmp_path / "shard", read_only=True) as reader:
        assert reader.count(edgeshard.CountRequest()) == 200
    with EdgeShard.load(tmp_path / "shard", wait=60) as shard:
        assert shard.count(edgeshard.CountRequest()) == 200
    assert holder.wait() == 0
    holder.stdout.close()


@pytest.mark.parametrize("seed", range(3))
def test_after_a_kill_readers_see_a_flush(seed: int, tmp_path: Path) -> None:
    whole = record_of(tmp_path / "whole", seed)
    rng = random.Random(seed)
    for number in range(6):
        path = tmp_path / f"killed-{number}"
        killed = History(dying_disk(rng.randint(60, 300), "half"))
        try:
            live(killed, path, seed, wal=True, updates=20, dumps=False)
        except Killed:
            if not killed.marks:
                continue
        with EdgeShard.load(path, read_only=True) as reader:
            found: dict[Any, Any] = dump(edgeshard, reader)
        assert any(found.keys() == older.keys() and all(same(found[k], older[k]) for k in found)
                   for older in whole.contents[killed.flushed : killed.started + 1])  # fmt: skip


def record_of(base: Path, seed: int) -> History:
    base.mkdir()
    return record(base, seed, wal=True, updates=20)


@pytest.mark.parametrize("seed", range(4))
def test_readers_read_what_the_writer_reads(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    layout = Layout(rng)
    with EdgeShard.create(tmp_path / "shard", layout.config(edgeshard)) as shard:
        reader = EdgeShard.load(tmp_path / "shard", read_only=True)
        for number in range(30):
            carry_out(edgeshard, shard, random_update(rng, layout))
            if number % 10 == 5:
                shard.optimize()
            if number % 6 == 0:
                shard.flush()
                reader.refresh()
                assert_same(dump(edgeshard, reader), dump(edgeshard, shard))
        reader.close()
