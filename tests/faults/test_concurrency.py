"""Threads, forks and Ctrl-C: no torn answer, no deadlock, no hang."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest
from campaign import SLOWER
from small_shards import copy_shard

import edgeshard
import edgeshard.shard.reader
import edgeshard.shard.replica
import edgeshard.shard.store
from edgeshard import (
    ClosedError,
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    ForkedShardError,
    Point,
    Query,
    QueryRequest,
    ScrollRequest,
    UpdateOperation,
)  # fmt: skip

POINTS = 300
pytestmark = pytest.mark.filterwarnings("ignore::edgeshard.UnindexedScanWarning")


def new_shard(path: Path) -> EdgeShard:
    optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=10)
    vectors = {"": EdgeVectorParams(size=16, distance=Distance.Dot)}
    return EdgeShard.create(path, EdgeConfig(vectors=vectors, optimizers=optimizers))


def write_round(shard: EdgeShard, number: int) -> None:
    points = [Point(i, [float(number + 1)] * 16, {"round": number}) for i in range(POINTS)]
    shard.update(UpdateOperation.upsert_points(points))


def check_whole(shard: EdgeShard) -> None:
    records, _ = shard.scroll(ScrollRequest(limit=1000, with_payload=True, with_vector=True))
    assert len(records) == POINTS
    rounds = {record.payload["round"] for record in records}
    assert len(rounds) == 1
    assert all(record.vector == [float(record.payload["round"] + 1)] * 16 for record in records)
    hits = shard.query(QueryRequest(query=Query.Nearest([1.0] * 16), limit=5, with_payload=True))
    assert len({hit.score for hit in hits}) == 1


def test_readers_beside_writers_and_optimize(tmp_path: Path) -> None:
    shard = new_shard(tmp_path / "shard")
    write_round(shard, 0)
    stop, failures = threading.Event(), []

    def repeat(action: object) -> None:
        assert callable(action)
        try:
            while not stop.is_set():
                action()
        except BaseException as error:
            failures.append(error)
            stop.set()

    number = iter(range(1, 1_000_000))
    actions = [lambda: check_whole(shard)] * 3 + [lambda: write_round(shard, next(number)), shard.optimize, shard.flush]
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    stop.wait(3)
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures
    check_whole(shard)
    shard.close()
    with EdgeShard.load(tmp_path / "shard") as again:
        check_whole(again)


def test_close_under_load(tmp_path: Path) -> None:
    shard = new_shard(tmp_path / "shard")
    write_round(shard, 0)
    ended: list[type[BaseException]] = []

    def read() -> None:
        try:
            while True:
                check_whole(shard)
        except BaseException as error:
            ended.append(type(error))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    shard.close()
    for thread in threads:
        thread.join(30)
    assert ended == [ClosedError] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_an_error_and_the_parent_goes_on(tmp_path: Path) -> None:
    shard = new_shard(tmp_path / "shard")
    write_round(shard, 0)
    check_whole(shard)
    child = os.fork()
    if not child:
        signal.alarm(20)
        try:
            shard.count(CountRequest())
        except ForkedShardError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shard.close()
    with EdgeShard.load(tmp_path / "shard") as again:
        check_whole(again)


def child_status(action: Callable[[], None]) -> int:
    """What a forked child exits with that does something; -SIGALRM if it hangs, 1 if it raises."""
    child = os.fork()
    if not child:
        signal.alarm(20)
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_closes_a_reader_and_the_parent_keeps_its_copy(tmp_path: Path) -> None:
    with new_shard(tmp_path / "shard") as shard:
        write_round(shard, 0)
        shard.flush()
        reader = EdgeShard.load(tmp_path / "shard", read_only=True)
        inside, leave = threading.Event(), threading.Event()

        def stay_in_a_call() -> None:
            with reader._reading():
                inside.set()
                leave.wait(60)

        thread = threading.Thread(target=stay_in_a_call)
        thread.start()
        assert inside.wait(60)

        def close_twice_and_drop() -> None:
            reader.close()
            reader.close()
            with pytest.raises(ClosedError):
                reader._open_store()

        try:
            assert child_status(close_twice_and_drop) == 0
            assert child_status(lambda: reader._ending() and None) == 0  # as the end of the child's program does
        finally:
            leave.set()
            thread.join()
        check_whole(reader)
        write_round(shard, 1)
        shard.flush()
        assert reader.refresh()
        check_whole(reader)
        copy = reader._replica.root
        assert copy.is_dir()
        reader.close()
        assert not copy.exists()


FORKED_IN_AN_IMPORT = """
import importlib.abc, os, signal, sys, threading, time
from edgeshard import *

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("edgeshard.shard.optimizer") and not begun.is_set():
            begun.set()
            time.sleep(0.5)
        return None

begun = threading.Event()
sys.meta_path.insert(0, Slow())
config = EdgeConfig(vectors={"": EdgeVectorParams(size=4, distance=Distance.Dot)})
shard = EdgeShard.create(sys.argv[1] + "/parent", config)
thread = threading.Thread(target=shard.optimize)
thread.start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    EdgeShard.create(sys.argv[1] + "/child", config).optimize()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_a_thread_imports_does_not_hang(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKED_IN_AN_IMPORT, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (child.returncode, child.stdout.strip()) == (0, "0"), child.stderr[-2000:]
    assert "ignored" not in child.stderr  # what an import in the middle of a fork would leave


def test_an_interrupted_load_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with new_shard(tmp_path / "shard") as shard:
        write_round(shard, 0)
    copy_shard(tmp_path / "shard", tmp_path / "copy")
    monkeypatch.setattr(edgeshard.shard.store, "Checkpointer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        EdgeShard.load(tmp_path / "copy")
    gc.collect()
    assert not open_files_below(tmp_path / "copy")
    monkeypatch.undo()
    with EdgeShard.load(tmp_path / "copy") as again:
        check_whole(again)


def test_a_close_interrupted_on_its_last_steps_gives_the_lock_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = new_shard(tmp_path / "shard")
    write_round(shard, 0)
    close = edgeshard.shard.store.Checkpointer.close

    def interrupt_and_close(checkpointer: Any, *, remove: bool) -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        close(checkpointer, remove=remove)

    monkeypatch.setattr(edgeshard.shard.store.Checkpointer, "close", interrupt_and_close)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background starts without
    try:
        with pytest.raises(KeyboardInterrupt):
            shard.close()
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    with EdgeShard.load(tmp_path / "shard") as again:
        check_whole(again)
    with pytest.raises(ClosedError):
        check_whole(shard)


def test_readers_interrupted_at_any_line_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {edgeshard.shard.reader.__file__, edgeshard.shard.replica.__file__}
    seen: set[tuple[str, int]] = set()

    def interrupt_at_a_new_line(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in modules or frame.f_code.co_name == "_remove":
            return None  # the last step of removing is a handful of instructions
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in seen:
            seen.add(place)
            raise KeyboardInterrupt
        return interrupt_at_a_new_line

    def interrupted(call: Callable[[], object]) -> bool:
        before = sys.gettrace()
        sys.settrace(interrupt_at_a_new_line)
        try:
            call()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    monkeypatch.setattr("edgeshard.shard.replica.LINK_BYTES", 1 << 40)  # copy every file
    with new_shard(tmp_path / "shard") as shard:
        write_round(shard, 0)
        shard.optimize()
        shard.flush()
        while interrupted(lambda: EdgeShard.load(tmp_path / "shard", read_only=True).close()):
            gc.collect()
            assert not open_files_below(copies)
            assert not list(copies.iterdir())
        first, number = len(seen), 0
        seen.clear()
        with EdgeShard.load(tmp_path / "shard", read_only=True) as reader:
            while True:
                number += 1
                write_round(shard, number)
                shard.flush()
                again = interrupted(reader.refresh)
                gc.collect()
                assert list(copies.iterdir()) == [reader._replica.root.parent]
                check_whole(reader)
                if not again:
                    break
        assert not open_files_below(copies)
        assert not list(copies.iterdir())
    assert min(first, len(seen)) > 40


def open_files_below(*places: Path) -> list[str]:
    """The files there that this process holds open with a descriptor, as far as the system tells."""
    if not Path("/proc/self/fd").is_dir():
        return []
    opened = {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    return [path for path in opened if path.startswith(tuple(map(str, places)))]


INTERRUPTED = """
import sys, threading, time, os, signal
import numpy as np
import edgeshard
from edgeshard import *
signal.signal(signal.SIGINT, signal.default_int_handler)
optimizers = EdgeOptimizersConfig(indexing_threshold=10)
config = EdgeConfig(vectors={"": EdgeVectorParams(size=128, distance=Distance.Dot)}, optimizers=optimizers)
shard = EdgeShard.create(sys.argv[1], config)
slower = int(sys.argv[2])
points = 20_000 // slower
rows = np.random.default_rng(1).random((points, 128), dtype=np.float32)
shard.update(UpdateOperation.upsert_batch(np.arange(points, dtype=np.uint64), {"": rows}))
sent = []
def interrupt():
    time.sleep(0.7)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    shard.optimize()
except KeyboardInterrupt:
    late = time.monotonic() - sent[0]
    assert late < 2 * slower, late
    assert shard.count(CountRequest()) == points
    shard.update(UpdateOperation.delete_points([1, 2]))
    shard.close()
    with EdgeShard.load(sys.argv[1]) as again:
        assert again.count(CountRequest()) == points - 2
    print("interrupted")
else:
    print("finished", bool(sent))
"""


def test_ctrl_c_stops_optimize(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "shard"), str(SLOWER)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.strip() in ("interrupted", "finished False"), child.stdout


def test_ctrl_c_stops_every_long_call(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parent / "interrupted_child.py"), str(tmp_path / "shard")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr[-2000:]
    late = dict(line.split() for line in child.stdout.splitlines())
    assert len(late) == 7
    noticed = [float(seconds) for seconds in late.values() if seconds != "finished"]
    assert noticed
    assert max(noticed) < SLOWER, late  # 0.2 s on an idle machine
