"""Pipes, sockets and links to nowhere in place of the files of a shard: an error that names them, never a hang."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_shards import copy_shard

import edgeshard as es
from edgeshard.storage.lock import HOLDER_FILE

OPS = es.UpdateOperation
TRY = """
import sys, warnings
from edgeshard import CorruptedError, EdgeShard
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    for call in (EdgeShard.load, lambda path: EdgeShard.load(path, read_only=True)):
        try:
            call(path)
        except CorruptedError as error:
            assert path in str(error), error
        else:
            raise AssertionError(path)
    assert any("neither a file nor a directory" in line for line in EdgeShard.check(path)), path
    try:
        done = EdgeShard.repair(path)
    except CorruptedError as error:
        assert "remove it" in str(error), error
        continue
    assert any("neither a file nor a directory" in line for line in done), done
    assert not any("neither" in line for line in EdgeShard.check(path)), path
print("done")
"""


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    here = os.open(path.parent, os.O_RDONLY)  # the path of a socket must be short
    server.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)
    server.close()


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("nothing-there")


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are bound by way of /proc")
@pytest.mark.parametrize("make", [pipe, bound, circle, nowhere])
def test_what_is_no_file_is_named_and_set_aside(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "shard"
    config = es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=4, distance=es.Distance.Euclid),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    with es.EdgeShard.create(path, config) as shard:
        rows = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
        shard.update(OPS.upsert_batch(np.arange(300, dtype=np.uint64), rows))
        shard.update(OPS.create_field_index("n", es.PayloadSchemaType.Integer))
        shard.optimize()
        shard.update(OPS.upsert_points([es.Point(1000, [1.0] * 4, {"n": 1})]))
    files = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    names = sorted({Path(name).name: name for name in files}.values())
    wanted = [HOLDER_FILE, *names[:: len(names) // 4]]
    shards = []
    for number, name in enumerate(wanted):
        copy = tmp_path / f"copy{number}"
        copy_shard(path, copy)
        (copy / name).unlink(missing_ok=True)
        make(copy / name)
        shards.append(str(copy))
    child = subprocess.run([sys.executable, "-c", TRY, *shards], capture_output=True, text=True, timeout=120)
    assert child.stdout == "done\n", child.stderr[-2000:]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("name", ["mutable_id_tracker.mappings", "mutable_id_tracker.versions", "edgeshard.journal",
                                  "bitmask.dat", "edgeshard.generation"])  # fmt: skip
def test_a_directory_in_place_of_a_file_is_named(tmp_path: Path, name: str, read_only: bool) -> None:
    path = tmp_path / "shard"
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=4, distance=es.Distance.Dot))
    with es.EdgeShard.create(path, config) as shard:
        shard.update(OPS.upsert_points([es.Point(1, [1.0] * 4)]))
    file = next(path.rglob(name), path / name)
    file.unlink(missing_ok=True)
    file.mkdir()
    if name == "edgeshard.generation" and not read_only:  # needed by nobody who has the shard for himself
        es.EdgeShard.load(path).close()
        return
    with pytest.raises(es.StorageError, match=str(file)):
        es.EdgeShard.load(path, read_only=read_only)
