"""A shard that is only read: the public face of :mod:`edgeshard.shard.replica`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from edgeshard.ending import Ending
from edgeshard.errors import ReadOnlyError
from edgeshard.models.config import EdgeConfig
from edgeshard.shard.replica import Replica
from edgeshard.shard.shard import EdgeShard
from edgeshard.shard.undisturbed import undisturbed
from edgeshard.storage import checksums


class ReadOnlyShard(EdgeShard):
    """What :meth:`EdgeShard.load` returns with ``read_only=True``: the state of the last flush of the writer.

    Any number may be open in any number of processes, beside a writer and on a read-only file system. Nothing is
    locked and nothing is written to the shard's directory. :meth:`refresh` follows the writer.
    """

    __slots__ = ("_kept",)

    _kept: list[Replica]
    """The copy that is read, where what closes it finds it."""

    @classmethod
    def _open(cls, path: Path, config: EdgeConfig | None, verify: checksums.Level | None) -> ReadOnlyShard:
        """The shard at ``path``; see :meth:`EdgeShard.load`."""
        replica = Replica(path, config, verify=verify)
        shard = cls._wrap(replica.store)
        assert isinstance(shard, ReadOnlyShard)
        shard._ending.detach()
        shard._kept = [replica]
        shard._ending = Ending(shard, partial(_discard, shard._kept))
        return shard

    @property
    def _replica(self) -> Replica:
        return self._kept[0]

    def __repr__(self) -> str:
        state = "closed" if self._store.closed else f"{len(self._store.segments)} segments"
        return f"<ReadOnlyShard {os.fspath(self.path)!r} ({state})>"

    @property
    def path(self) -> Path:
        """The directory of the shard."""
        return self._replica.source

    def refresh(self) -> bool:
        """Follow the writer to its last flush; whether there was a later one.

        What :meth:`EdgeShard.load` was told to compare with checksums is compared again.

        Raises:
            StorageError: the shard is gone, or changes faster than it can be read; the state shown stays as it was.
            CorruptedError: a file is damaged; likewise.
            ClosedError: the shard was closed, perhaps by another thread meanwhile.
        """
        self._check_process()
        self._lock.check_outside()
        with self._optimising.writing(self._open_store):  # one at a time: the later copy is the newer one
            if not self._replica.stale:
                return False
            self._show(Replica(self._replica.source, verify=self._replica.verify, before=self._replica))
            return True

    def _show(self, fresh: Replica) -> None:
        """Read a later copy from now on.

        Raises:
            ClosedError: the shard was closed while the copy was made.
        """
        spare = [fresh]

        def exchange() -> None:
            spare[0], self._kept[0], self._store = self._kept[0], fresh, fresh.store

        try:
            with self._lock.writing(self._open_store):
                undisturbed(exchange)
        finally:
            _discard(spare)

    def close(self) -> None:
        """Let go of the shard. Closing twice is fine; every other call then raises ClosedError."""
        if self._store.closed:
            return
        if os.getpid() != self._store.pid:  # the lock may be held by a thread that only the parent has
            self._ending()
            return
        with self._lock.writing():
            undisturbed(self._ending)

    def update(self, operation: Any) -> NoReturn:
        """Refused.

        Raises:
            ReadOnlyError: always.
        """
        raise self._refusal("update")

    def flush(self) -> NoReturn:
        """Refused; raises ReadOnlyError."""
        raise self._refusal("flush")

    def optimize(self, **settings: Any) -> NoReturn:
        """Refused; raises ReadOnlyError."""
        raise self._refusal("optimize")

    def update_from_snapshot(self, *arguments: Any, **settings: Any) -> NoReturn:
        """Refused; raises ReadOnlyError."""
        raise self._refusal("update_from_snapshot")

    def _refusal(self, what: str) -> ReadOnlyError:
        self._open_store()
        return ReadOnlyError(f"{what}: {self.path} was opened with read_only=True; load it without to change it")


def _discard(kept: list[Replica]) -> None:
    """Close a copy and remove it; in a forked child only the former, and that in memory: the copy is its parent's."""
    replica = kept[0]
    if os.getpid() != replica.store.pid:
        replica.store.closed = True
        return
    replica.store.release()
    replica.discard()
