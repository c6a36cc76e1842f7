"""Unpacking, applying and creating snapshots of 30,000 x 384, beside qdrant-edge-py and tar.

Ours check the whole archive first, and apply and create are durable when they return; so is "unpack, durable". The
others are neither. Not shown: networks, and disks slower than this machine's.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import qdrant_edge

import edgeshard
from harness import Table, load_pypi, scratch

ROUNDS = 5
MEMORY = """
import sys, edgeshard
def status(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
shard = edgeshard.EdgeShard.load(sys.argv[1])
shard.count(edgeshard.CountRequest())
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = status("VmRSS")
if sys.argv[2] == "unpack": edgeshard.EdgeShard.unpack_snapshot(sys.argv[3], sys.argv[4])
if sys.argv[2] == "apply": shard.update_from_snapshot(sys.argv[3])
if sys.argv[2] == "create": shard.create_snapshot(sys.argv[4])
print(status("VmHWM") - before)
"""


def points(mod: Any, vectors: Any, payloads: list[dict[str, Any]], chosen: range) -> Any:
    return mod.UpdateOperation.upsert_points(
        [mod.Point(int(payloads[i]["id"]), vectors[i], payloads[i]) for i in chosen]
    )


def build(path: Path, vectors: Any, payloads: list[dict[str, Any]]) -> None:
    """An optimised shard with a graph, made by the other engine."""
    params = qdrant_edge.EdgeVectorParams(size=vectors.shape[1], distance=qdrant_edge.Distance.Cosine)
    shard = qdrant_edge.EdgeShard.create(str(path), qdrant_edge.EdgeConfig(vectors=params))
    for start in range(0, len(vectors), 1000):
        shard.update(points(qdrant_edge, vectors, payloads, range(start, min(start + 1000, len(vectors)))))
    shard.optimize()
    shard.close()


def timed(prepare: Callable[[], Any], work: Callable[[Any], Any]) -> float:
    """Milliseconds of ``work`` on what ``prepare`` gives."""
    argument = prepare()
    os.sync()  # what the one before left for the disk is not charged to this one
    started = time.perf_counter()
    work(argument)
    return (time.perf_counter() - started) * 1e3


def compare(table: Table, what: str, target: str, *pairs: tuple[Callable[[], Any], Callable[[Any], Any]]) -> None:
    """Time ours and theirs in turn."""
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for (prepare, work), found in zip(pairs, times, strict=True):
            found.append(timed(prepare, work))
    ours, theirs = map(statistics.median, times)
    table.row(what, ours, theirs, "ms", target)


def measure_unpack(table: Table, root: Path, archives: dict[str, Path]) -> None:
    """Both engines, streamable and regular."""

    def gone(path: Path) -> Path:
        shutil.rmtree(path, ignore_errors=True)
        return path

    for name, archive in archives.items():
        theirs = (
            lambda: gone(root / "theirs"),
            lambda path, a=archive: qdrant_edge.EdgeShard.unpack_snapshot(str(a), str(path)),
        )
        for durable in (False, True):
            unpack = partial(edgeshard.EdgeShard.unpack_snapshot, archive, durable=durable)
            what = f"unpack, {name}{', durable' if durable else ''}"
            compare(table, what, "" if durable else ">= 1x", (lambda: gone(root / "ours"), unpack), theirs)


def measure_apply(table: Table, root: Path, full: Path, changes: Path) -> None:
    """A full and a partial archive, each to a fresh copy of the mirror."""
    for name, archive in (("full", full), ("partial", changes)):
        opened: list[Any] = []

        def fresh(mod: Any, opened: list[Any] = opened) -> Any:
            while opened:
                opened.pop().close()
            path = root / f"mirror-{mod.__name__}"
            shutil.rmtree(path, ignore_errors=True)
            qdrant_edge.EdgeShard.unpack_snapshot(str(full), str(path))
            opened.append(mod.EdgeShard.load(str(path)))
            return opened[-1]

        compare(
            table,
            f"apply, {name}",
            ">= 1x",
            (lambda: fresh(edgeshard), lambda shard, a=archive: shard.update_from_snapshot(str(a))),
            (lambda: fresh(qdrant_edge), lambda shard, a=archive: shard.update_from_snapshot(str(a))),
        )
        while opened:
            opened.pop().close()


def measure_create(table: Table, root: Path, shard: edgeshard.EdgeShard) -> None:
    """Ours, durable, beside ``tar`` alone and followed by ``sync`` and ``sha256sum``."""
    target, tarball = root / "created.snapshot", root / "created.tar"
    tar = f"tar --sparse -cf {tarball} -C {shard.path} segments"

    def gone(path: Path) -> Path:
        path.unlink(missing_ok=True)
        return path

    def with_digest(path: Path) -> str:
        return shard.create_snapshot(path).sha256

    for what, ours, command in (
        ("create, beside tar", shard.create_snapshot, tar),
        (
            "create and digest, beside tar, sync, sha256sum",
            with_digest,
            f"{tar} && sync {tarball} && sha256sum {tarball}",
        ),
    ):
        theirs = partial(subprocess.run, command, shell=True, check=True, capture_output=True)
        compare(
            table,
            what,
            ">= 1x",
            (lambda: gone(target), ours),
            (lambda: gone(tarball), lambda _, run=theirs: run()),
        )


def measure_memory(table: Table, root: Path, mirror: Path, full: Path) -> None:
    """Peak memory beyond what it takes to have the shard open."""
    for what in ("unpack", "create", "apply"):
        target = root / f"memory-{what}"
        command = [sys.executable, "-c", MEMORY, str(mirror), what, str(full), str(target)]
        grown = float(subprocess.check_output(command))
        table.row(f"memory of {what}, limit 64 MB", max(grown, 0.01), 64.0, "MB", ">= 1x")


def main() -> None:
    vectors, payloads, _ = load_pypi()
    table = Table("snapshots")
    with scratch() as folder:
        root = Path(folder)
        build(root / "server", vectors, payloads)
        shard = edgeshard.EdgeShard.load(root / "server")
        archives = {}
        for layout in ("streamable", "regular"):
            archives[layout] = shard.create_snapshot(root / f"{layout}.snapshot", format=layout).path
        edgeshard.EdgeShard.unpack_snapshot(archives["streamable"], root / "mirror")
        base = shard.snapshot_manifest()
        shard.update(points(edgeshard, vectors, payloads, range(0, len(vectors), 100)))
        changes = shard.create_snapshot(root / "partial.snapshot", base_manifest=base)
        full = shard.create_snapshot(root / "full.snapshot")
        share = 100 * changes.size_bytes / full.size_bytes
        table.row("partial after 1 % of the points, % of full", share, 100.0, "%", ">= 5x")
        measure_unpack(table, root, archives)
        measure_apply(table, root, archives["streamable"], changes.path)
        measure_create(table, root, shard)
        shard.close()
        measure_memory(table, root, root / "mirror", archives["streamable"])
    table.save()


if __name__ == "__main__":
    main()
