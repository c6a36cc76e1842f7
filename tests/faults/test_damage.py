"""Any file of a closed shard may be damaged: a clean error that names it, or right answers; never a crash."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from campaign import seeds, tell
from damaged_shards import make_shard

import edgeshard
from edgeshard import CorruptedError, EdgeShard

CHILD = Path(__file__).parent.parent / "support" / "damaged_shards.py"


def run_cases(
    engine: str, shard: Path, scratch: Path, first: int, count: int, *, verify: bool = False, bare: bool = False
) -> list[str]:
    """``outcome kind file detail`` of every case; a child that dies is started again behind the case.

    Args:
        engine: name of the module.
        shard: damaged in copies.
        scratch: for the copies.
        first: number of the first case.
        count: of cases.
        verify: compare every checksum.
        bare: without checksums.
    """
    lines: list[str] = []
    number, stop = first, first + count
    settings = {"EDGESHARD_TEST_VERIFY": "1" if verify else "0", "EDGESHARD_TEST_BARE": "1" if bare else "0"}
    environment = {**os.environ, **settings}
    while number < stop:
        folder = scratch / str(number)
        folder.mkdir(parents=True)
        command = [sys.executable, str(CHILD), engine, str(shard), str(folder), str(number), str(stop - number)]
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        cases: dict[int, str] = {}
        for line in child.stdout.splitlines():
            word, case, rest = line.split(" ", 2)
            if word == "case":
                number, cases[int(case)] = int(case), rest
            else:
                outcome, _, detail = rest.partition(" ")
                lines.append(f"{outcome} {cases.pop(int(case))} {detail}")
        assert cases or child.returncode == 0, child.stderr[-2000:]
        lines += [f"died({child.returncode}) {rest} {child.stderr[-300:]}" for rest in cases.values()]
        number += 1
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    return lines


BAD = ("died", "raised", "silent", "unnamed")


def bad(lines: list[str]) -> list[str]:
    """The cases that broke the promise."""
    return [line for line in lines if line.startswith(BAD)]


def test_damage(tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard")
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", 0, 120, verify=True)
    assert not bad(lines), "\n".join(bad(lines))
    assert Counter(line.split()[0] for line in lines)["refused"] > 20


def test_damage_without_checksums(tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard")
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", 3000, 60, bare=True)
    broken = [line for line in bad(lines) if not line.startswith("silent")]  # nothing tells a flipped bit of a vector
    assert not broken, "\n".join(broken)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A shard that the other engine wrote, without checksums."""
    (tmp_path / "foreign").mkdir()
    make_shard(qdrant_edge, tmp_path / "foreign")
    assert EdgeShard.check(tmp_path / "foreign") == []
    return tmp_path / "foreign"


@pytest.mark.parametrize("bits", [False, True])
def test_codes_of_lost_points_are_not_searched(bits: bool, tmp_path: Path) -> None:
    codes = qdrant_edge.BinaryQuantizationConfig() if bits else qdrant_edge.TurboQuantQuantizationConfig()
    vectors = qdrant_edge.EdgeVectorParams(16, qdrant_edge.Distance.Dot, quantization_config=codes)
    shard = qdrant_edge.EdgeShard.create(str(tmp_path), qdrant_edge.EdgeConfig(vectors=vectors))
    rows = np.random.default_rng(0).normal(size=(300, 16))
    points = [qdrant_edge.Point(number, row.tolist(), {}) for number, row in enumerate(rows)]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points[:1]))  # record 0 is always replayed
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
    shard.flush()
    shard.close()
    (mappings,) = tmp_path.glob("segments/*/mutable_id_tracker.mappings")
    mappings.write_bytes(mappings.read_bytes()[: 13 * 130])  # 13 bytes a point
    with pytest.warns(RuntimeWarning, match="300 vectors for 130 points"):
        opened = EdgeShard.load(tmp_path)
    with opened:
        left = [record.id for record in opened.scroll(edgeshard.ScrollRequest(limit=400))[0]]
        assert len(left) == 130
        for row in rows[::10]:
            found = opened.query(edgeshard.QueryRequest(query=edgeshard.Query.Nearest(row), limit=400))
            assert sorted(point.id for point in found) == left
        opened.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(700, 5 * rows[200])]))
        # Its bits are those of point 200, which may be left: both are found by them, and ranked by the originals.
        best = opened.query(edgeshard.QueryRequest(query=edgeshard.Query.Nearest(rows[200]), limit=3))
        assert best[0].id == 700


def test_lost_versions_are_told_without_checksums(foreign: Path) -> None:
    (file,) = foreign.glob("segments/*/mutable_id_tracker.versions")
    file.write_bytes(b"")
    with pytest.warns(RuntimeWarning, match=f"{file.name}: 300 points have no version"):
        EdgeShard.load(foreign).close()


@pytest.mark.parametrize("name", ["vector_storage-d/matrix.dat", "vector_storage-d/vectors/chunk_0.mmap"])
def test_vectors_of_cosine_are_looked_at_without_checksums(name: str, foreign: Path) -> None:
    (file,) = foreign.glob(f"segments/*/{name}")
    with open(file, "r+b") as opened:
        opened.seek(64 * 7)
        row = np.frombuffer(opened.read(64), np.float32)
        place = int(np.abs(row).argmax())  # a small one may change and leave the length what it is
        opened.seek(64 * 7 + 4 * place + 3)  # sign and exponent of the number
        opened.write(bytes([row.tobytes()[4 * place + 3] ^ 1]))
    (told,) = EdgeShard.check(foreign)
    assert "vector 'd' holds a row whose length is not one" in told


def test_a_foreign_shard_gets_checksums_when_it_is_closed(foreign: Path) -> None:
    EdgeShard.load(foreign).close()
    file = min(foreign.glob("segments/*/vector_storage-m/vectors/chunk_0.mmap"))
    with open(file, "r+b") as opened:
        opened.seek(40)
        opened.write(b"\x01")
    with pytest.raises(CorruptedError, match=file.name):
        EdgeShard.load(foreign)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("rich", [True, False])
def test_much_damage(rich: bool, tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard", rich=rich)
    cases = seeds(10_000, 1000)
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", cases.start, len(cases), verify=True)
    tell(f"damage, checksums, rich {rich}", (line.split()[0] for line in lines))
    assert not bad(lines), "\n".join(bad(lines))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("writer", ["edgeshard", "qdrant_edge"])
def test_much_damage_without_checksums(writer: str, tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    make_shard(importlib.import_module(writer), tmp_path / "shard", rich=True)
    cases = seeds(20_000, 500)
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", cases.start, len(cases), bare=True)
    tell(f"damage, no checksums, written by {writer}", (line.split()[0] for line in lines))
    broken = [line for line in bad(lines) if not line.startswith("silent")]
    assert not broken, "\n".join(broken)
