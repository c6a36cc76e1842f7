"""Coverage-guided fuzzing of all parsers for a while: ``make fuzz MINUTES=60``, or ``run.py MINUTES [TARGET...]``.

Every target gets the same share of the time, in slices, each in a process of its own under atheris (libFuzzer).
It starts from ``tests/fuzz/corpus``, which the bounded test and the sanitizer builds use too. Inputs that reach new
lines are collected in ``build/fuzz/corpus``; small ones are worth a copy in the repository. Inputs that end in an
exception nobody announced, a crash, a hang or 2 GiB of memory go to ``build/fuzz/found``, one per place in the code.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
CORPUS, WORK = HERE / "corpus", HERE.parent.parent / "build" / "fuzz"
FOUND = WORK / "found"
NAMES = (
    "segment-appendable", "segment-immutable", "wal", "root", "record", "journal", "checksums", "archive", "manifest",
    "text", "bits", "roaring",
)  # fmt: skip
HEAVY = ("segment-appendable", "segment-immutable")
"""Get several slices for one of the others: hundreds of files."""
SLICE_SECONDS = 60
SHARD = "EDGESHARD_FUZZ_SHARD"
LIMITS = ["-timeout=30", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"]


def fuzz(name: str) -> None:
    """Run one target in this process until libFuzzer ends it."""
    import atheris
    import targets

    scratch = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    known = os.environ.get(SHARD)
    target = targets.all_targets(Path(scratch.name), Path(known) if known else None)[name]
    FOUND.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()

    def one(data: bytes) -> None:
        try:
            targets.quietly(target, data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            signature = f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}"
            if signature not in seen:
                seen.add(signature)
                (FOUND / f"{name}.{signature}").write_bytes(data)

    collected = WORK / "corpus" / name
    collected.mkdir(parents=True, exist_ok=True)
    start = Path(scratch.name) / "seeds"
    start.mkdir()
    for seed in target.seeds:
        (start / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    for seed in target.seeds[::10]:
        one(seed)  # imports what is imported late
    for function in gc.get_objects():  # the hook for imports of atheris misses editable installs
        if isinstance(function, types.FunctionType) and (function.__module__ or "").startswith("edgeshard"):
            atheris.instrument_func(function)
    artifacts = FOUND / f"{name}.crash-"
    atheris.Setup(
        [
            sys.argv[0],
            *LIMITS,
            f"-artifact_prefix={artifacts}",
            *sys.argv[3:],
            str(collected),
            str(CORPUS / name),
            str(start),
        ],
        one,
    )
    atheris.Fuzz()


def campaign(minutes: float, names: list[str]) -> None:
    """Slices of all targets in turn; one line of JSON each."""
    import targets

    scratch = tempfile.TemporaryDirectory()
    os.environ[SHARD] = str(Path(scratch.name) / "shard")
    targets.make_shard(targets.edgeshard, Path(os.environ[SHARD]), points=targets.POINTS, rich=True)
    FOUND.mkdir(parents=True, exist_ok=True)
    turns = [name for name in names for _ in range(3 if name in HEAVY else 1)]
    stop, totals = time.monotonic() + minutes * 60, dict.fromkeys(names, 0)
    number = 0
    while time.monotonic() < stop:
        name = turns[number % len(turns)]
        number += 1
        command = [sys.executable, __file__, "--one", name, f"-max_total_time={SLICE_SECONDS}", f"-seed={number}"]
        began = time.monotonic()
        child = subprocess.run(command, capture_output=True, text=True, errors="replace")
        counts = re.findall(r"number_of_executed_units: (\d+)", child.stderr)
        totals[name] += int(counts[-1]) if counts else 0
        line = {
            "target": name,
            "seconds": round(time.monotonic() - began),
            "executions": int(counts[-1]) if counts else 0,
            "exit": child.returncode,
            "found": len(list(FOUND.iterdir())),
        }
        print(json.dumps(line), flush=True)
        if child.returncode:
            print(child.stderr[-3000:], flush=True)
    print(json.dumps({"total": totals, "executions": sum(totals.values())}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2])
    else:
        campaign(float(sys.argv[1]), sys.argv[2:] or list(NAMES))
