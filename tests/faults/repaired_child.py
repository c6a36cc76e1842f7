"""A process that damages copies of a shard, checks and repairs them, and says what came of each.

Usage: repaired_child.py SHARD COPY FIRST < "FILE<tab>WAY" lines. One line a case, ``outcome file way detail``:

* ``harmless``: nothing was found, and contents and answers are right; ``mended``: something was, and they are;
* ``lost``: contents are missing, and the report says so; ``refused``: the repair raised an error of the package;
* ``silent``: other contents without a word; ``worse``: less is there than a load of the damaged shard shows, without a
  word; ``wrong``: the check finds something after the repair that its report does not name, or names no file of the
  shard; ``raised``: another error.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from damaged_shards import RestoredCopy, answers, copy, wait_for_no_sync
from test_repair_every_file import damage_file
from workload import same

import edgeshard
from edgeshard import EdgeShard, EdgeShardError

TELLS_LOSS = ("LOST", "lost", "left out", "cannot be rebuilt", "still wrong", "damaged")


def contents(path: Path) -> list[Any] | None:
    """Everything a shard says, None if it does not open or cannot be read."""
    try:
        with EdgeShard.load(path) as shard:
            return answers(edgeshard, shard)
    except EdgeShardError:
        return None


def judge(path: Path, again: Callable[[], Path], expected: list[Any]) -> tuple[str, str]:
    """Check and repair one damaged shard; the outcome and a detail.

    Args:
        path: the shard.
        again: makes the same damaged shard once more, elsewhere.
        expected: everything it said before.
    """
    try:
        found = EdgeShard.check(path)
        done = EdgeShard.repair(path)
    except EdgeShardError as error:
        return "refused", f"{type(error).__name__}: {error}"
    except Exception as error:
        return "raised", f"{type(error).__name__}: {error}"
    left = [line for line in done if line.startswith("still wrong")]
    after_check = EdgeShard.check(path)
    after = contents(path)
    report = "; ".join([*found, *done])
    if "edgeshard-reader-" in report:
        return "wrong", f"names a copy that is gone: {report}"
    if len(after_check) > len(left):
        return "wrong", f"{after_check} after {done}"
    if after is None:
        return ("lost", report) if left else ("silent", f"does not open: {report}")
    if same(after, expected):
        return ("mended" if found or done else "harmless"), report
    told = any(word in report for word in TELLS_LOSS)
    if told:
        return "lost", report
    before = contents(again())
    return ("worse" if before is not None and len(before[0]) > len(after[0]) else "silent"), report


def main() -> None:
    warnings.simplefilter("ignore")
    source, case = Path(sys.argv[1]), Path(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    wait_for_no_sync()
    copied, before = RestoredCopy(source, case), case.with_name("before")
    expected = contents(case)
    assert expected is not None
    for number, line in enumerate(sys.stdin.read().splitlines(), int(sys.argv[3])):
        name, _, way = line.partition("\t")

        def again(name: str = name, way: str = way, number: int = number) -> Path:
            copy(source, before)
            damage_file(before, Path(name), way, random.Random(number))
            return before

        copied.restore()
        damage_file(case, Path(name), way, random.Random(number))
        signal.alarm(60)
        outcome, detail = judge(case, again, expected)
        signal.alarm(0)
        shutil.rmtree(before, ignore_errors=True)
        print(outcome, name, way, detail.replace("\n", " ").replace(str(case), ""), flush=True)
    shutil.rmtree(case)


if __name__ == "__main__":
    main()
