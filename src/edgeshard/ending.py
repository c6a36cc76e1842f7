"""Letting go of shards that nobody closed: when their owner has dropped them, and at the end of the program.

At the end of the program threads may still be in the middle of calls (daemon threads; one whose collector has just
found a dropped shard). So a shard is let go of under its lock, by whoever comes first, and the program's end waits for
that.

The package imports this at once, and the engine only when it is used: what a program registers with :mod:`atexit` after
importing the package runs before, and finds its shards open.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edgeshard._native import CallLock

_open: set[Ending] = set()


class Owner(Protocol):
    """A shard."""

    _lock: CallLock

    def _stop_background(self) -> None:
        """Let what works in the background end, and wait for it."""


class Ending:
    """What is to be done when a shard was not closed.

    Args:
        owner: the shard, which is not kept alive by this.
        let_go: what closes it without another look at the object.
    """

    __slots__ = ("_finalizer", "_let_go", "_lock", "_owner", "_pid")

    def __init__(self, owner: Owner, let_go: Callable[[], None]) -> None:
        self._owner = weakref.ref(owner)
        self._lock = owner._lock
        self._let_go = let_go
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(owner, self._locked)
        self._finalizer.atexit = False
        _open.add(self)

    def detach(self) -> None:
        """Forget it: the shard was closed."""
        self._finalizer.detach()
        _open.discard(self)

    def __call__(self) -> None:
        """Let go of the shard, unless somebody has. The caller holds its lock."""
        if self in _open:
            try:
                self._let_go()
            finally:
                self.detach()

    def _locked(self) -> None:
        if os.getpid() != self._pid:  # the lock may be held by a thread that only the parent has
            self()
            return
        with self._lock.writing():
            self()

    def at_exit(self) -> None:
        """Let go of the shard when calls of other threads have ended."""
        owner = self._owner()
        if owner is not None and os.getpid() == self._pid:
            owner._stop_background()
        self._locked()


@atexit.register
def close_all() -> None:
    """Close what is still open."""
    for ending in list(_open):
        try:
            ending.at_exit()
        except BaseException:  # what goes wrong with one shard is told, and the others are closed
            sys.excepthook(*sys.exc_info())
        finally:
            ending.detach()  # threads that are never heard of again may hold its lock from now on
