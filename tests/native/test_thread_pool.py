"""The thread pool seen from Python: concurrent callers, forked children, caps."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from edgeshard import _native

RNG = np.random.default_rng(12)
ROWS = RNG.standard_normal((30_000, 128)).astype(np.float32)
QUERIES = RNG.standard_normal((8, 128)).astype(np.float32)


def answer(threads: int) -> np.ndarray:
    return _native.scan_topk(QUERIES, [ROWS], None, 10, 2, threads=threads)[0]


@pytest.mark.parametrize("threads", [4, 0])
def test_concurrent_callers_share_the_pool(threads):
    want = answer(1)
    wrong = []

    def work():
        wrong.extend(True for _ in range(5) if not np.array_equal(answer(threads), want))

    callers = [threading.Thread(target=work) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_a_scan_takes_helpers_only_if_it_is_long():
    assert _native.scan_threads(100_000) == 1
    assert _native.scan_threads(10**9) == _native.default_threads()
    assert _native.scan_threads(10**9, 3) == 3


def test_a_scan_beside_another_one_stays_on_its_thread():
    done = threading.Event()

    def scan():
        while not done.is_set():
            answer(0)

    other = threading.Thread(target=scan)
    other.start()
    try:
        while _native.scan_threads(10**9) != 1:  # until one is caught in the act; the suite's time limit ends it
            pass
        assert _native.scan_threads(10**9, 3) == 3
    finally:
        done.set()
        other.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_compute_while_the_parent_is_busy():
    # In a process of its own: forking one with threads would warn here, which is an error in this suite.
    code = """
import os, threading, warnings
import numpy as np
from edgeshard import _native
warnings.simplefilter("ignore", DeprecationWarning)
rows = np.random.default_rng(0).standard_normal((30_000, 128)).astype(np.float32)
answer = lambda: _native.scan_topk(rows[:8], [rows], None, 10, 2, threads=4)[0]
want = answer()
done = threading.Event()
def busy():
    while not done.is_set():
        answer()
threads = [threading.Thread(target=busy) for _ in range(2)]
[t.start() for t in threads]
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(answer(), want) else 1)
    assert os.waitpid(child, 0)[1] == 0
done.set()
[t.join() for t in threads]
assert np.array_equal(answer(), want)
print("fine")
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert out.stdout.strip() == "fine", out.stderr


def test_environment_caps_the_threads():
    code = "from edgeshard import _native; print(_native.default_threads())"
    for cap, want in [("1", 1), ("100000", _native.default_threads()), ("x", _native.default_threads())]:
        environment = {**os.environ, "EDGESHARD_THREADS": cap}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert int(out.stdout) == want
