"""A file system that is really full: updates raise ``StorageError``, reads go on, writing too once there is room.

Needs the right to mount; where that is missing the limit on file sizes of ``test_disk_full.py`` stands for it.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from campaign import seeds, tell

CHILD = Path(__file__).parent.parent / "support" / "full_tmpfs_child.py"


@contextmanager
def tmpfs(path: Path, size_bytes: int) -> Iterator[Path]:
    """An empty file system of a limited size."""
    path.mkdir(parents=True)
    options = f"size={size_bytes}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs, so a really full disk is NOT tested: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


def round_on_tmpfs(path: Path, seed: int, engine: str = "edgeshard") -> str:
    """Let a child fill a file system, free room in it and go on; what it reports."""
    rng = random.Random(seed)
    with tmpfs(path, rng.randint(8 << 20, 24 << 20)) as mounted:
        command = [sys.executable, "-X", "faulthandler", str(CHILD), engine, str(mounted), str(seed)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if child.returncode:
        return f"died({child.returncode}) {child.stderr[-1500:]}"
    return child.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
@pytest.mark.parametrize("seed", range(2))
def test_full_tmpfs(seed: int, tmp_path: Path) -> None:
    assert round_on_tmpfs(tmp_path / "fs", seed).startswith("resumed")


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_full_tmpfs(tmp_path: Path) -> None:
    outcomes = [round_on_tmpfs(tmp_path / "fs", seed) for seed in seeds(1000, 48)]
    tell("full tmpfs", [outcome.split()[0] for outcome in outcomes])
    assert all(outcome.startswith("resumed") for outcome in outcomes), "\n".join(outcomes)
