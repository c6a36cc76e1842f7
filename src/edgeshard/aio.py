"""The asynchronous twin of a shard: the same methods, run in threads of its own.

::

    from edgeshard.aio import EdgeShard

    async with await EdgeShard.load("notes") as shard:
        points = await shard.query(QueryRequest(limit=10, query=Query.Nearest(vector)))

A call that is cancelled stops being waited for; what runs in its thread ends by itself. Updates are carried out in the
order in which they were called.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload
from uuid import UUID

from edgeshard.errors import ValidationError
from edgeshard.models.config import EdgeConfig
from edgeshard.models.requests import (
    CountRequest,
    FacetRequest,
    QueryBatchRequest,
    QueryRequest,
    ScrollRequest,
    SearchRequest,
)
from edgeshard.models.results import FacetResponse, Record, ScoredPoint, ShardInfo
from edgeshard.models.updates import UpdateOperation
from edgeshard.shard.shard import EdgeShard as SyncShard
from edgeshard.shard.shard import PointId
from edgeshard.storage.files import PathLike

if TYPE_CHECKING:
    import threading

    import numpy as np
    import numpy.typing as npt

    from edgeshard.models.aliases import WithPayloadType, WithVectorType
    from edgeshard.models.filters import Filter
    from edgeshard.models.groups import (
        GroupRequest,
        PointGroup,
        SearchMatrixOffsets,
        SearchMatrixPair,
        SearchMatrixRequest,
    )
    from edgeshard.models.params import SearchParams
    from edgeshard.models.plans import StagePlan
    from edgeshard.models.ranking import OrderBy
    from edgeshard.query.recall import RecallReport
    from edgeshard.shard.optimizer.background import BackgroundOptimize
    from edgeshard.shard.snapshot.create import SnapshotInfo
    from edgeshard.shard.snapshot.limits import SnapshotLimits

__all__ = ["EdgeShard"]

T = TypeVar("T")


class EdgeShard:
    """A shard whose methods are coroutines; see :class:`edgeshard.EdgeShard` for what each does and raises.

    Open one with ``await EdgeShard.create(...)`` or ``await EdgeShard.load(...)``; use it as an asynchronous context
    manager or ``await`` :meth:`close`. Reads run beside one another in up to ``threads`` threads.
    """

    __slots__ = ("_optimiser", "_readers", "_shard", "_writer")

    _optimiser: ThreadPoolExecutor
    _readers: ThreadPoolExecutor
    _writer: ThreadPoolExecutor
    _shard: SyncShard

    def __init__(self, *arguments: NoReturn, **settings: NoReturn) -> None:  # so that a checker refuses them, too
        raise TypeError("cannot create 'EdgeShard' instances: await EdgeShard.create(path, config) or .load(path)")

    @classmethod
    async def _open(cls, threads: int | None, make: Callable[[], SyncShard]) -> EdgeShard:
        if threads is not None and threads < 1:
            raise ValueError(f"threads: expected at least 1, got {threads}")
        new = object.__new__(cls)
        new._readers = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="edgeshard-read")
        new._writer = ThreadPoolExecutor(1, thread_name_prefix="edgeshard-write")
        new._optimiser = ThreadPoolExecutor(1, thread_name_prefix="edgeshard-optimize")
        try:
            new._shard = await asyncio.get_running_loop().run_in_executor(new._writer, make)
        except BaseException:
            new._shut_down()
            raise
        return new

    @classmethod
    async def create(cls, path: PathLike, config: EdgeConfig, *, threads: int | None = None) -> EdgeShard:
        """A new shard in a directory that holds none; `threads` may read at once, None for one per core."""
        return await cls._open(threads, lambda: SyncShard.create(path, config))

    @classmethod
    async def load(
        cls,
        path: PathLike,
        config: EdgeConfig | None = None,
        *,
        wait: float = 0.0,
        verify: Literal["fast", "full"] | None = "fast",
        read_only: bool = False,
        threads: int | None = None,
    ) -> EdgeShard:
        """Open an existing shard; `threads` may read at once, None for one per core."""
        return await cls._open(
            threads, lambda: SyncShard.load(path, config, wait=wait, verify=verify, read_only=read_only)
        )

    @staticmethod
    async def check(
        path: PathLike,
        level: Literal["fast", "full"] = "full",
        *,
        on_progress: Callable[[str, float], None] | None = None,
    ) -> list[str]:
        """What is wrong with a shard on disk, one line each; changes nothing."""
        return await asyncio.to_thread(SyncShard.check, path, level, on_progress=on_progress)

    @staticmethod
    async def repair(path: PathLike, *, on_progress: Callable[[str, float], None] | None = None) -> list[str]:
        """Repair a shard that nobody has open; what was done, one line each."""
        return await asyncio.to_thread(SyncShard.repair, path, on_progress=on_progress)

    async def verify(
        self, level: Literal["fast", "full"] = "full", *, on_progress: Callable[[str, float], None] | None = None
    ) -> list[str]:
        """What is wrong with the open shard, one line each."""
        return await self._read(self._shard.verify, level, on_progress=on_progress)

    # --- life cycle --------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Make every update so far survive a power loss."""
        await self._write(self._shard.flush)

    async def refresh(self) -> bool:
        """Follow the writer of a shard loaded with ``read_only=True`` to its last flush; whether there was a later one.

        Raises:
            ValidationError: the shard was loaded to be changed.
        """
        from edgeshard.shard.reader import ReadOnlyShard

        if not isinstance(self._shard, ReadOnlyShard):
            raise ValidationError("refresh: only a shard loaded with read_only=True follows a writer")
        return await self._write(self._shard.refresh)

    async def close(self) -> None:
        """Flush, let go of the directory and end the threads. Closing twice is fine."""
        if os.getpid() != self._shard._store.pid:
            self._shard.close()  # only in memory; the threads are those of the parent
            return
        await self._write(self._shard.close)
        self._shut_down()

    async def __aenter__(self) -> EdgeShard:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio {self._shard!r:.200}>"

    @property
    def path(self) -> Path:
        """The directory of the shard."""
        return self._shard.path

    @property
    def config(self) -> EdgeConfig:
        """The configuration in force."""
        return self._shard.config

    # --- changing ----------------------------------------------------------------------------------------

    async def update(self, operation: UpdateOperation) -> None:
        """Apply one operation whole, or not at all."""
        await self._write(self._shard.update, operation)

    @overload
    async def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: Literal[False] = False,
    ) -> bool: ...

    @overload
    async def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: Literal[True],
    ) -> BackgroundOptimize: ...

    @overload
    async def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: bool,
    ) -> bool | BackgroundOptimize: ...

    async def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: bool = False,
    ) -> bool | BackgroundOptimize:
        """Merge small segments and build indexes; updates and reads go on meanwhile.

        In the background at low priority: wait for what is returned with ``await asyncio.wrap_future(handle)``.
        """
        run: Callable[..., bool | BackgroundOptimize] = self._shard.optimize
        settings = {
            "on_progress": on_progress, "cancel": cancel, "threads": threads, "budget_ms": budget_ms,
            "background": background,
        }  # fmt: skip
        return await self._in_thread(self._optimiser, run, (), settings)

    # --- snapshots ---------------------------------------------------------------------------------------

    @staticmethod
    async def unpack_snapshot(
        snapshot_path: PathLike,
        target_path: PathLike,
        *,
        checksum: str | None = None,
        limits: SnapshotLimits | None = None,
        mirror: bool = False,
        durable: bool = False,
    ) -> None:
        """Turn a snapshot archive into a shard directory."""
        await asyncio.to_thread(
            SyncShard.unpack_snapshot,
            snapshot_path,
            target_path,
            checksum=checksum,
            limits=limits,
            mirror=mirror,
            durable=durable,
        )

    async def create_snapshot(
        self,
        path: PathLike,
        *,
        format: Literal["streamable", "regular"] = "streamable",
        base_manifest: dict[str, Any] | None = None,
    ) -> SnapshotInfo:
        """Write the shard as it is now to an archive."""
        return await self._read(self._shard.create_snapshot, path, format=format, base_manifest=base_manifest)

    async def snapshot_manifest(self, base: str | None = None) -> dict[str, Any]:
        """Versions of all files of the shard, by segment."""
        return await self._read(self._shard.snapshot_manifest, base)

    async def update_from_snapshot(
        self,
        snapshot_path: PathLike,
        tmp_dir: PathLike | None = None,
        *,
        force: bool = False,
        checksum: str | None = None,
        limits: SnapshotLimits | None = None,
    ) -> None:
        """Replace what the shard holds by a full snapshot, or bring it up to date by a partial one."""
        await self._write(
            self._shard.update_from_snapshot,
            snapshot_path,
            tmp_dir,
            force=force,
            checksum=checksum,
            limits=limits,
        )

    # --- reading -----------------------------------------------------------------------------------------

    async def retrieve(
        self,
        point_ids: Iterable[PointId],
        with_payload: WithPayloadType | None = None,
        with_vector: WithVectorType | None = None,
    ) -> list[Record]:
        """Points by id, in the order asked for."""
        return await self._read(self._shard.retrieve, point_ids, with_payload, with_vector)

    async def scroll(self, scroll: ScrollRequest) -> tuple[list[Record], int | UUID | None]:
        """Points in id order (or by a payload value), a page at a time."""
        return await self._read(self._shard.scroll, scroll)

    async def count(self, count: CountRequest) -> int:
        """How many points a filter matches."""
        return await self._read(self._shard.count, count)

    async def query(self, query: QueryRequest, *, sort_by: OrderBy | None = None) -> list[ScoredPoint]:
        """The best points for a query."""
        return await self._read(self._shard.query, query, sort_by=sort_by)

    async def query_arrays(
        self,
        vectors: npt.ArrayLike,
        *,
        limit: int,
        using: str | None = None,
        filter: Filter | None = None,
        params: SearchParams | None = None,
        score_threshold: float | None = None,
    ) -> tuple[npt.NDArray[np.uint64] | npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Ids and scores of the nearest points as arrays."""
        return await self._read(
            self._shard.query_arrays,
            vectors,
            limit=limit,
            using=using,
            filter=filter,
            params=params,
            score_threshold=score_threshold,
        )

    async def measure_recall(
        self,
        sample: int | npt.ArrayLike = 100,
        *,
        using: str | None = None,
        limit: int = 10,
        ef: int | None = None,
        filter: Filter | None = None,
        seed: int = 42,
    ) -> RecallReport:
        """How much of the exact answer searches find, and how long both take."""
        return await self._read(
            self._shard.measure_recall, sample, using=using, limit=limit, ef=ef, filter=filter, seed=seed
        )

    async def query_batch(self, request: QueryBatchRequest) -> list[list[ScoredPoint]]:
        """The answers to several queries, in their order."""
        return await self._read(self._shard.query_batch, request)

    async def query_groups(self, request: GroupRequest) -> list[PointGroup]:
        """The best points for a query, grouped by a payload value."""
        return await self._read(self._shard.query_groups, request)

    async def search_matrix_pairs(self, request: SearchMatrixRequest) -> list[SearchMatrixPair]:
        """Random points, each with those of the others that are nearest to it."""
        return await self._read(self._shard.search_matrix_pairs, request)

    async def search_matrix_offsets(self, request: SearchMatrixRequest) -> SearchMatrixOffsets:
        """The same in the form of a sparse matrix."""
        return await self._read(self._shard.search_matrix_offsets, request)

    async def search(self, search: SearchRequest) -> list[ScoredPoint]:
        """The best points for a vector query."""
        return await self._read(self._shard.search, search)

    async def facet(self, facet: FacetRequest) -> FacetResponse:
        """The most frequent values of an indexed payload field."""
        return await self._read(self._shard.facet, facet)

    async def explain(self, query: QueryRequest) -> StagePlan:
        """How a query is carried out."""
        return await self._read(self._shard.explain, query)

    async def info(self) -> ShardInfo:
        """Numbers of segments and points, and the payload indexes."""
        return await self._read(self._shard.info)

    # --- inside ------------------------------------------------------------------------------------------

    async def _read(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self._in_thread(self._readers, method, args, kwargs)

    async def _write(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self._in_thread(self._writer, method, args, kwargs)

    async def _in_thread(
        self, pool: ThreadPoolExecutor, method: Callable[..., T], args: Any, kwargs: dict[str, Any]
    ) -> T:
        self._shard._check_process()  # a forked child has the pools, but not their threads
        if pool._shutdown:
            return method(*args, **kwargs)  # the shard is closed: raises at once
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, lambda: method(*args, **kwargs))

    def _shut_down(self) -> None:
        for pool in (self._readers, self._writer, self._optimiser):
            pool.shutdown(wait=False)
