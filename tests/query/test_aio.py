"""The asynchronous twin."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import threading
from pathlib import Path

import pytest

import edgeshard as m
from edgeshard import aio

CONFIG = m.EdgeConfig(vectors=m.EdgeVectorParams(2, m.Distance.Dot))


def public(cls: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(cls) if not name.startswith("_")}


def test_every_method_has_a_twin_with_the_same_arguments() -> None:
    assert public(aio.EdgeShard) == public(m.EdgeShard) | {"refresh"}
    for name in public(m.EdgeShard) - {"path", "config", "create", "load"}:
        theirs = inspect.signature(getattr(m.EdgeShard, name))
        ours = inspect.signature(getattr(aio.EdgeShard, name))
        assert list(ours.parameters.values()) == list(theirs.parameters.values()), name
        assert inspect.iscoroutinefunction(getattr(aio.EdgeShard, name)), name


def test_reads_and_updates_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.EdgeShard.create(tmp_path / "shard", CONFIG, threads=2) as shard:
            ops = m.UpdateOperation
            await asyncio.gather(*(shard.update(ops.upsert_points([m.Point(1, [n, 1], {"n": n})])) for n in range(50)))
            (record,) = await shard.retrieve([1])
            assert record.payload == {"n": 49}  # in the order they were called
            request = m.QueryRequest(limit=1, query=m.Query.Nearest([1, 0]))
            answers = await asyncio.gather(*(shard.query(request) for _ in range(20)))
            assert all(answer[0].score == 49.0 for answer in answers)
            assert await shard.count(m.CountRequest()) == 1
            ids, _ = await shard.query_arrays([1.0, 0.0], limit=1)
            assert ids.tolist() == [1]
            assert shard.path == tmp_path / "shard"
        with pytest.raises(m.ClosedError):
            await shard.count(m.CountRequest())
        await shard.close()
        async with await aio.EdgeShard.load(tmp_path / "shard") as again:
            assert (await again.info()).points_count == 1

    asyncio.run(main())


def test_an_error_while_opening_leaves_no_threads(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(m.StorageError):
            await aio.EdgeShard.load(tmp_path / "missing")

    asyncio.run(main())


def test_reads_go_on_beside_an_optimisation_whatever_the_number_of_readers(tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def pause(step: str, share: float) -> None:
        started.set()
        assert go_on.wait(30)

    async def main() -> None:
        config = m.EdgeConfig(vectors=CONFIG.vectors, optimizers=m.EdgeOptimizersConfig(indexing_threshold=1))
        async with await aio.EdgeShard.create(tmp_path / "shard", config, threads=1) as shard:
            points = [m.Point(n, [n, 1], {}) for n in range(300)]
            await shard.update(m.UpdateOperation.upsert_points(points))
            optimising = asyncio.ensure_future(shard.optimize(on_progress=pause))
            await asyncio.to_thread(started.wait, 30)
            try:
                assert await asyncio.wait_for(shard.count(m.CountRequest()), 20) == 300
            finally:
                go_on.set()
            assert await optimising

    asyncio.run(main())


def test_a_reader_follows_its_writer(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.EdgeShard.create(tmp_path / "shard", CONFIG) as writer:
            with pytest.raises(m.ValidationError, match="read_only"):
                await writer.refresh()
            async with await aio.EdgeShard.load(tmp_path / "shard", read_only=True) as reader:
                assert not await reader.refresh()
                await writer.update(m.UpdateOperation.upsert_points([m.Point(1, [1, 2], {})]))
                await writer.flush()
                assert await reader.refresh()
                assert await reader.count(m.CountRequest()) == 1

    asyncio.run(main())


def test_a_forked_child_is_refused_at_once(tmp_path: Path) -> None:
    async def opened() -> aio.EdgeShard:
        shard = await aio.EdgeShard.create(tmp_path, CONFIG)
        await shard.update(m.UpdateOperation.upsert_points([m.Point(1, [1.0, 2.0])]))
        assert await shard.count(m.CountRequest()) == 1
        return shard

    async def in_child(shard: aio.EdgeShard) -> None:
        calls = (shard.count(m.CountRequest()), shard.flush(), shard.optimize())
        for call in calls:
            with pytest.raises(m.ForkedShardError):
                await call
        await shard.close()

    async def in_parent(shard: aio.EdgeShard) -> None:
        assert await shard.count(m.CountRequest()) == 1
        await shard.close()

    shard = asyncio.run(opened())
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(20)  # the threads of the parent's pools are not here: a call handed to them never ends
            asyncio.run(in_child(shard))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    asyncio.run(in_parent(shard))
