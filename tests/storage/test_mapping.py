"""Files with holes on a file system in memory: what is mapped is what the file holds, and looking takes no room."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeshard.storage import mapping
from edgeshard.storage.mapping import extents, in_memory, is_hole_from, map_file
from edgeshard.storage.overlay import PrivateFile

PAGE = 4096
MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and in_memory(MEMORY.stat().st_dev)):
        pytest.skip("no file system in memory that can be written to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


def sparse_file(path: Path, rng: random.Random) -> bytes:
    """A file of up to 200 pages and some bytes, most of them holes; its content."""
    size = rng.randint(1, 200) * PAGE + rng.choice([0, 1, 777])
    content = bytearray(size)
    with open(path, "wb") as file:
        file.truncate(size)
        for _ in range(rng.randint(0, 4)):
            at = rng.randrange(size)
            data = rng.randbytes(min(rng.choice([1, 5000, 70_000, 300_000]), size - at))
            file.seek(at)
            file.write(data)
            content[at : at + len(data)] = data
    return bytes(content)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("read_only", [True, False])
def test_the_content_is_that_of_the_file(folder: Path, seed: int, read_only: bool) -> None:
    rng, path = random.Random(seed), folder / "file"
    content = sparse_file(path, rng)
    blocks = path.stat().st_blocks
    with open(path, "rb") as file:
        mapped, _ = map_file(file.fileno(), read_only=read_only)
    assert bytes(mapped) == content
    assert path.stat().st_blocks == blocks  # no hole was filled by looking at it
    if not read_only:
        for _ in range(20):
            mapped[rng.randrange(len(content))] = 7
        assert path.read_bytes() == content
        assert path.stat().st_blocks == blocks


def mappings_of(path: Path) -> int:
    return sum(line.endswith(str(path)) for line in Path("/proc/self/maps").read_text().splitlines())


def test_what_a_file_holds_is_mapped_and_let_go(folder: Path) -> None:
    path = folder / "file"
    with open(path, "wb") as file:
        file.truncate(1000 * PAGE)
        file.seek(300 * PAGE)
        file.write(b"x" * (200 * PAGE))
    private = PrivateFile(path)
    assert mappings_of(path) == 1
    assert private.array[300 * PAGE : 500 * PAGE].tobytes() == b"x" * (200 * PAGE)
    part = private.array[400 * PAGE : 401 * PAGE]
    private.close()
    assert part.tobytes() == b"x" * PAGE  # a view keeps what it shows
    del part
    assert mappings_of(path) == 0


def test_parts_that_cannot_be_mapped_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sparse_file(folder / "file", random.Random(3))
    monkeypatch.setattr("edgeshard.storage.mapping._map_into", lambda *_, **__: False)
    with open(folder / "file", "rb") as file:
        mapped, _ = map_file(file.fileno(), read_only=True)
    assert bytes(mapped) == content
    assert mappings_of(folder / "file") == 0


def test_the_hole_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open(path, "wb") as file:
        file.write(b"x" * 10_000)
        file.truncate(1 << 20)
    with open(path, "rb") as file:
        found = list(extents(file.fileno(), 1 << 20))
        assert found[0][0] == 0
        assert not is_hole_from(file.fileno(), 0)
        assert not is_hole_from(file.fileno(), 9_999)
        assert is_hole_from(file.fileno(), found[-1][1]) or found[-1][1] == 1 << 20


def test_a_disk_needs_no_look_at_the_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 1 0:77 / /a rw - tmpfs none rw\n2 1 0:78 / /b rw - overlay none rw\n3 1 8:1 / /c rw - tmpfs x rw\n"
    )
    monkeypatch.setattr(mapping, "_MOUNTS", str(mounts))
    assert in_memory(os.makedev(0, 77))
    assert not in_memory(os.makedev(0, 78))
    assert not in_memory(os.makedev(8, 1))
