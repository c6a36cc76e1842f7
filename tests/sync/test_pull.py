"""Pulling from a loopback server that serves a real shard, with and without failures."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import qdrant_edge
from small_shards import content, copy_shard, small_config, upsert

import edgeshard
from edgeshard import DivergedError, EdgeShard, SnapshotError, StorageError, SyncError
from edgeshard.sync import RetryPolicy, pull
from edgeshard.sync.check import check_collection
from edgeshard.sync.downloads import download_directory

KEY = "secret"
QUICK = RetryPolicy(attempts=4, first_delay=0.01, max_delay=0.2)
SUPPORT = Path(__file__).parent.parent / "support"


class Server:
    """A running loopback server."""

    def __init__(self, path: Path) -> None:
        script = SUPPORT / "loopback_server.py"
        self._process = subprocess.Popen([sys.executable, script, path, KEY], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def fail(self, *failures: dict[str, Any]) -> None:
        httpx.post(f"{self.url}/control", json=list(failures)).raise_for_status()

    def update(self, ids: list[int], tag: str) -> None:
        httpx.post(f"{self.url}/update", json={"upsert": ids, "tag": tag}).raise_for_status()

    @property
    def log(self) -> list[str]:
        return list(httpx.get(f"{self.url}/log").json()["result"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed shard: an optimised segment and an appendable one. Not to be changed."""
    path = tmp_path_factory.mktemp("source") / "shard"
    shard = qdrant_edge.EdgeShard.create(str(path), small_config(qdrant_edge))
    shard.update(upsert(qdrant_edge, range(200), "old"))
    shard.optimize()
    shard.update(upsert(qdrant_edge, range(200, 210), "old"))
    shard.close()
    return path


@pytest.fixture
def server(source: Path, tmp_path: Path) -> Iterator[Server]:
    copy_shard(source, tmp_path / "served")
    running = Server(tmp_path / "served")
    yield running
    running.stop()


def fetch(shard: Any, server: Server, **options: Any) -> Any:
    return pull(shard, server.url, "things", api_key=KEY, retry=options.pop("retry", QUICK), **options)


def tags(shard: EdgeShard | Path) -> dict[int, str]:
    if isinstance(shard, Path):
        with EdgeShard.load(shard) as opened:
            return tags(opened)
    return {point_id: payload["tag"] for point_id, (payload, _) in content(shard).items()}


def test_restore_refresh_and_nothing_new(server: Server, tmp_path: Path) -> None:
    mirror = tmp_path / "deep" / "mirror"
    heard: list[tuple[int, int | None]] = []
    assert fetch(mirror, server, progress=lambda done, total: heard.append((done, total))).outcome == "restored"
    assert len(tags(mirror)) == 210
    assert heard == sorted(heard)
    server.update([5, 300], "new")
    result = fetch(mirror, server)
    assert (result.outcome, tags(mirror)[5], tags(mirror)[300]) == ("updated", "new", "new")
    with EdgeShard.load(mirror) as shard:
        server.update([6, 301], "newer")
        assert fetch(shard, server).outcome == "updated"
        assert tags(shard)[301] == "newer"
        for _ in range(2):
            assert fetch(shard, server).outcome in ("up_to_date", "updated")
    assert os.listdir(tmp_path / "deep") == ["mirror"]
    assert not [name for name in os.listdir(mirror) if name.startswith(".")]


def test_304_leaves_the_mirror_alone(server: Server, tmp_path: Path) -> None:
    fetch(tmp_path / "mirror", server)
    fetch(tmp_path / "mirror", server)
    result = fetch(tmp_path / "mirror", server)
    assert (result.outcome, result.received_bytes) == ("up_to_date", 0)


@pytest.mark.parametrize(
    "failure",
    [
        {"kind": "cut", "share": 0.5},
        {"kind": "cut", "share": 0.0},
        {"kind": "clean_cut", "share": 0.5},
        {"kind": "clean_cut", "share": 0.0},
        {"kind": "wrong_length"},
        {"kind": "slow"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("twice", [False, True])
def test_passing_failures_are_tried_again(failure: dict[str, Any], twice: bool, server: Server, tmp_path: Path) -> None:
    server.fail(*[failure] * (1 + twice))
    assert fetch(tmp_path / "mirror", server).outcome == "restored"
    assert len(tags(tmp_path / "mirror")) == 210
    server.update([5], "new")
    server.fail(*[failure] * (1 + twice))
    assert fetch(tmp_path / "mirror", server).outcome == "updated"
    assert tags(tmp_path / "mirror")[5] == "new"


@pytest.mark.parametrize("kind", ["cut", "clean_cut"])
def test_lasting_failures_leave_the_mirror_as_it_was(kind: str, server: Server, tmp_path: Path) -> None:
    server.fail(*[{"kind": kind, "share": 0.6}] * 9)
    with pytest.raises(SyncError, match="may help") as caught:
        fetch(tmp_path / "mirror", server)
    assert caught.value.retryable
    assert not (tmp_path / "mirror").exists()
    server.fail()
    fetch(tmp_path / "mirror", server)
    server.update([5], "new")
    server.fail(*[{"kind": kind, "share": 0.6}] * 9)
    with EdgeShard.load(tmp_path / "mirror") as shard:
        with pytest.raises(SyncError):
            fetch(shard, server)
        assert tags(shard)[5] == "old"
        server.fail()
        fetch(shard, server)
        assert tags(shard)[5] == "new"


def test_a_hanging_server_runs_into_the_time_limit(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "hang", "seconds": 20})
    started = time.monotonic()
    assert fetch(tmp_path / "mirror", server, timeout=3).outcome == "restored"
    assert time.monotonic() - started < 18


def test_retry_after_is_kept(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "status", "status": 429, "headers": {"Retry-After": "1"}})
    started = time.monotonic()
    fetch(tmp_path / "mirror", server, retry=RetryPolicy(attempts=2, first_delay=0.01))
    assert time.monotonic() - started >= 1


def test_stored_snapshots_go_on_where_they_broke_off(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "cut", "share": 0.5}, {"kind": "cut", "share": 0.5})
    assert fetch(tmp_path / "mirror", server, via="stored").outcome == "restored"
    assert len(tags(tmp_path / "mirror")) == 210
    ranges = [line.split("bytes=")[1] for line in server.log if "bytes=" in line]
    assert len(ranges) == 2
    assert int(ranges[0][:-1]) > 0
    assert any(line.startswith("DELETE") for line in server.log)


@pytest.mark.parametrize(
    ("change", "status", "rule"),
    [
        ({"api_key": "wrong"}, 401, "API key is missing or wrong"),
        ({"collection": "other"}, 404, "no such collection or shard"),
        ({"shard_id": 7}, 404, "no such collection or shard"),
        ({"url": "ftp://127.0.0.1"}, None, "cannot talk"),
        ({"url": "no url"}, None, "cannot talk"),
    ],
)
def test_hopeless_requests_are_not_repeated(
    change: dict[str, Any], status: int | None, rule: str, server: Server, tmp_path: Path
) -> None:
    where = {"url": server.url, "collection": "things", "api_key": KEY, **change}
    with pytest.raises(SyncError, match=rule) as caught:
        pull(tmp_path / "mirror", retry=QUICK, **where)
    assert (caught.value.retryable, caught.value.status) == (False, status)
    assert not (tmp_path / "mirror").exists()


def test_an_absent_server_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(SyncError, match="cannot talk") as caught:
        pull(tmp_path / "mirror", "http://127.0.0.1:9", "things", retry=QUICK)
    assert caught.value.retryable


def test_rights(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "status", "status": 403})
    with pytest.raises(SyncError, match="read-only key") as caught:
        fetch(tmp_path / "mirror", server)
    assert not caught.value.retryable


def test_garbage_is_refused(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "garbage"})
    with pytest.raises(SnapshotError):
        fetch(tmp_path / "mirror", server)
    assert not (tmp_path / "mirror").exists()


def test_other_vectors_are_noticed_before_the_transfer(server: Server, tmp_path: Path) -> None:
    with EdgeShard.create(tmp_path / "local", small_config(edgeshard, size=9)) as shard:
        with pytest.raises(SyncError, match="other vectors") as caught:
            fetch(shard, server)
        assert not caught.value.retryable
    assert not any("snapshot" in line for line in server.log)


@pytest.mark.parametrize("datatype", ["float32", "float16", "uint8", "turbo4"])
def test_datatypes_are_those_of_the_server(datatype: str) -> None:
    params = edgeshard.EdgeVectorParams(
        size=4, distance=edgeshard.Distance.Dot, datatype=edgeshard.VectorStorageDatatype[datatype.capitalize()]
    )
    config = edgeshard.EdgeConfig(vectors={"v": params})
    check_collection(config, {"vectors": {"v": {"size": 4, "distance": "Dot", "datatype": datatype}}})
    other = "float16" if datatype == "float32" else "float32"
    with pytest.raises(SyncError, match="other vectors"):
        check_collection(config, {"vectors": {"v": {"size": 4, "distance": "Dot", "datatype": other}}})


def test_a_manifest_the_server_does_not_read_is_left_out(server: Server, tmp_path: Path) -> None:
    fetch(tmp_path / "mirror", server)
    server.update([5], "new")
    server.fail({"kind": "status", "status": 413})
    assert fetch(tmp_path / "mirror", server).outcome == "updated"
    assert tags(tmp_path / "mirror")[5] == "new"


def test_a_server_that_went_back_to_an_earlier_state(server: Server, source: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    fetch(mirror, server)
    for number in range(3):
        server.update([number, 300 + number], "undone")
    fetch(mirror, server)
    copy_shard(source, tmp_path / "served")
    server.update([10], "new")
    assert fetch(mirror, server).outcome == "updated"
    assert {name for name, tag in tags(mirror).items() if tag != "old"} == {10}
    copy_shard(source, tmp_path / "served")
    server.update([20], "new")
    assert fetch(mirror, server).outcome == "up_to_date"  # the versions are those of before
    assert fetch(mirror, server, full=True).outcome == "updated"
    assert {name for name, tag in tags(mirror).items() if tag != "old"} == {20}


def test_local_writes_are_not_given_up_silently(server: Server, tmp_path: Path) -> None:
    fetch(tmp_path / "mirror", server)
    with EdgeShard.load(tmp_path / "mirror") as shard:
        shard.update(upsert(edgeshard, [1], "local"))
        with pytest.raises(DivergedError, match="force=True"):
            fetch(shard, server)
        assert tags(shard)[1] == "local"
        assert fetch(shard, server, force=True).outcome == "updated"
        assert tags(shard)[1] == "old"


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(SyncError, match=r"pip install 'edgeshard\[sync\]'"):
        pull(tmp_path / "mirror", "http://127.0.0.1:9", "things")


def test_errors_can_be_pickled() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(SyncError("x", retryable=True, status=503, retry_after=2.0)))
    assert (str(error), error.retryable, error.status, error.retry_after) == (
        "x (trying again later may help)", True, 503, 2.0,
    )  # fmt: skip


def test_a_stored_snapshot_that_stays_is_warned_of(server: Server, tmp_path: Path) -> None:
    server.fail({"kind": "slow"}, {"kind": "status", "status": 500})
    with pytest.warns(edgeshard.EdgeShardWarning, match="stays on the server"):
        assert fetch(tmp_path / "mirror", server, via="stored").outcome == "restored"
    assert len([line for line in server.log if line.startswith("DELETE")]) == 1


def test_a_stored_snapshot_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    """The server says nothing while it makes one, and keeps those that nobody waits for any more."""
    server.fail({"kind": "making", "seconds": 3})
    assert fetch(tmp_path / "mirror", server, via="stored", timeout=1.5).outcome == "restored"
    server.fail({"kind": "making", "status": 504})
    with pytest.raises(SyncError, match="504") as caught:
        fetch(tmp_path / "other", server, via="stored")
    assert caught.value.retryable
    assert len([line for line in server.log if line.startswith("POST")]) == 2
    server.fail({"kind": "making", "status": 503})
    assert fetch(tmp_path / "other", server, via="stored").outcome == "restored"


@pytest.mark.parametrize("deep", ["mirror", "a/b/mirror"])
def test_a_failed_restore_leaves_nothing(deep: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    server.fail({"kind": "garbage"}, {"kind": "status", "status": 400})
    for error in (SnapshotError, SyncError):
        with pytest.raises(error):
            fetch(tmp_path / "room" / deep, server)
        assert not os.listdir(tmp_path / "room")


def test_downloads_of_killed_processes_go_with_the_next(server: Server, tmp_path: Path) -> None:
    (tmp_path / "room" / ".mirror.pull-dead").mkdir(parents=True)
    (tmp_path / "room" / ".mirror.pull-dead" / "full.snapshot").write_bytes(b"x")
    fetch(tmp_path / "room" / "mirror", server)
    assert os.listdir(tmp_path / "room") == ["mirror"]


def test_two_downloads_to_one_place_do_not_disturb_each_other(tmp_path: Path) -> None:
    with download_directory(tmp_path, ".mirror.pull-") as one:
        (one / "full.snapshot").write_bytes(b"x")
        with download_directory(tmp_path, ".mirror.pull-") as two:
            assert one != two
        assert os.listdir(tmp_path) == [one.name]
    assert not os.listdir(tmp_path)


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write the download.*No space"), download_directory(tmp_path, ".x-"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(SyncError), download_directory(tmp_path, ".x-"):
        raise SyncError("injected", retryable=True)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot download to"), download_directory(tmp_path / "file", ".x-"):
        raise AssertionError("made below a file")
