"""Files a flush replaces: in place if that is one sector, by a rename otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeshard
from edgeshard.storage.checkpoint import SECTOR_BYTES, overwrite

OLD = bytes(range(256)) * 8


@pytest.mark.parametrize("places", [(0,), (3, 500), (SECTOR_BYTES, 2 * SECTOR_BYTES - 1), (len(OLD) - 1,), ()])
def test_one_sector_is_written_in_place(places: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    inode = path.stat().st_ino
    new = bytearray(OLD)
    for place in places:
        new[place] ^= 1
    assert overwrite(path, bytes(new))
    assert path.read_bytes() == new
    assert path.stat().st_ino == inode


def changed_at(*places: int) -> bytes:
    new = bytearray(OLD)
    for place in places:
        new[place] ^= 1
    return bytes(new)


@pytest.mark.parametrize("new", [changed_at(511, 512), changed_at(0, 2000), OLD[:-1], OLD + b"x", b""])
def test_what_could_be_torn_is_left_alone(new: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    assert not overwrite(path, new)
    assert path.read_bytes() == OLD


def test_a_missing_file(tmp_path: Path) -> None:
    assert not overwrite(tmp_path / "file", OLD)
    assert not (tmp_path / "file").exists()


def test_a_flush_changes_the_version_in_place(tmp_path: Path) -> None:
    params = edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot)
    with edgeshard.EdgeShard.create(tmp_path, edgeshard.EdgeConfig(vectors=params)) as shard:
        inodes, contents = [], set()
        for number in range(3):
            shard.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(number, [1.0, 2.0])]))
            shard.flush()
            (file,) = (tmp_path / "segments").glob("*/segment.json")
            inodes.append(file.stat().st_ino)
            contents.add(file.read_bytes())
        assert inodes[1] == inodes[2]
        assert len(contents) == 3
