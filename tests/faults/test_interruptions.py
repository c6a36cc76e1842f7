"""Ctrl-C in the calls that make and take snapshots: always ``KeyboardInterrupt``, all or nothing, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edgeshard
from edgeshard import EdgeShard
from edgeshard._native import CallLock
from edgeshard.shard import undisturbed as module
from edgeshard.shard.snapshot.swap import STAGE_PREFIX
from edgeshard.shard.undisturbed import Stopped, joined, pause, undisturbed

CALLS = (
    "create",
    "unpack",
    "unpack_durable",
    "unpack_into",
    "apply",
    "apply_full",
    "pull_new",
    "pull_changes",
    "pull_path",
)


def run(path: Path, rounds: int, *calls: str) -> None:
    script = Path(__file__).parent / "interrupted_snapshots.py"
    command = [sys.executable, script, path / "bench", str(rounds), "1", *calls]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-3000:]
    assert [line.split()[0] for line in child.stdout.splitlines()] == list(calls)


def test_random_instants(tmp_path: Path) -> None:
    run(tmp_path, 2, *CALLS)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("call", CALLS)
def test_many_random_instants(call: str, tmp_path: Path) -> None:
    run(tmp_path, 200, call)


class Rung(BaseException):
    """What the signal handler of these tests raises."""


@pytest.fixture
def ring() -> Iterator[Callable[[], None]]:
    """Call it to have :class:`Rung` raised in the main thread."""

    def handler(number: int, frame: Any) -> None:
        raise Rung

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def until_stopped(ring: Callable[[], None]) -> None:
    """Ring, and go on until that is heard."""
    ring()
    while True:
        pause()


def test_results_and_errors_pass() -> None:
    assert undisturbed(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        undisturbed(lambda: 1 // 0)
    pause()


def test_no_thread_is_left_of_a_call_that_waits_for_threads() -> None:
    def call() -> None:
        thread = threading.Thread(target=pause, daemon=True)
        thread.start()
        thread.join()

    before = set(threading.enumerate())
    for _ in range(20):
        undisturbed(call, joins=True)
    assert set(threading.enumerate()) <= before


def test_an_interruption_waits_for_the_end_of_the_call(ring: Callable[[], None]) -> None:
    seen: list[str] = []

    def call() -> None:
        try:
            until_stopped(ring)
        except Stopped:
            seen.append("stopped")
            raise
        finally:
            seen.append("cleaned up")

    with pytest.raises(Rung):
        undisturbed(call)
    assert seen == ["stopped", "cleaned up"]


def test_a_signal_that_another_thread_gets_is_heard(ring: Callable[[], None]) -> None:
    with pytest.raises(Rung):
        undisturbed(lambda: until_stopped(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)))


def test_a_call_without_pauses_is_done_when_the_interruption_goes_on(ring: Callable[[], None]) -> None:
    done: list[int] = []

    def call() -> None:
        ring()
        done.append(sum(range(1_000_000)))

    with pytest.raises(Rung):
        undisturbed(call)
    assert done


def test_an_interruption_before_the_thread_runs_calls_it_off() -> None:
    done: list[int] = []
    work = module._Work(lambda: done.append(1))
    work.stop()
    work.stop()
    thread = threading.Thread(target=work.run)
    thread.start()
    thread.join()
    assert not done


def test_other_threads_do_it_themselves() -> None:
    threads: list[threading.Thread] = []
    thread = threading.Thread(target=lambda: threads.append(undisturbed(threading.current_thread)))
    thread.start()
    thread.join()
    assert threads == [thread]


def test_threads_of_the_call_hear_of_it(ring: Callable[[], None]) -> None:
    heard: list[str] = []

    def part() -> None:
        try:
            until_stopped(ring)
        except Stopped:
            heard.append("stopped")

    def call() -> None:
        thread = threading.Thread(target=joined(part))
        thread.start()
        thread.join()

    with pytest.raises(Rung):
        undisturbed(call)
    assert heard == ["stopped"]


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_waiting_for_a_lock_ends(kind: str, ring: Callable[[], None]) -> None:
    lock = CallLock(RuntimeError)

    def call() -> None:
        ring()
        with getattr(lock, kind)(waiting=pause):
            raise AssertionError("got a lock that is held")

    with lock.writing(), pytest.raises(Rung):
        undisturbed(call)
    with lock.writing():
        pass
    with lock.reading():
        pass


def test_an_apply_that_waits_for_an_optimisation_ends(ring: Callable[[], None], tmp_path: Path) -> None:
    params = edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot)
    shard = EdgeShard.create(tmp_path / "shard", edgeshard.EdgeConfig(vectors=params))
    shard.update(edgeshard.UpdateOperation.upsert_points([edgeshard.Point(1, [1.0, 2.0], {"a": 1})]))
    archive = shard.create_snapshot(tmp_path / "a.snapshot").path
    names = set(os.listdir(shard.path))
    held, over = threading.Event(), threading.Event()

    def optimisation() -> None:
        with shard._optimising.writing():
            held.set()
            over.wait(60)

    def when_it_waits() -> None:
        while not any(name.startswith(STAGE_PREFIX) for name in os.listdir(shard.path)):
            time.sleep(0.01)
        time.sleep(0.2)
        ring()

    threads = [threading.Thread(target=optimisation), threading.Thread(target=when_it_waits)]
    for thread in threads:
        thread.start()
    held.wait(60)
    with pytest.raises(Rung):
        shard.update_from_snapshot(archive)
    over.set()
    for thread in threads:
        thread.join()
    assert set(os.listdir(shard.path)) == names
    shard.update_from_snapshot(archive)
    assert shard.count(edgeshard.CountRequest()) == 1
    shard.close()


@pytest.mark.parametrize("ask", ["create_snapshot", "update_from_snapshot"])
def test_a_snapshot_asked_for_inside_of_a_call_is_refused(ask: str, tmp_path: Path) -> None:
    params = edgeshard.EdgeVectorParams(size=2, distance=edgeshard.Distance.Dot)
    shard = EdgeShard.create(tmp_path / "shard", edgeshard.EdgeConfig(vectors=params))
    archive = shard.create_snapshot(tmp_path / "a.snapshot").path
    with shard._lock.reading(), pytest.raises(edgeshard.ReentrantCallError):
        getattr(shard, ask)(archive)
    getattr(shard, ask)(archive)
    shard.close()
