"""The upkeep of a shard: the part of :class:`~edgeshard.EdgeShard` that optimises, now or in the background."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, overload

from edgeshard.errors import CancelledError

if TYPE_CHECKING:
    from edgeshard._native import CallLock
    from edgeshard.shard.optimizer.background import BackgroundOptimize
    from edgeshard.shard.optimizer.urgent import Urgent
    from edgeshard.shard.store import Store

_starting = threading.RLock()
"""A signal handler may ask for an optimisation while another one is being started."""


class Optimizing:
    """Optimising in the caller's thread or in the background."""

    __slots__ = ("_background",)

    _background: weakref.ref[BackgroundOptimize] | None

    if TYPE_CHECKING:
        _lock: CallLock
        _optimising: CallLock

    def _open_store(self) -> Store:
        """The store, if it is open."""
        raise TypeError("Optimizing is a part of EdgeShard")

    def _check_process(self) -> None:
        """Refuse a forked child."""
        raise TypeError("Optimizing is a part of EdgeShard")

    @overload
    def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: Literal[False] = False,
    ) -> bool: ...

    @overload
    def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: Literal[True],
    ) -> BackgroundOptimize: ...

    @overload
    def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: bool,
    ) -> bool | BackgroundOptimize: ...

    def optimize(
        self,
        *,
        on_progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | threading.Event | None = None,
        threads: int | None = None,
        budget_ms: float | None = None,
        background: bool = False,
    ) -> bool | BackgroundOptimize:
        """Merge small segments, drop deleted points and build indexes, until nothing is left to do.

        Reads and updates by other threads go on meanwhile; changes of the schema, snapshots that are applied and other
        optimisations wait. Ctrl-C and a failure leave the shard as it was before the task they interrupt.

        Args:
            on_progress: called with the name of a step and the share of it that is done, 0 to 1.
            cancel: an event, or a function that is asked now and then whether to stop.
            threads: how many may build, at most 1024; None or 0 for one per core, in the background for one. The
                ``max_indexing_threads`` of the configuration and ``EDGESHARD_THREADS`` may allow fewer.
            budget_ms: no new task is started after this long.
            background: return at once and work in a thread of low priority. Threads beyond the first have the usual
                priority. :meth:`close` and the end of the program cancel it.

        Returns:
            Whether anything was done; in the background a :class:`BackgroundOptimize` (a future of that), the one that
            is running already if there is one.

        Raises:
            CancelledError: ``cancel`` said so.
            StorageError: the disk refused.
            ReentrantCallError: by ``on_progress`` or ``cancel`` of another optimisation of the shard, in the background
                as well: it would wait for the one that asks.
            TypeError: an argument of another kind.
            ValueError: a negative or absurd number of threads, or NaN as a budget.
        """
        from edgeshard.shard.optimizer.arguments import check_budget, check_threads, question
        from edgeshard.shard.optimizer.run import optimise
        from edgeshard.shard.told import carrying, passing_on, telling

        self._check_process()
        self._open_store()
        asked = carrying(question(cancel))
        told, threads, budget_ms = telling(on_progress), check_threads(threads), check_budget(budget_ms)
        if not background:
            with self._optimising.writing():
                return passing_on(
                    lambda: optimise(
                        self._open_store(),
                        self._lock,
                        on_progress=told,
                        cancelled=asked,
                        threads=threads,
                        budget_ms=budget_ms,
                    )
                )

        def work(progress: Callable[[str, float], None], stopped: Callable[[], bool], urgent: Urgent) -> bool:
            def give_up() -> None:
                if stopped():
                    raise CancelledError("the optimisation was cancelled before it began")

            with self._optimising.writing(waiting=give_up):
                return optimise(
                    self._open_store(),
                    self._lock,
                    on_progress=progress,
                    cancelled=stopped,
                    threads=threads or 1,
                    budget_ms=budget_ms,
                    urgent=urgent,
                )

        from edgeshard.shard.optimizer.background import start

        with _starting:
            running = None if self._background is None else self._background()
            if running is None or running.done():
                self._optimising.check_outside()
                locks = (self._optimising, self._lock)
                running = start(
                    lambda *given: passing_on(lambda: work(*given)), cancelled=asked, on_progress=told, locks=locks
                )
                self._background = weakref.ref(running)
            return running

    def _stop_background(self) -> None:
        """Cancel what runs in the background and wait for it."""
        running = None if self._background is None else self._background()
        if running is not None:
            from edgeshard.shard.optimizer.background import stop

            stop(running)
