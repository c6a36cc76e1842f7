"""A process that interrupts snapshot calls with Ctrl-C at random instants, and checks what each leaves behind.

Usage: interrupted_snapshots.py PATH ROUNDS SEED CALL... Prints for each call how many rounds were interrupted and how
many were done before; exits with an error if one ended in anything but ``KeyboardInterrupt``, or left something.
Nothing depends on how fast the machine is: the signal is awaited after a call that was faster.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

import edgeshard
from edgeshard import EdgeShard, UpdateOperation
from edgeshard.sync import pull

POINTS, SIZE = 9_000, 128
OWN_NAMES = {".edgeshard-lock"}


class Bench:
    """A shard, its archives before and after a change, and what to do with them.

    Args:
        root: an empty directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "in"
        self.inputs.mkdir(parents=True)
        params = edgeshard.EdgeVectorParams(size=SIZE, distance=edgeshard.Distance.Dot)
        optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=1 << 20, deleted_threshold=0.1)
        config = edgeshard.EdgeConfig(vectors={"": params}, optimizers=optimizers)
        self.source = EdgeShard.create(self.inputs / "source", config)
        rows = np.random.default_rng(1).random((POINTS, SIZE), dtype=np.float32)
        self.source.update(UpdateOperation.upsert_batch(np.arange(POINTS, dtype=np.uint64), {"": rows}))
        self.old = self.source.create_snapshot(self.inputs / "old.snapshot")
        self.source.update(UpdateOperation.delete_points(list(range(10))))
        self.new = self.source.create_snapshot(self.inputs / "new.snapshot")
        self.part = self.source.create_snapshot(self.inputs / "part.snapshot", base_manifest=self.old.manifest)
        EdgeShard.unpack_snapshot(self.old.path, self.inputs / "mirror", mirror=True, durable=True)
        self.url = ""

    def serve(self) -> None:
        """Answer what :func:`pull` asks, from the archives."""
        bench = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def send(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the client was interrupted

            def do_GET(self) -> None:
                if self.path.endswith("/snapshot"):
                    return self.send(bench.old.path.read_bytes())
                params = {"vectors": {"size": SIZE, "distance": "Dot"}}
                return self.send(json.dumps({"result": {"config": {"params": params}}}).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send(bench.part.path.read_bytes())

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    # --- the calls: each gets a directory of its own and returns what to check afterwards --------------------

    def create(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        def check() -> None:
            assert set(os.listdir(place)) <= {"a.snapshot"}, os.listdir(place)
            if os.listdir(place):
                EdgeShard.unpack_snapshot(place / "a.snapshot", place / "copy")
                assert_count(place / "copy", POINTS - 10)
            assert_alive(self.source, POINTS - 10)

        return lambda: self.source.create_snapshot(place / "a.snapshot"), check

    def unpack(self, place: Path, *, durable: bool = False) -> tuple[Callable[[], Any], Callable[[], None]]:
        target = place / "deep" / "er" / "target"

        def check() -> None:
            if os.listdir(place):
                assert os.listdir(place / "deep") == ["er"], os.listdir(place / "deep")
                assert os.listdir(place / "deep" / "er") == ["target"], os.listdir(place / "deep" / "er")
                assert_count(target, POINTS)

        return lambda: EdgeShard.unpack_snapshot(self.old.path, target, durable=durable), check

    def unpack_durable(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        return self.unpack(place, durable=True)

    def unpack_into(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        (place / "mine").write_text("kept")

        def check() -> None:
            assert (place / "mine").read_text() == "kept"
            if set(os.listdir(place)) != {"mine"}:
                assert_count(place, POINTS)

        return lambda: EdgeShard.unpack_snapshot(self.old.path, place), check

    def apply(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        return self.refresh(place, lambda shard: shard.update_from_snapshot(self.part.path))

    def apply_full(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        return self.refresh(place, lambda shard: shard.update_from_snapshot(self.new.path))

    def refresh(self, place: Path, call: Callable[[EdgeShard], Any]) -> tuple[Callable[[], Any], Callable[[], None]]:
        shutil.copytree(self.inputs / "mirror", place / "mirror")
        shard = EdgeShard.load(place / "mirror")

        def check() -> None:
            left = {name for name in os.listdir(shard.path) if name.startswith(".")} - OWN_NAMES
            assert not left, left
            assert_alive(shard, POINTS, POINTS - 10)
            shard.close()
            assert_count(place / "mirror", POINTS, POINTS - 10)

        return lambda: call(shard), check

    def pull_new(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        def check() -> None:
            assert set(os.listdir(place)) <= {"mirror"}, os.listdir(place)
            if os.listdir(place):
                assert_count(place / "mirror", POINTS)

        return lambda: pull(place / "mirror", self.url, "things"), check

    def pull_changes(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        return self.refresh(place, lambda shard: pull(shard, self.url, "things"))

    def pull_path(self, place: Path) -> tuple[Callable[[], Any], Callable[[], None]]:
        shutil.copytree(self.inputs / "mirror", place / "mirror")

        def check() -> None:
            assert os.listdir(place) == ["mirror"]
            assert_count(place / "mirror", POINTS, POINTS - 10)
            left = {name for name in os.listdir(place / "mirror") if name.startswith(".")} - OWN_NAMES
            assert not left, left

        return lambda: pull(place / "mirror", self.url, "things"), check


def assert_count(path: Path, *expected: int) -> None:
    with EdgeShard.load(path) as shard:
        assert_alive(shard, *expected)


def assert_alive(shard: EdgeShard, *expected: int) -> None:
    """It answers, takes a write and gives it back."""
    found = shard.count(edgeshard.CountRequest())
    assert found in expected, found
    point = edgeshard.Point(POINTS + 1, [0.5] * SIZE, {"alive": True})
    shard.update(UpdateOperation.upsert_points([point]))
    assert shard.retrieve([POINTS + 1])[0].payload == {"alive": True}
    shard.update(UpdateOperation.delete_points([POINTS + 1]))


def interrupted(call: Callable[[], Any], delay: float) -> bool:
    """Send Ctrl-C into a call after some seconds; whether it was done before."""
    done = False

    def send() -> None:
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    try:
        sender.start()
        call()
        done = True
        for _ in range(6000):  # the signal comes, however slow the machine is
            time.sleep(0.01)
    except KeyboardInterrupt:
        sender.join()
        return done
    raise AssertionError("the interruption was swallowed")


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background starts without
    root, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    bench = Bench(root)
    bench.serve()
    for name in sys.argv[4:]:
        finished = repeat(bench, name, rounds, random.Random(seed))
        print(name, "interrupted", rounds - finished, "finished", finished, flush=True)
    bench.source.close()


def repeat(bench: Bench, name: str, rounds: int, instants: random.Random) -> int:
    """Interrupt one call again and again; how often it was done before the signal came."""
    prepare = getattr(bench, name)
    took, finished = 0.0, 0
    for number in range(rounds + 2):
        place = bench.root / f"round-{number}"
        place.mkdir()
        call, check = prepare(place)
        if number < 2:  # how long it takes on this machine
            started = time.monotonic()
            call()
            took = time.monotonic() - started
        else:
            delay = instants.uniform(0, took * 1.1)
            try:
                finished += interrupted(call, delay)
                check()
            except BaseException as error:
                error.add_note(f"{name}, round {number}, interrupted after {delay:.6f} of {took:.6f} s")
                raise
        shutil.rmtree(place)
    return finished


if __name__ == "__main__":
    main()
