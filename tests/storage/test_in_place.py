"""Numbers that grow in small files: byte by byte where they stand, or by a rename."""

from __future__ import annotations

import json
import random
import shutil
import warnings
import zlib
from pathlib import Path

import pytest
from simulated_disk import Killed, dying_disk

import edgeshard
from edgeshard.storage import files, journal
from edgeshard.storage.files import Disk
from edgeshard.storage.in_place import SECTOR_BYTES, contents, overwrite, steps


def document(number: int, *, pad: int = 0) -> bytes:
    return b'{"initial":3,' + b" " * pad + b'"version":%d,"config":{"m":16}}' % number


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [
        (19, 20, [b"1 ", b"2 "]),
        (1299, 1300, [b"129 ", b"12  ", b"13  ", b"130 "]),
        (1999, 2000, [b"199 ", b"19  ", b"1   ", b"2   ", b"20  ", b"200 "]),
        (12934, 13044, [b"1293 ", b"129  ", b"12   ", b"13   ", b"130  ", b"1304 "]),
        (7, 8, []),
        (105, 205, []),
        (20, 20, []),
    ],
)
def test_the_contents_on_the_way(before: int, after: int, between: list[bytes]) -> None:
    found = contents(document(before), document(after))
    ends = [b"%d" % before] if before == after else [b"%d" % before, b"%d" % after]
    expected = [ends[0], *between, *ends[1:]]
    assert found == [document(before).replace(b"%d" % before, number) for number in expected]


def test_no_content_on_the_way_is_what_another_engine_writes() -> None:
    rng = random.Random(5)
    for _ in range(2000):
        digits = rng.randint(1, 12)
        before, after = sorted(rng.randint(10 ** (digits - 1), 10**digits - 1) for _ in range(2))
        for content in contents(document(before), document(after))[1:-1]:
            value = json.loads(content)
            assert content != json.dumps(value, separators=(",", ":")).encode()
            assert 0 <= value["version"] <= after
            assert {**value, "version": after} == json.loads(document(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (document(9), document(10)),
        (document(19), document(19, pad=1)),
        (b'{"a":19,"b":19}', b'{"a":20,"b":20}'),
        (b'{"a":"xy"}', b'{"a":"zz"}'),
        (b'{"a":"x1"}', b'{"a":"y2"}'),
        (document(19, pad=SECTOR_BYTES - 24), document(20, pad=SECTOR_BYTES - 24)),
        (document(19), b""),
    ],
)
def test_what_could_be_mistaken_is_left_alone(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(before)
    assert steps(before, after) is None
    assert contents(before, after) == [before, after]
    assert not overwrite(path, after)
    assert path.read_bytes() == before


def test_a_number_across_two_sectors_is_the_one_left_alone() -> None:
    at = document(19, pad=SECTOR_BYTES - 24).index(b"19")
    assert at == SECTOR_BYTES - 1


@pytest.mark.parametrize(("before", "after"), [(19, 20), (7, 8), (123, 123), (1234, 9876)])
def test_a_number_is_changed_where_it_stands(before: int, after: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(document(before))
    inode = path.stat().st_ino
    assert overwrite(path, document(after))
    assert path.read_bytes() == document(after)
    assert path.stat().st_ino == inode


def test_a_missing_file(tmp_path: Path) -> None:
    assert not overwrite(tmp_path / "file", document(1))
    assert not (tmp_path / "file").exists()


def shard_at(path: Path, updates: int) -> edgeshard.EdgeShard:
    """A shard whose segment.json has been flushed at version ``updates - 1``, and that has one more update."""
    params = edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot)
    shard = edgeshard.EdgeShard.create(path, edgeshard.EdgeConfig(vectors=params))
    for number in range(updates):
        shard.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(number, [1.0, 2.0])]))
    shard.flush()
    shard.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(updates, [1.0, 2.0])]))
    return shard


def segment_file(path: Path) -> Path:
    (file,) = (path / "segments").glob("*/segment.json")
    return file


@pytest.mark.parametrize("updates", [20, 100, 200])
def test_a_flush_changes_the_version_where_it_stands(updates: int, tmp_path: Path) -> None:
    with shard_at(tmp_path / "shard", updates) as shard:
        before, inode = segment_file(shard.path).read_bytes(), segment_file(shard.path).stat().st_ino
        assert json.loads(before)["version"] == updates - 1
        shard.flush()
        assert json.loads(segment_file(shard.path).read_bytes())["version"] == updates
        changed_in_place = len(str(updates)) == len(str(updates - 1))
        assert (segment_file(shard.path).stat().st_ino == inode) == changed_in_place


@pytest.mark.parametrize("style", ["before", "after", "half"])
def test_death_at_every_call_of_a_flush_that_carries(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of 199 -> 200 is in the file, the journal is recognised and finishes the flush."""
    seen = set()
    for at in range(1000):
        path = tmp_path / f"shard-{at}"
        shard = shard_at(path, 200)
        monkeypatch.setattr(files, "disk", dying_disk(at, style))
        try:
            shard.flush()
            break
        except Killed:
            pass
        finally:
            monkeypatch.setattr(files, "disk", Disk())
        copy = tmp_path / "copy"
        shutil.copytree(path, copy)
        shard.close()
        seen.add(zlib.crc32(segment_file(copy).read_bytes()))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with edgeshard.EdgeShard.load(copy) as again:
                assert again.count(edgeshard.CountRequest()) == 201
        assert not (copy / journal.NAME).exists()
        shutil.rmtree(copy)
    else:
        raise AssertionError("the flush has more calls than that")
    assert len(seen) == 6  # 199, "19 ", "1  ", "2  ", "20 ", 200


def test_a_number_that_the_journal_does_not_know_is_another_engines(tmp_path: Path) -> None:
    shard = shard_at(tmp_path / "shard", 20)
    shard.flush()
    copy = tmp_path / "copy"
    shutil.copytree(shard.path, copy)
    shard.close()
    file = segment_file(copy)
    file.write_bytes(file.read_bytes().replace(b'"version":20', b'"version":29'))
    with pytest.warns(RuntimeWarning, match="another program has changed"):
        edgeshard.EdgeShard.load(copy).close()
