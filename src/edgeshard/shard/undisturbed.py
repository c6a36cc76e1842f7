"""Calls that Ctrl-C stops where they allow it, and nowhere else.

Python raises ``KeyboardInterrupt``, and whatever else a signal handler raises, between any two instructions of the main
thread: also between taking a lock and the ``try`` that gives it back, and inside of what cleans up. A call that must
leave nothing behind therefore runs in a thread of its own, where no signal handler ever runs, while the main thread
waits. When that is interrupted it asks the call to stop, which does so at its next :func:`pause`, cleans up, and only
then the exception goes on.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

WAKE_SECONDS = 0.1
"""How often the main thread looks for signals: the system may hand one to another thread, which leaves it asleep."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Stopped(BaseException):
    """The main thread was interrupted; raised by :func:`pause` in the call only, never to the caller of it."""


class _Work(Generic[_T]):
    """A call in a thread of its own.

    Args:
        call: what to do there.
    """

    __slots__ = ("_begun", "_call", "_ended", "_error", "_finished", "_result", "stopping")

    def __init__(self, call: Callable[[], _T]) -> None:
        self._call = call
        # Held by whoever came first: the thread, or one who calls it off and, if that is interrupted, does so again.
        self._begun = threading.RLock()
        self._finished = False
        self._ended = threading.Lock()  # held until the call has ended; an Event would cost as much as the thread
        self._ended.acquire()
        self._error: BaseException | None = None
        self._result: list[_T] = []
        self.stopping = False

    def run(self) -> None:
        """What the thread does."""
        if not self._begun.acquire(blocking=False):
            return
        _current.work = self
        try:
            self._result.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            _current.work = None
            self._finished = True
            self._ended.release()

    def wait(self) -> None:
        """Until the call is done."""
        while not self._finished:
            self._ended.acquire(timeout=WAKE_SECONDS)

    def stop(self) -> None:
        """Let the call end soon, and wait until it has."""
        self.stopping = True
        if not self._begun.acquire(blocking=False):
            self.wait()

    def result(self) -> _T:
        """What the call returned, or raise what it raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback holds this object
        return self._result.pop()


class _Current(threading.local):
    work: _Work[Any] | None = None


_current = _Current()


def undisturbed(call: Callable[[], _T], *, joins: bool = False) -> _T:
    """Do something that no signal handler cuts in the middle.

    Args:
        call: runs in another thread if this is the main one, and may end at each :func:`pause` if that is interrupted.
            Threads it starts that the program's end is to wait for must say ``daemon=False``: they do not inherit it.
        joins: it waits for threads of its own. Where a thread that Python does not know does that, Python lists it ever
            after.

    Returns:
        What it returns.

    Raises:
        BaseException: what it raises; or, once it has ended, what a signal handler raised.
    """
    if _thread.get_ident() != threading.main_thread().ident:
        return call()
    work = _Work(call)
    try:
        thread = threading.Thread(target=work.run, name="edgeshard-call", daemon=True) if joins else None
        try:
            if thread is not None:
                thread.start()
            else:
                _thread.start_new_thread(work.run, ())  # start() waits for a Thread to run, and a flush is short
        except RuntimeError:  # none can be started: the interpreter is about to end
            thread = None
            work.run()
        work.wait()
        if thread is not None:
            thread.join()
    except BaseException:
        _stop(work)
        raise
    return work.result()


def _stop(work: _Work[_T]) -> None:
    try:
        work.stop()
    except BaseException:  # a second interruption; the first is on its way
        work.stop()
        raise


def pause() -> None:
    """A place where an undisturbed call may end.

    Raises:
        Stopped: its caller was interrupted.
    """
    if _current.work is not None and _current.work.stopping:
        raise Stopped


def joined(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function for another thread, in which :func:`pause` is to do what it does here."""
    work = _current.work

    def run(*arguments: _P.args, **keywords: _P.kwargs) -> _T:
        _current.work = work
        try:
            return function(*arguments, **keywords)
        finally:
            _current.work = None

    return run
