"""Any file of a closed shard may be damaged: a clean error that names it, or right answers; never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from damaged_shards import make_shard

import edgeshard

CHILD = Path(__file__).parent.parent / "support" / "damaged_shards.py"


def run_cases(engine: str, shard: Path, scratch: Path, first: int, count: int, verify: bool = False) -> list[str]:
    """``outcome kind file detail`` of every case; a child that dies is started again behind the case."""
    lines: list[str] = []
    number, stop = first, first + count
    environment = {**os.environ, "EDGESHARD_TEST_VERIFY": "1" if verify else "0"}
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


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_much_damage(tmp_path: Path) -> None:
    make_shard(edgeshard, tmp_path / "shard")
    lines = run_cases("edgeshard", tmp_path / "shard", tmp_path / "scratch", 1000, 2000, verify=True)
    assert not bad(lines), "\n".join(bad(lines))
