"""Every file of shards of several kinds is damaged in five ways; what ``repair`` leaves opens and is right, or its
report names what is lost. A repair that is killed is finished by the next."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from campaign import seeds, tell
from damaged_shards import copy, files_of, make_shard

import edgeshard
from edgeshard import EdgeShard

WAYS = ("truncate", "zero", "flip", "replace", "delete")
CHILD = Path(__file__).parent / "repaired_child.py"


def damage_file(shard: Path, name: Path, way: str, rng: random.Random) -> None:
    """Damage one file in one way; ``replace`` puts another file of the shard in its place."""
    path = shard / name
    size = path.stat().st_size
    used = min(size, max(1, path.stat().st_blocks * 512))
    if way == "delete":
        path.unlink()
    elif way == "replace":
        others = [other for other in files_of(shard) if other != name and other.name != name.name]
        path.write_bytes((shard / rng.choice(others)).read_bytes()[: 1 << 20])
    elif way == "truncate":
        with open(path, "r+b") as file:
            file.truncate(rng.randrange(used))
    else:
        with open(path, "r+b") as file:
            at = rng.randrange(used)
            file.seek(at)
            length = 1 if way == "flip" else min(size - at, 200)
            old = file.read(length)
            file.seek(at)
            file.write(bytes(length) if way == "zero" else bytes([old[0] ^ 1 << rng.randrange(8)]))


def make(kind: str, path: Path) -> None:
    """A shard of one of the kinds: ``plain``, ``rich``, ``bare`` (rich, without checksums), ``no-log``."""
    make_shard(edgeshard, path, points=60, rich=kind in ("rich", "bare"), wal=kind != "no-log")
    if kind == "bare":
        (path / "edgeshard.checksums").unlink()


def judge_all(kind: str, base: Path, cases: list[tuple[Path, str]], first: int = 0) -> list[str]:
    """``outcome file way detail`` of every case; each is repaired in a child with a memory limit and a watchdog.

    Args:
        kind: of the shard, which is made if it is not there.
        base: for the shards.
        cases: files and ways.
        first: number of the first case; the numbers make the choices.
    """
    source, lines = base / "source", []
    if not source.exists():
        make(kind, source)
    for start in range(0, len(cases), 50):
        part = cases[start : start + 50]
        text = "\n".join(f"{name}\t{way}" for name, way in part)
        command = [sys.executable, str(CHILD), str(source), str(base / "case"), str(first + start)]
        child = subprocess.run(command, input=text, capture_output=True, text=True, timeout=600)
        lines += child.stdout.splitlines()
        if child.returncode:
            lines.append(f"died({child.returncode}) {child.stderr[-500:]}")
    return lines


def all_cases(source: Path) -> list[tuple[Path, str]]:
    """Every file in every way, in the same order for all shards of a kind, whatever their segments are called."""

    def place(name: Path) -> tuple[bool, tuple[str, ...]]:
        if name.parts[0] != "segments":
            return False, name.parts
        return (source / Path(*name.parts[:2]) / "mutable_id_tracker.mappings").exists(), name.parts[2:]

    return [(name, way) for name in sorted(files_of(source), key=place) for way in WAYS]


BAD = ("died", "raised", "worse", "silent", "wrong")


@pytest.mark.parametrize("kind", ["plain", "bare"])
def test_some_files(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "source")
    cases = random.Random(kind).sample(all_cases(tmp_path / "source"), 12)
    lines = judge_all(kind, tmp_path, cases)
    assert len(lines) == 12
    broken = [line for line in lines if line.startswith(BAD)]
    if kind == "bare":  # nothing but a checksum tells a changed vector or deletion flag
        broken = [line for line in broken if not line.startswith("silent")]
    assert not broken, "\n".join(broken)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["plain", "no-log", "rich", "bare"])
def test_every_file(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "source")
    cases = all_cases(tmp_path / "source")
    chosen = seeds(0, len(cases))
    lines = judge_all(kind, tmp_path, cases[chosen.start : chosen.stop], chosen.start)
    tell(f"repair, {kind}, of {len(cases)}", (line.split()[0] for line in lines))
    broken = [line for line in lines if line.startswith(BAD)]
    if kind == "bare":
        broken = [line for line in broken if not line.startswith("silent")]
    assert not broken, "\n".join(broken)
    assert len(lines) < 100 or Counter(line.split()[0] for line in lines)["mended"] > 10


class Killed(BaseException):
    """The process dies here."""


class DyingDisk:
    """The disk, until some call changes it no more: the process is dead from there on."""

    def __init__(self, real: Any, calls: int) -> None:
        self._real, self._left, self.calls = real, calls, 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._real, name)

        def call(*arguments: Any, **settings: Any) -> Any:
            self.calls += 1
            if self._left >= 0 and self.calls > self._left:
                raise Killed
            return function(*arguments, **settings)

        return call


def killed_repair(path: Path, calls: int) -> int | None:
    """A repair that dies at a call of the disk; how many it made if it does not get there."""
    from edgeshard.storage import files

    real, dying = files.disk, DyingDisk(files.disk, calls)
    files.disk = dying  # type: ignore[assignment]
    try:
        EdgeShard.repair(path)
    except Killed:
        return None
    finally:
        files.disk = real
    return dying.calls


VICTIMS = (
    "segments/*/vector_index-d/links_compressed.bin",
    "segments/*/version.info",
    "edge_config.json",
    "wal/open-*",
)


def kill_repairs(victim: str, tmp_path: Path, moments: int) -> None:
    """Damage files, kill repairs at so many calls of the disk, and let another one finish."""
    source = tmp_path / "source"
    make_shard(edgeshard, source, points=60)
    for file in sorted(source.glob(victim)):
        file.write_bytes(b"\x07" * 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = tmp_path / "whole"
        copy(source, whole)
        total = killed_repair(whole, -1)
        assert total is not None
        with EdgeShard.load(whole) as shard:
            expected = shard.count(edgeshard.CountRequest())
        step = max(1, total // moments)
        for calls in [*range(0, total, step), total - 1]:
            path = tmp_path / "case"
            copy(source, path)
            killed_repair(path, calls)
            EdgeShard.repair(path)
            assert EdgeShard.check(path) == []
            with EdgeShard.load(path) as shard:
                assert shard.count(edgeshard.CountRequest()) == expected, f"killed at call {calls} of {total}"
            subprocess.run(["rm", "-rf", str(path)], check=True)


@pytest.mark.parametrize("victim", VICTIMS[:2])
def test_a_repair_that_is_killed(victim: str, tmp_path: Path) -> None:
    kill_repairs(victim, tmp_path, 4)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_repair_that_is_killed_at_any_call(victim: str, tmp_path: Path) -> None:
    kill_repairs(victim, tmp_path, 100)
