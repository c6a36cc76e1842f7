"""An optimisation that runs beside the rest of the program, at low priority."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from edgeshard._native import CallLock
from edgeshard.errors import BackgroundOptimizeWarning, CancelledError, ForkedShardError, ReentrantCallError
from edgeshard.shard.optimizer.urgent import Helper, Urgent
from edgeshard.shard.threads import started

NICENESS = 10
"""Of the thread: it gets about a tenth of a processor that others want. More would keep readers waiting while it holds
the interpreter's lock."""

Work = Callable[[Callable[[str, float], None], Callable[[], bool], Urgent], bool]
"""What runs: told where to report progress, whom to ask whether to stop, and who does what keeps others waiting."""


class BackgroundOptimize(Future[bool]):
    """What :meth:`EdgeShard.optimize` returns with ``background=True``: a :class:`concurrent.futures.Future`.

    ``result()`` waits and returns whether anything was done, or raises what went wrong; ``await
    asyncio.wrap_future(handle)`` does so in a coroutine. An error that nobody asks for becomes a
    :class:`BackgroundOptimizeWarning` when the handle is thrown away.
    """

    def __init__(self, locks: Iterable[CallLock]) -> None:
        super().__init__()
        self._locks = tuple(locks)
        self._stop = threading.Event()
        self._asked = False
        self._pid = os.getpid()
        self._progress = ("", 0.0)
        self._thread: threading.Thread | None = None

    @property
    def progress(self) -> tuple[str, float]:
        """The step it is at and the share of that step that is done, 0 to 1; ``("", 0.0)`` before the first."""
        return self._progress

    def cancel(self) -> bool:
        """Ask it to stop; the shard is then as it was before the task it is at, and ``result()`` raises CancelledError.

        Returns:
            Whether there was still something to stop.
        """
        self._stop.set()
        return not self.done()

    def result(self, timeout: float | None = None) -> bool:
        """Whether anything was done, once it is over.

        Args:
            timeout: seconds to wait, None for as long as it takes.

        Raises:
            TimeoutError: it is not over yet (``concurrent.futures.TimeoutError`` before Python 3.11).
            CancelledError: it was cancelled, or the shard was closed.
            StorageError: the disk refused; the shard is as it was before the task that failed.
            ReentrantCallError: by a thread for which the optimisation waits: its own, or one in the middle of a call of
                the same shard, as in ``on_progress`` of another optimisation.
            ForkedShardError: in a forked child, which does not have the thread that optimises.
        """
        self._refuse_endless("wait for its own end")
        try:
            return super().result(timeout)
        finally:
            self._asked = self.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What went wrong, None if nothing; waits as :meth:`result`."""
        self._refuse_endless("wait for its own end")
        try:
            return super().exception(timeout)
        finally:
            self._asked = self.done()

    def _refuse_endless(self, what: str) -> None:
        """Raise where waiting would be for ever: in the thread that optimises, in one that holds what this needs to go
        on, and in a forked child."""
        if self.done():
            return
        if os.getpid() != self._pid:
            raise ForkedShardError(
                f"this optimisation runs in process {self._pid}: process {os.getpid()} cannot wait for it; ask there"
            )
        if threading.current_thread() is self._thread:
            raise ReentrantCallError(
                f"an optimisation in the background cannot {what}, as its on_progress or cancel just asked for: "
                "let them set a flag, and do that in another thread"
            )
        for lock in self._locks:
            lock.check_outside()

    def __del__(self) -> None:
        if self.done() and not self._asked:
            error = super().exception()
            if error is not None and not isinstance(error, CancelledError):
                warnings.warn(
                    f"optimize(background=True) failed, nobody asked for its result: {type(error).__name__}: {error}",
                    BackgroundOptimizeWarning,
                    stacklevel=1,
                    source=self,
                )


def start(
    work: Work,
    *,
    cancelled: Callable[[], bool],
    on_progress: Callable[[str, float], None] | None,
    locks: Iterable[CallLock],
) -> BackgroundOptimize:
    """Run something in a thread of low priority.

    Args:
        work: called once, in the thread.
        cancelled: asked besides the handle.
        on_progress: told besides the handle, in the thread.
        locks: what it takes: who holds one of them cannot wait for it.
    """
    handle = BackgroundOptimize(locks)

    def progress(step: str, share: float) -> None:
        handle._progress = (step, share)
        if on_progress is not None:
            on_progress(step, share)

    def run() -> None:
        helper = Helper()  # before the priority is lowered
        lower_priority()
        try:
            done = work(progress, lambda: handle._stop.is_set() or cancelled(), helper)
        except BaseException as error:
            handle.set_exception(error)
        else:
            handle.set_result(done)
        finally:
            helper.close()

    handle.set_running_or_notify_cancel()
    handle._thread = threading.Thread(target=run, name="edgeshard-optimize", daemon=True)
    started(handle._thread.start, "optimises in the background")
    return handle


def stop(handle: BackgroundOptimize) -> None:
    """Cancel and wait until it is over; its outcome stays for whoever asks the handle.

    Raises:
        ReentrantCallError: by the thread that optimises, or one in the middle of a call of the same shard.
    """
    handle._refuse_endless("close its shard")
    handle.cancel()
    done = threading.Event()
    handle.add_done_callback(lambda _: done.set())
    done.wait()


def lower_priority() -> None:
    """Let other threads go first, where the system can say that of one thread."""
    if sys.platform == "darwin":
        if hasattr(os, "PRIO_DARWIN_THREAD"):  # Python 3.12
            os.setpriority(os.PRIO_DARWIN_THREAD, 0, os.PRIO_DARWIN_BG)
    elif sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
