"""Calls of a shard from a signal handler that interrupts one: an error or an answer, never a hang."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeshard import (
    BackgroundOptimize,
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    PayloadSchemaType,
    Point,
    ReentrantCallError,
    UpdateOperation,
)
from edgeshard._native import CallLock
from edgeshard.shard.shard import too_deep

CHILD = Path(__file__).parent / "reentrant_child.py"


@pytest.fixture
def shard(tmp_path: Path) -> EdgeShard:
    vectors = {"": EdgeVectorParams(size=4, distance=Distance.Dot)}
    made = EdgeShard.create(tmp_path / "shard", EdgeConfig(vectors=vectors))
    made.update(UpdateOperation.upsert_points([Point(i, [1.0] * 4, {"n": i}) for i in range(50)]))
    return made


def test_a_handler_that_interrupts_calls_at_random_never_hangs(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path / "shard"), "2"], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr[-2000:]
    refused, answered = map(int, child.stdout.split())
    assert refused > 10
    assert answered > 0


CALLS: dict[str, Callable[[EdgeShard, Path], Any]] = {
    "count": lambda shard, _: shard.count(CountRequest()),
    "retrieve": lambda shard, _: shard.retrieve([1]),
    "update": lambda shard, _: shard.update(UpdateOperation.delete_points([1])),
    "index": lambda shard, _: shard.update(UpdateOperation.create_field_index("n", PayloadSchemaType.Integer)),
    "flush": lambda shard, _: shard.flush(),
    "verify": lambda shard, _: shard.verify(),
    "close": lambda shard, _: shard.close(),
    "snapshot": lambda shard, path: shard.create_snapshot(path),
}


@pytest.mark.parametrize("inner", CALLS)
def test_a_callback_in_the_middle_of_an_update_is_refused(inner: str, shard: EdgeShard, tmp_path: Path) -> None:
    heard: list[type[BaseException]] = []

    def handler(*_: Any) -> None:
        try:
            CALLS[inner](shard, tmp_path / "archive")
        except BaseException as error:
            heard.append(type(error))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with shard._writing():
            signal.raise_signal(signal.SIGUSR1)
        with shard._reading():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [ReentrantCallError] * 2
    assert shard.count(CountRequest()) == 50
    shard.update(UpdateOperation.delete_points([1]))
    shard.close()


def test_progress_of_an_optimisation_may_update_but_not_optimise(tmp_path: Path) -> None:
    from edgeshard import EdgeOptimizersConfig

    config = EdgeConfig(
        vectors={"": EdgeVectorParams(size=4, distance=Distance.Dot)},
        optimizers=EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = EdgeShard.create(tmp_path / "shard", config)
    shard.update(UpdateOperation.upsert_points([Point(i, [float(i), 1.0, 0.0, 0.0], {"n": i}) for i in range(600)]))
    heard: list[type[BaseException]] = []

    def progress(*_: Any) -> None:
        if heard:
            return
        shard.update(UpdateOperation.upsert_points([Point(1000, [1.0] * 4)]))
        for call in (shard.optimize, shard.close, lambda: CALLS["index"](shard, tmp_path)):
            try:
                call()
            except BaseException as error:
                heard.append(type(error))

    assert shard.optimize(on_progress=progress)
    assert heard == [ReentrantCallError] * 3
    assert shard.count(CountRequest()) == 601
    assert shard.optimize() in (True, False)
    shard.close()


def test_progress_of_an_optimisation_cannot_wait_for_one_in_the_background(shard: EdgeShard) -> None:
    shard.update(UpdateOperation.upsert_points([Point(i, [float(i), 1.0, 0.0, 0.0]) for i in range(3000)]))
    shard.update(UpdateOperation.delete_points(list(range(1000))))
    others: list[BackgroundOptimize] = []
    heard: list[type[BaseException]] = []

    def progress(*_: Any) -> None:
        if heard:
            return
        threads = [threading.Thread(target=lambda: others.append(shard.optimize(background=True)))]
        threads[0].start()
        threads[0].join()
        for call in (
            lambda: others[0].result(),
            lambda: others[0].exception(),
            lambda: others[0].result(0),
            lambda: shard.optimize(background=True).result(),
            shard.close,
        ):
            try:
                call()
            except BaseException as error:
                heard.append(type(error))

    assert shard.optimize(on_progress=progress)
    assert heard == [ReentrantCallError] * 5
    assert others[0].result(30) is False  # neither cancelled nor stuck
    assert shard.count(CountRequest()) == 2000
    shard.close()


def test_progress_of_an_optimisation_cannot_start_one_in_the_background(shard: EdgeShard) -> None:
    shard.update(UpdateOperation.upsert_points([Point(i, [float(i), 1.0, 0.0, 0.0]) for i in range(3000)]))
    shard.update(UpdateOperation.delete_points(list(range(1000))))

    def progress(*_: Any) -> None:
        shard.optimize(background=True)

    with pytest.raises(ReentrantCallError):
        shard.optimize(on_progress=progress)
    assert shard.optimize(background=True).result(30) is True
    assert shard.count(CountRequest()) == 2000
    shard.close()


def test_a_handler_in_the_middle_of_an_update_cannot_wait_for_an_optimisation(shard: EdgeShard) -> None:
    shard.update(UpdateOperation.upsert_points([Point(i, [float(i), 1.0, 0.0, 0.0]) for i in range(3000)]))
    shard.update(UpdateOperation.delete_points(list(range(1000))))
    with shard._writing():
        running = shard.optimize(background=True)  # a handler may start one
        for call in (running.result, running.exception, shard.close):
            with pytest.raises(ReentrantCallError):
                call()
    assert running.result(30) is True
    shard.close()


def test_a_lock_is_let_go_of_whatever_happens_inside() -> None:
    lock = CallLock(too_deep)

    def fail() -> None:
        raise KeyError("opened")

    with pytest.raises(KeyError), lock.writing(fail):
        raise AssertionError("not reached")
    with pytest.raises(type(too_deep())) as caught, lock.reading():
        raise RecursionError("deep")
    assert isinstance(caught.value.__cause__, RecursionError)
    with lock.writing(), pytest.raises(ReentrantCallError), lock.reading():
        raise AssertionError("not reached")
    with lock.reading(lambda: 7) as seven:
        assert seven == 7
        with pytest.raises(RuntimeError, match="not held for writing"):
            lock.downgrade()
    with pytest.raises(RuntimeError, match="not held"):
        lock.writing().__exit__(None, None, None)


def test_readers_share_and_writers_wait() -> None:
    lock, order = CallLock(too_deep), []
    inside, go = threading.Barrier(3), threading.Event()

    def read() -> None:
        with lock.reading():
            inside.wait(10)
            go.wait(10)
            order.append("read")

    def write() -> None:
        with lock.writing():
            order.append("write")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    inside.wait(10)  # both are inside
    writer = threading.Thread(target=write)
    writer.start()
    writer.join(0.2)
    assert writer.is_alive()
    late = threading.Thread(target=lambda: [order.append("late") for _ in [0] if lock.reading().__enter__() is None])
    late.start()
    late.join(0.2)
    assert late.is_alive()  # behind the writer
    go.set()
    for thread in (*readers, writer, late):
        thread.join(10)
        assert not thread.is_alive()
    assert order == ["read", "read", "write", "late"]


def test_waiting_for_a_lock_can_be_given_up() -> None:
    lock = CallLock(too_deep)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.reading():
            held.set()
            go.wait(10)

    def give_up() -> None:
        raise TimeoutError("enough")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with pytest.raises(TimeoutError, match="enough"), lock.writing(waiting=give_up):
        raise AssertionError("not reached")
    with lock.reading():  # no writer waits any more
        pass
    go.set()
    holder.join()
    with lock.writing():
        pass


def test_an_interruption_while_waiting_leaves_the_lock_usable(shard: EdgeShard) -> None:
    rounds = 0

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            shard.count(CountRequest())

    readers = [threading.Thread(target=read) for _ in range(2)]
    try:
        for reader in readers:
            reader.start()
        for delay in np.random.default_rng(3).uniform(0.0005, 0.004, 150).tolist():
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                for _ in range(1000):
                    shard.update(UpdateOperation.set_payload([1], {"n": 2}))
                    shard.count(CountRequest())
            except KeyboardInterrupt:
                rounds += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        stop.set()
        for reader in readers:
            reader.join(30)
        signal.signal(signal.SIGALRM, before)
    assert not any(reader.is_alive() for reader in readers)
    assert rounds == 150
    assert shard.count(CountRequest()) == 50
    shard.close()


def interrupt_updates(path: Path, seed: int, rounds: int) -> None:
    child_file = Path(__file__).parent / "interrupted_updates.py"
    command = [sys.executable, str(child_file), str(path), str(seed), str(rounds)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert child.returncode == 0, child.stderr[-3000:]
    assert int(child.stdout) == 60 * rounds


@pytest.mark.parametrize("seed", range(2))
def test_updates_and_flushes_are_interrupted(seed: int, tmp_path: Path) -> None:
    interrupt_updates(tmp_path / "shard", seed, 1)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_updates_and_flushes_are_interrupted_often(tmp_path: Path) -> None:
    interrupt_updates(tmp_path / "shard", 100, 100)
