"""The end of a program that did not close its shards, in the middle of whatever its threads do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgeshard as es

PREAMBLE = """
import atexit, os, sys, threading, time
import numpy as np
import edgeshard as es
U = es.UpdateOperation

def make(logged):
    config = es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=32, distance=es.Distance.Dot),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
        wal_enabled=logged,
    )
    return es.EdgeShard.create(sys.argv[1], config)

def put(shard, start, stop):
    rows = np.random.default_rng(1).normal(size=(stop - start, 32))
    shard.update(U.upsert_batch(np.arange(start, stop), rows))
"""


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, str(path)], capture_output=True, text=True, timeout=120, check=False
    )


def count(path: Path) -> int:
    with es.EdgeShard.load(path) as shard:
        return shard.count(es.CountRequest())


@pytest.mark.parametrize("logged", [True, False])
def test_daemon_threads_are_cut_between_updates(tmp_path: Path, logged: bool) -> None:
    code = f"""
shard = make({logged})
done = 0
def write():
    global done
    while True:
        put(shard, 10 * done, 10 * done + 10)
        done += 1
threading.Thread(target=write, daemon=True).start()
while done < 20:
    time.sleep(0.01)
"""
    ended = run(code, tmp_path / "shard")
    assert ended.returncode == 0
    assert "moved, removed or replaced" not in ended.stderr
    points = count(tmp_path / "shard")
    assert points >= 200
    assert points % 10 == 0
    assert es.EdgeShard.check(tmp_path / "shard") == []


def test_daemon_threads_in_native_code_do_not_abort_the_process(tmp_path: Path) -> None:
    code = """
shard = make(True)
put(shard, 0, 20000)
request = es.QueryRequest(query=es.Query.Nearest([1.0] * 32), limit=5, params=es.SearchParams(exact=True))
def ask():
    while True:
        shard.query(request)
for _ in range(3):
    threading.Thread(target=ask, daemon=True).start()
time.sleep(0.2)
"""
    for number in range(5):
        ended = run(code, tmp_path / str(number))
        assert ended.returncode == 0, ended.stderr


def test_functions_for_the_end_find_the_shard_open(tmp_path: Path) -> None:
    code = """
shard = None
atexit.register(lambda: put(shard, 10, 20))
shard = make(True)
put(shard, 0, 10)
"""
    ended = run(code, tmp_path / "shard")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert count(tmp_path / "shard") == 20


def test_a_forked_child_ends_while_its_parent_optimises(tmp_path: Path) -> None:
    code = """
shard = make(True)
put(shard, 0, 20000)
handle = shard.optimize(background=True)
child = os.fork()
if child == 0:
    try:
        handle.result()
    except es.ForkedShardError:
        sys.exit(7)  # as programs end, with what is registered for that
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
    time.sleep(0.01)
else:
    os.kill(child, 9)
    os._exit(3)
assert os.waitstatus_to_exitcode(status) == 7, status
handle.cancel()
"""
    ended = run(code, tmp_path / "shard")
    assert ended.returncode == 0, ended.stderr
    assert count(tmp_path / "shard") == 20000


def test_a_shard_dropped_by_the_optimising_thread_keeps_what_was_not_logged(tmp_path: Path) -> None:
    code = """
shard = make(False)
put(shard, 0, 3000)
handle = shard.optimize(background=True)
del shard
handle.result()
"""
    ended = run(code, tmp_path / "shard")
    assert ended.returncode == 0, ended.stderr
    assert count(tmp_path / "shard") == 3000


def test_optimising_in_a_daemon_thread_does_not_hold_the_end_up(tmp_path: Path) -> None:
    code = """
shard = make(False)
put(shard, 0, 5000)
begun = threading.Event()
def optimise():
    shard.optimize(on_progress=lambda *_: (begun.set(), time.sleep(30)))
threading.Thread(target=optimise, daemon=True).start()
begun.wait()
started = time.monotonic()
atexit.register(lambda: print(time.monotonic() - started))
"""
    ended = run(code, tmp_path / "shard")
    assert ended.returncode == 0, ended.stderr
    assert count(tmp_path / "shard") == 5000
