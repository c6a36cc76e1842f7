"""The fault harness turned on qdrant-edge-py, for the second column of docs/reliability.md.

Usage: oracle_faults.py kill|power|full|damage|input COUNT [FIRST]. Everything that may crash or hang runs in children
with time limits. Prints how often each outcome came up, and one line per outcome that breaks a promise.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("support", "crash", "faults")]

CHILD_SECONDS = 60


def as_edgeshard() -> Any:
    """Let ``import edgeshard`` give the other engine, for test modules that take no other."""
    import qdrant_edge

    shim = types.ModuleType("edgeshard")
    shim.__dict__.update({name: value for name, value in vars(qdrant_edge).items() if not name.startswith("__")})
    for name in ("EdgeShardError", "StorageError"):
        setattr(shim, name, Exception)
    sys.modules["edgeshard"] = shim
    return shim


# --- process death -------------------------------------------------------------------------------------


def kill(count: int, first: int, base: Path) -> Counter[str]:
    """Rounds of ``test_process_kill``: killed at a random instant, then compared with a shard nobody killed."""
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + count):
        rng = random.Random(seed)
        wal, seconds = rng.random() < 0.6, rng.uniform(0.0, 0.25)
        path = base / str(seed)
        path.mkdir()
        done, flushed = killed(path, seed, wal, seconds)
        command = [
            sys.executable,
            __file__,
            "judge",
            str(path),
            str(seed),
            str(done if wal else flushed),
            str(done + 1),
        ]
        outcomes[("log: " if wal else "no log: ") + answer(command)] += 1
        shutil.rmtree(path)
    return outcomes


def killed(path: Path, seed: int, wal: bool, seconds: float) -> tuple[int, int]:
    """Let a child work until it is killed; updates that returned, and that were flushed."""
    command = [sys.executable, __file__, "work", str(path), str(seed), "wal" if wal else "bare"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "open"
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    last = {"ok": 0, "flushed": 0}
    for line in child.stdout.read().split("\n")[:-1]:
        word, _, number = line.partition(" ")
        last[word] = int(number)
    child.wait()
    return last["ok"], last["flushed"]


def work(path: Path, seed: int, wal: bool) -> None:
    """What ``killed_child`` does, with the other engine."""
    import qdrant_edge as mod
    from workload import Layout, carry_out, random_update

    rng, chores = random.Random(seed), random.Random(seed + 1)
    layout = Layout(rng)
    config = layout.config(mod) if wal else layout.config(mod, wal_enabled=False)
    shard = mod.EdgeShard.create(str(path), config)
    print("open", flush=True)
    for done in range(1, 100_000):
        carry_out(mod, shard, random_update(rng, layout))
        print(f"ok {done}\n", end="", flush=True)
        roll = chores.random()
        if roll < 0.10:
            shard.flush()
            print(f"flushed {done}\n", end="", flush=True)
        if 0.08 <= roll < 0.10:
            shard.close()
            shard = mod.EdgeShard.load(str(path))
        elif 0.10 <= roll < 0.12:
            shard.optimize()


def judge(path: Path, seed: int, least: int, most: int) -> str:
    """Whether the shard holds the state after some update within the promise."""
    import qdrant_edge as mod
    from workload import Layout, carry_out, dump, random_update

    rng = random.Random(seed)
    layout = Layout(rng)
    with tempfile.TemporaryDirectory() as scratch:
        model = mod.EdgeShard.create(scratch, layout.config(mod))
        contents: list[dict[Any, Any]] = [{}]
        for _ in range(most):
            carry_out(mod, model, random_update(rng, layout))
            contents.append(dump(mod, model))
        model.close()
    return compare(path, contents, least, most)


def compare(path: Path, contents: list[dict[Any, Any]], least: int, most: int) -> str:
    """Load a shard and compare it with what it held after each update."""
    import qdrant_edge as mod
    from workload import dump, same

    shard = mod.EdgeShard.load(str(path))
    found = dump(mod, shard)
    for key, value in (("n", 3), ("k", "red")):
        condition = mod.FieldCondition(key=key, match=mod.MatchValue(value))
        counted = shard.count(mod.CountRequest(filter=mod.Filter(must=[condition]), exact=True))
        if counted != sum(type(p.get(key)) is type(value) and p.get(key) == value for _, p in found.values()):
            return "filters disagree with payloads"
    shard.close()
    for number in range(least, most + 1):
        if found.keys() == contents[number].keys() and all(same(found[i], contents[number][i]) for i in found):
            return "ok"
    known = contents[least : most + 1]
    torn = any(not any(i in state and same(found[i], state[i]) for state in known) for i in found)
    return "torn or lost points" if torn else "updates lost, or out of order"


# --- power loss ----------------------------------------------------------------------------------------

STATES = 12
"""Moments of each history at which the power goes."""


def power(count: int, first: int, base: Path) -> Counter[str]:
    """Histories of ``test_recorded_power_loss``, without snapshots, every second one without a log."""
    from recorded_disk import compile_recorder, run_recorded
    from simulated_disk import PowerLoss, crash_points
    from test_recorded_power_loss import STYLES, bounds

    library = compile_recorder(base)
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + count):
        rng, wal = random.Random(seed + 2), seed % 2 == 0
        live, contents, target = base / "live", base / "contents", base / "lost"
        live.mkdir()
        child = [sys.executable, __file__, "live", str(live / "shard"), str(seed), "wal" if wal else "bare"]
        recording = run_recorded([*child, str(contents)], live, base / "log", library)
        (base / "log").unlink()
        assert recording.raw, "calls that bypass the C library cannot be seen here"
        shutil.rmtree(live)
        loss = PowerLoss(recording)
        for events in crash_points(len(recording.events), STATES, rng):
            least, most = bounds(recording, events)
            if least < 0:
                continue
            loss.advance(events)
            style = rng.choice(STYLES)
            kept = rng.random() < 0.5
            loss.state(target, rng, style, keep_names=kept)
            told = [sys.executable, __file__, "compare", str(target / "shard"), str(contents), str(least), str(most)]
            setting = f"{'log' if wal else 'no log'}, {'all names kept' if kept else 'names not synced lost'}"
            outcomes[f"{setting}: {answer(told)}"] += 1
            shutil.rmtree(target)
    return outcomes


def live(path: Path, seed: int, wal: bool, result: Path) -> None:
    """What ``recorded_child`` does, with the other engine and without snapshots.

    Nothing counts as promised before the first flush, and the shard's directory is synced for it.
    """
    import qdrant_edge as mod
    from recorded_disk import mark
    from workload import Layout, carry_out, dump, random_update

    rng, chores = random.Random(seed), random.Random(seed + 1)
    layout = Layout(rng)
    path.mkdir()
    parent = os.open(path.parent, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)
    config = layout.config(mod) if wal else layout.config(mod, wal_enabled=False)
    shard = mod.EdgeShard.create(str(path), config)
    shard.flush()
    mark("flushed")
    contents: list[dict[Any, Any]] = [{}]
    for _ in range(30):
        mark("begin")
        carry_out(mod, shard, random_update(rng, layout))
        mark("done")
        contents.append(dump(mod, shard))
        roll = chores.random()
        if roll < 0.20:
            shard.flush()
            mark("flushed")
        if 0.15 <= roll < 0.20:
            shard.close()
            shard = mod.EdgeShard.load(str(path))
        elif 0.20 <= roll < 0.26:
            shard.optimize()
    shard.flush()
    mark("flushed")
    shard.close()
    result.write_bytes(pickle.dumps(contents))


# --- bad input -----------------------------------------------------------------------------------------


def bad_input(count: int, first: int, base: Path) -> Counter[str]:
    """A sample of the calls of ``test_bad_input``, each followed by closing and loading."""
    outcomes: Counter[str] = Counter()
    total = int(answer([sys.executable, __file__, "call", str(base / "count"), "-1"]).split()[-1])
    for number in sorted(random.Random(first).sample(range(total), min(count, total))):
        outcomes[answer([sys.executable, __file__, "call", str(base / str(number)), str(number)])] += 1
        shutil.rmtree(base / str(number), ignore_errors=True)
    return outcomes


def call(path: Path, number: int) -> str:
    """Make one call on a new shard; what came of it."""
    mod = as_edgeshard()
    import test_bad_input as cases
    from workload import dump, same

    path.mkdir(parents=True)
    shard = cases.new_shard(str(path))  # type: ignore[arg-type]
    calls = cases.calls(shard)
    if number < 0:
        return str(len(calls))
    before = dump(mod, shard)
    outcome = "accepted"
    try:
        calls[number]()
    except Exception as error:
        if isinstance(error, (AttributeError, NameError)) and "qdrant_edge" in str(error):
            return "not offered"
        outcome = "refused"
        if not same(dump(mod, shard), before):
            return "refused, but something changed"
    contents = dump(mod, shard)
    shard.close()
    try:
        again = mod.EdgeShard.load(str(path))
        if not same(dump(mod, again), contents):
            return f"{outcome}, other contents after loading"
        again.update(mod.UpdateOperation.delete_points([1]))
    except BaseException as error:
        return f"{outcome}, unusable after loading: {type(error).__name__}"
    return outcome


# --- running -------------------------------------------------------------------------------------------


def answer(command: list[str]) -> str:
    """The last line a child prints, or how it ended."""
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        return "hang"
    if child.returncode == 0:
        return child.stdout.strip().split("\n")[-1]
    if child.returncode < 0:
        return f"crash (signal {-child.returncode})"
    return "panic" if "PanicException" in child.stderr else f"error: {child.stderr.strip().split(chr(10))[-1][:150]}"


def full(count: int, first: int, base: Path) -> Counter[str]:
    """Rounds of ``test_full_tmpfs``."""
    from test_full_tmpfs import round_on_tmpfs

    rounds = (round_on_tmpfs(base / "fs", seed, "qdrant_edge") for seed in range(first, first + count))
    return Counter(" ".join(outcome.split()[:1]) for outcome in rounds)


def damage(count: int, first: int, base: Path) -> Counter[str]:
    """Cases of ``test_damage``."""
    import qdrant_edge
    from damaged_shards import make_shard
    from test_damage import run_cases

    (base / "shard").mkdir()
    make_shard(qdrant_edge, base / "shard", rich=True)
    lines = run_cases("qdrant_edge", base / "shard", base / "scratch", first, count)
    return Counter(line.split()[0] for line in lines)


def main() -> None:
    """Dispatch: a campaign, or one of its children."""
    what, *rest = sys.argv[1:]
    if what == "work":
        work(Path(rest[0]), int(rest[1]), rest[2] == "wal")
    elif what == "judge":
        print(judge(Path(rest[0]), int(rest[1]), int(rest[2]), int(rest[3])))
    elif what == "live":
        live(Path(rest[0]), int(rest[1]), rest[2] == "wal", Path(rest[3]))
    elif what == "compare":
        print(compare(Path(rest[0]), pickle.loads(Path(rest[1]).read_bytes()), int(rest[2]), int(rest[3])))
    elif what == "call":
        print(call(Path(rest[0]), int(rest[1])))
    else:
        campaign = {"kill": kill, "power": power, "full": full, "damage": damage, "input": bad_input}[what]
        with tempfile.TemporaryDirectory() as base:
            for outcome, times in sorted(campaign(int(rest[0]), int(rest[1]) if rest[1:] else 0, Path(base)).items()):
                print(times, outcome)


if __name__ == "__main__":
    main()
