"""A lock for many readers or one writer, writers first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgeshard.shard.undisturbed import wait_for


class ReadWriteLock:
    """Many readers or one writer.

    A waiting writer keeps new readers out, so that a stream of queries cannot starve an update. Not reentrant.
    """

    __slots__ = ("_changed", "_mutex", "_readers", "_sleepers", "_waiting", "_writing")

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._readers = 0
        self._sleepers = 0
        self._waiting = 0
        self._writing = False

    def acquire_read(self) -> None:
        """Enter as a reader."""
        with self._mutex:
            if self._writing or self._waiting:
                self._wait_for_writers()
            self._readers += 1

    def _wait_for_writers(self) -> None:
        self._sleepers += 1
        try:
            while self._writing or self._waiting:
                wait_for(self._changed)
        finally:
            self._sleepers -= 1

    def release_read(self) -> None:
        """Leave as a reader."""
        with self._mutex:
            self._readers -= 1
            if not self._readers and self._waiting:
                self._changed.notify_all()

    def acquire_write(self) -> None:
        """Enter as the writer."""
        with self._mutex:
            if not (self._writing or self._readers):
                self._writing = True
                return
            self._waiting += 1
            self._sleepers += 1
            try:
                while self._writing or self._readers:
                    wait_for(self._changed)
                self._writing = True
            finally:
                self._waiting -= 1
                self._sleepers -= 1
                if not self._writing:
                    self._changed.notify_all()

    def release_write(self) -> None:
        """Leave as the writer."""
        with self._mutex:
            self._writing = False
            if self._sleepers:
                self._changed.notify_all()

    def downgrade(self) -> None:
        """Become a reader without letting another writer in between."""
        with self._mutex:
            self._writing = False
            self._readers += 1
            if self._sleepers:
                self._changed.notify_all()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock as a reader."""
        self.acquire_read()
        try:
            yield
        finally:
            self.release_read()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock as the writer."""
        self.acquire_write()
        try:
            yield
        finally:
            self.release_write()
