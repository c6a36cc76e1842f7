"""Work of a thread of low priority that must not be slow: whoever holds a shard's lock keeps its readers waiting.

While other programs want the processors, a thread of low priority gets a small part of one; if it holds the lock then,
readers wait for seconds. Raising a priority again is for administrators, so a thread that never lowered its own does
what is urgent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

_T = TypeVar("_T")


class Urgent(Protocol):
    """Carries out a call that must not wait, and returns what it returns."""

    def __call__(self, call: Callable[[], _T]) -> _T:
        """Carry out a call."""


def at_once(call: Callable[[], _T]) -> _T:
    """Where the thread itself is not slow."""
    return call()


class _Asked(Generic[_T]):
    """A call that another thread carries out."""

    __slots__ = ("_call", "_done", "_error", "_result")

    def __init__(self, call: Callable[[], _T]) -> None:
        self._call: Callable[[], _T] | None = call
        self._done = threading.Lock()
        self._done.acquire()
        self._error: BaseException | None = None
        self._result: list[_T] = []

    def run(self) -> None:
        """What the other thread does."""
        try:
            assert self._call is not None
            self._result.append(self._call())
        except BaseException as error:
            self._error = error
        self._call = None  # it keeps the shard alive
        self._done.release()

    def result(self) -> _T:
        """Wait, and return or raise what the call did."""
        self._done.acquire()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return self._result.pop()


class Helper:
    """A thread that carries out calls for the one that makes it, at the priority that one has by then.

    Where the system has no thread to give, calls are carried out by the caller.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Asked[Any] | None] = SimpleQueue()
        self._started = True
        try:
            threading.Thread(target=self._run, name="edgeshard-optimize-urgent", daemon=True).start()
        except RuntimeError:
            self._started = False

    def __call__(self, call: Callable[[], _T]) -> _T:
        """Carry out a call in the thread, and wait for it."""
        if not self._started:
            return call()
        asked = _Asked(call)
        self._calls.put(asked)
        return asked.result()

    def close(self) -> None:
        """Let the thread end."""
        self._calls.put(None)

    def _run(self) -> None:
        while (asked := self._calls.get()) is not None:
            asked.run()
            del asked  # while it waits for the next call, nothing of this one stays
