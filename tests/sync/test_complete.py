"""Answers that are cut off, or are not those of a Qdrant server: noticed, and said to be passing or not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
from archives import BLOCK, END, entry, gnu_sparse, header, pack_full, pax
from small_shards import small_config, upsert

import edgeshard
from edgeshard import EdgeShard, SyncError
from edgeshard.sync import RetryPolicy, pull
from edgeshard.sync.complete import is_complete

LAST = entry("shard_config.json", b"{}")


def complete(tmp_path: Path, data: bytes) -> bool:
    (tmp_path / "a").write_bytes(data)
    return is_complete(tmp_path / "a")


def test_an_archive_cut_anywhere_is_not_complete(tmp_path: Path) -> None:
    """Also inside a file of zeros, where its last bytes look like an end mark."""
    with EdgeShard.create(tmp_path / "shard", small_config(edgeshard)) as shard:
        shard.update(upsert(edgeshard, range(10), "x"))
    data = pack_full(tmp_path / "shard")
    end = data.rindex(b"shard_config.json")
    assert complete(tmp_path, data)
    assert complete(tmp_path, data[: end + 2 * BLOCK])
    for cut in range(0, end + BLOCK, max(end // 97 // BLOCK, 1) * BLOCK):
        assert not complete(tmp_path, data[:cut]), cut
    zeros = entry("zeros", bytes(1 << 16))
    assert not complete(tmp_path, zeros[: 1 << 15])
    assert complete(tmp_path, zeros + END)


@pytest.mark.parametrize(
    "part",
    [
        entry("n" * 200, b"x" * 700),
        gnu_sparse("s", [(i * 1024, b"x" * 512) for i in range(60)], 1 << 20),
        pax([("path", "p"), ("size", "1500")]) + header("p", 0) + bytes(1536),
        header("b", 0, size_field=b"\x80" + (1500).to_bytes(11, "big")) + bytes(1536),
        entry("d/", b"", b"5"),
    ],
    ids=["long name", "sparse", "PAX size", "binary size", "directory"],
)
def test_every_kind_of_entry_is_passed_over(part: bytes, tmp_path: Path) -> None:
    assert complete(tmp_path, part + LAST)
    assert not complete(tmp_path, part)
    assert not complete(tmp_path, (part + LAST)[: len(part) - BLOCK])


def test_what_makes_no_sense_is_left_to_unpacking(tmp_path: Path) -> None:
    assert complete(tmp_path, b"\x07" * 1024)
    assert not complete(tmp_path, b"")


ODD: list[Any] = [None, {}, [], {"config": None}, {"config": {"params": 5}}, {"config": {"params": {"vectors": 5}}},
                  {"config": {"params": {"vectors": {"a": {"size": 4}}}}}]  # fmt: skip


@pytest.mark.parametrize("result", ODD, ids=str)
def test_odd_descriptions_of_a_collection(result: Any, tmp_path: Path) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"result": result}))
    with EdgeShard.create(tmp_path / "mirror", small_config(edgeshard)) as shard:
        with pytest.raises(SyncError, match="not that of a Qdrant server") as caught:
            pull(shard, "http://server", "things", http={"transport": transport})
        assert not caught.value.retryable


@pytest.mark.parametrize("via", ["stream", "stored"])
@pytest.mark.parametrize("status", [304, 404])
def test_nothing_is_restored_from_no_body(via: Any, status: int, tmp_path: Path) -> None:
    transport = httpx.MockTransport(
        lambda request: (
            httpx.Response(200, json={"result": {"name": "a"}})
            if request.method in ("POST", "DELETE")
            else httpx.Response(status)
        )
    )
    with pytest.raises(SyncError, match=str(status)) as caught:
        pull(tmp_path / "m", "http://server", "c", via=via, retry=RetryPolicy(1), http={"transport": transport})
    assert not caught.value.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("via", ["stream", "stored"])
def test_a_proxy_that_compresses_uncalled_for(via: Any, tmp_path: Path) -> None:
    with EdgeShard.create(tmp_path / "shard", small_config(edgeshard)) as shard:
        shard.update(upsert(edgeshard, range(10), "x"))
    data = gzip.compress(pack_full(tmp_path / "shard"))
    ranges: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            return httpx.Response(200, json={"result": {"name": "a"}})
        ranges.append(request.headers.get("Range"))
        if ranges[-1]:
            headers = {"Content-Range": f"{ranges[-1].replace('=', ' ')}9/10", "Content-Encoding": "gzip"}
            return httpx.Response(206, content=data[10:], headers=headers)
        cut = data[: len(data) // 2] if len(ranges) == 1 else data
        return httpx.Response(200, content=cut, headers={"Content-Encoding": "gzip"})

    retry = RetryPolicy(4, 0.01)
    pull(tmp_path / "m", "http://server", "c", via=via, retry=retry, http={"transport": httpx.MockTransport(answer)})
    with EdgeShard.load(tmp_path / "m") as mirror:
        assert mirror.count(edgeshard.CountRequest()) == 10
    assert len(ranges) >= 2


def test_a_stored_snapshot_without_a_name(tmp_path: Path) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"result": True}))
    with pytest.raises(SyncError, match="not that of a Qdrant server"):
        pull(tmp_path / "m", "http://server", "c", via="stored", http={"transport": transport})
