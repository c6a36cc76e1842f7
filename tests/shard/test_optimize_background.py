"""optimize(background=True): what goes on meanwhile, and every way it can end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es
from edgeshard.shard.optimizer import background, run
from edgeshard.shard.optimizer.exchange import Exchange

DIM, POINTS = 16, 3000
OPS = es.UpdateOperation


def config() -> es.EdgeConfig:
    return es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Euclid),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=10),
    )


def put(shard: es.EdgeShard, first: int, count: int, seed: int = 1) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    shard.update(OPS.upsert_batch(np.arange(first, first + count, dtype=np.uint64), rows))


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[es.EdgeShard]:
    with es.EdgeShard.create(tmp_path / "shard", config()) as opened:
        put(opened, 0, POINTS)
        yield opened


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Builds report that they have begun (first event) and go on when they are told to (second)."""
    begun, go_on = threading.Event(), threading.Event()
    build = run.build_segment

    def slow(*args: Any, cancelled: Callable[[], bool], **kwargs: Any) -> None:
        begun.set()
        while not go_on.wait(0.01):
            if cancelled():
                break
        build(*args, cancelled=cancelled, **kwargs)

    monkeypatch.setattr(run, "build_segment", slow)
    yield begun, go_on
    go_on.set()


def test_it_does_what_the_foreground_does(shard: es.EdgeShard) -> None:
    seen: list[tuple[str, float]] = []
    handle = shard.optimize(background=True, on_progress=lambda step, share: seen.append((step, share)))
    assert isinstance(handle, es.BackgroundOptimize)
    assert isinstance(handle, Future)
    assert handle.result(60) is True
    assert handle.done()
    assert handle.progress == seen[-1]
    assert shard.info().indexed_vectors_count == POINTS
    assert shard.optimize(background=True).result(60) is False


def test_reads_and_updates_go_on(shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]) -> None:
    begun, go_on = held
    handle = shard.optimize(background=True)
    assert begun.wait(30)
    with pytest.raises(concurrent.futures.TimeoutError):  # the built-in one from Python 3.11 on
        handle.result(0.01)
    shard.update(OPS.delete_points([1, 2, 3]))
    put(shard, 10, 5, seed=4)
    put(shard, POINTS, 50, seed=5)
    row = np.random.default_rng(4).normal(size=(1, DIM)).astype(np.float32)[0]
    query = es.QueryRequest(query=es.Query.Nearest(row), limit=1, params=es.SearchParams(exact=True))
    assert shard.query(query)[0].id == 10
    assert not handle.done()
    go_on.set()
    assert handle.result(60) is True
    assert shard.count(es.CountRequest()) == POINTS + 47
    assert shard.query(query)[0].id == 10
    assert shard.retrieve([1, 2, 3]) == []


def test_cancel_leaves_the_shard_as_it_was(shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]) -> None:
    handle = shard.optimize(background=True)
    assert held[0].wait(30)
    assert handle.cancel()
    with pytest.raises(es.CancelledError):
        handle.result(60)
    assert not handle.cancel()
    assert shard.info().indexed_vectors_count == 0
    assert not list((shard.path / "temp_segments").iterdir())
    held[1].set()
    assert shard.optimize(background=True).result(60) is True


def test_the_caller_s_event_cancels_too(shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]) -> None:
    stop = threading.Event()
    handle = shard.optimize(background=True, cancel=stop)
    assert held[0].wait(30)
    stop.set()
    assert isinstance(handle.exception(60), es.CancelledError)


def test_close_cancels_and_waits(tmp_path: Path, held: tuple[threading.Event, threading.Event]) -> None:
    shard = es.EdgeShard.create(tmp_path / "shard", config())
    put(shard, 0, POINTS)
    handle = shard.optimize(background=True)
    assert held[0].wait(30)
    shard.close()
    assert handle.done()
    assert isinstance(handle.exception(), es.CancelledError)
    with es.EdgeShard.load(tmp_path / "shard") as again:
        assert again.count(es.CountRequest()) == POINTS
        assert again.verify() == []


def test_while_one_runs_it_is_returned_and_the_foreground_waits(
    shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]
) -> None:
    handle = shard.optimize(background=True)
    assert held[0].wait(30)
    assert shard.optimize(background=True) is handle
    outcome: list[bool] = []
    waiting = threading.Thread(target=lambda: outcome.append(shard.optimize()))
    waiting.start()
    held[1].set()
    waiting.join(60)
    assert handle.result() is True
    assert outcome == [False]


def test_one_that_waits_for_the_foreground_can_be_cancelled(
    shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]
) -> None:
    foreground = threading.Thread(target=shard.optimize)
    foreground.start()
    assert held[0].wait(30)
    handle = shard.optimize(background=True)
    handle.cancel()
    assert isinstance(handle.exception(60), es.CancelledError)
    held[1].set()
    foreground.join(60)
    assert shard.info().indexed_vectors_count == POINTS


def fail(*args: Any, **kwargs: Any) -> None:
    raise es.StorageError(errno.ENOSPC, "the disk is full")


def test_an_error_is_raised_by_result(shard: es.EdgeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_segment", fail)
    handle = shard.optimize(background=True)
    with pytest.raises(es.StorageError, match="disk is full"):
        handle.result(60)
    assert shard.count(es.CountRequest()) == POINTS
    monkeypatch.undo()
    assert shard.optimize(background=True).result(60) is True


def test_an_error_nobody_asks_for_is_warned_of(shard: es.EdgeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_segment", fail)
    with pytest.warns(es.BackgroundOptimizeWarning, match="disk is full"):
        over = threading.Event()
        shard.optimize(background=True).add_done_callback(lambda _: over.set())
        assert over.wait(60)
        for _ in range(100):  # the thread lets go of it a moment later
            if not any(thread.name == "edgeshard-optimize" for thread in threading.enumerate()):
                break
            time.sleep(0.01)
        gc.collect()


def test_a_budget_starts_no_task_once_it_is_spent(shard: es.EdgeShard) -> None:
    assert shard.optimize(background=True, budget_ms=0).result(60) is False
    assert shard.info().indexed_vectors_count == 0


def test_from_a_coroutine(tmp_path: Path) -> None:
    async def optimised() -> bool:
        from edgeshard import aio

        async with await aio.EdgeShard.create(tmp_path / "shard", config()) as shard:
            rows = np.random.default_rng(1).normal(size=(POINTS, DIM)).astype(np.float32)
            await shard.update(OPS.upsert_batch(np.arange(POINTS, dtype=np.uint64), rows))
            return await asyncio.wrap_future(await shard.optimize(background=True))

    assert asyncio.run(optimised()) is True


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")
def test_it_has_a_low_priority(shard: es.EdgeShard) -> None:
    found: list[int] = []
    here = os.getpriority(os.PRIO_PROCESS, 0)
    handle = shard.optimize(
        background=True,
        on_progress=lambda *_: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())),
    )
    handle.result(60)
    assert set(found) == {max(here, background.NICENESS)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == here


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")
def test_while_it_holds_the_lock_its_priority_is_not_low(shard: es.EdgeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else readers would wait for a thread that other programs keep from going on."""
    here, found = os.getpriority(os.PRIO_PROCESS, 0), dict[str, int]()
    for name in ("lacks_spare", "freeze", "finish"):
        step = getattr(Exchange, name)

        def noted(*args: Any, name: str = name, step: Callable[..., Any] = step) -> Any:
            found[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            return step(*args)

        monkeypatch.setattr(Exchange, name, noted)
    assert shard.optimize(background=True).result(60) is True
    assert found == {"lacks_spare": here, "freeze": here, "finish": here}


def test_its_threads_end(shard: es.EdgeShard) -> None:
    shard.optimize(background=True).result(60)
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("edgeshard-optimize") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_a_second_thread_it_goes_on(shard: es.EdgeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def some(thread: threading.Thread) -> None:
        if thread.name == "edgeshard-optimize-urgent":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", some)
    assert shard.optimize(background=True).result(60) is True
    assert shard.info().indexed_vectors_count == POINTS


def test_many_points_may_be_deleted_meanwhile(
    shard: es.EdgeShard, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    handle = shard.optimize(background=True)
    assert begun.wait(30)
    for ids in (range(0, POINTS, 2), range(1, 100, 2), [101], [103]):
        shard.update(OPS.delete_points(list(ids)))
    go_on.set()
    assert handle.result(60) is True
    left = [record.id for record in shard.scroll(es.ScrollRequest(limit=POINTS))[0]]
    assert left == list(range(105, POINTS, 2))
    assert not list((shard.path / "temp_segments").iterdir())
    shard.close()
    assert es.EdgeShard.check(shard.path) == []


EXITING = """
import sys
import numpy as np
import edgeshard as es
config = es.EdgeConfig(
    vectors=es.EdgeVectorParams(size=128, distance=es.Distance.Dot),
    optimizers=es.EdgeOptimizersConfig(indexing_threshold=10),
)
shard = es.EdgeShard.create(sys.argv[1], config)
rows = np.random.default_rng(1).random((20_000, 128), dtype=np.float32)
shard.update(es.UpdateOperation.upsert_batch(np.arange(20_000, dtype=np.uint64), rows))
handle = shard.optimize(background=True)
"""


def test_the_end_of_the_program_stops_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", EXITING, str(tmp_path / "shard")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0
    assert child.stderr == ""
    with es.EdgeShard.load(tmp_path / "shard") as again:
        assert again.count(es.CountRequest()) == 20_000
        assert again.verify() == []


@pytest.mark.parametrize("what", ["close", "result", "exception"])
def test_what_would_wait_for_itself_is_refused(shard: es.EdgeShard, what: str) -> None:
    """A callback runs in the thread that optimises: closing the shard there, or waiting, would never end."""
    started = threading.Event()
    handles: list[background.BackgroundOptimize] = []

    def progress(step: str, share: float) -> None:
        started.wait()
        shard.close() if what == "close" else getattr(handles[0], what)()

    handles.append(shard.optimize(background=True, on_progress=progress))
    started.set()
    with pytest.raises(es.ReentrantCallError, match="another thread"):
        handles[0].result(30)
    assert shard.count(es.CountRequest()) == POINTS
    assert shard.optimize()


def test_the_shard_may_be_closed_by_a_callback_of_the_end(shard: es.EdgeShard) -> None:
    closed = threading.Event()

    def close(_: Future[bool]) -> None:
        shard.close()
        closed.set()

    shard.optimize(background=True).add_done_callback(close)
    assert closed.wait(30)
    with pytest.raises(es.ClosedError):
        shard.count(es.CountRequest())


def test_writers_do_not_keep_it_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points of what it has built are replaced all the time: to vacuum that is for the next optimisation."""
    optimizers = es.EdgeOptimizersConfig(indexing_threshold=10, deleted_threshold=0.1, vacuum_min_vector_number=100)
    settings = es.EdgeConfig(vectors=es.EdgeVectorParams(DIM, es.Distance.Euclid), optimizers=optimizers)
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        put(shard, 0, POINTS)
        builds = 0
        finish = Exchange.finish

        def busy(exchange: Exchange, source: Any) -> list[Path]:
            nonlocal builds
            graves = finish(exchange, source)
            put(shard, 300 * builds, 600, seed=builds)
            builds += 1
            return graves

        monkeypatch.setattr(Exchange, "finish", busy)
        assert shard.optimize(background=True).result(60) is True
        assert builds == 1
        assert shard.optimize() is True
        assert builds > 1
