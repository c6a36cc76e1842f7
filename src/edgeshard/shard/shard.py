"""The public face of a shard: :class:`EdgeShard`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from os import getpid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, TypeVar, overload
from uuid import UUID

from edgeshard._native import CallGuard, CallLock
from edgeshard.ending import Ending
from edgeshard.errors import ClosedError, ForkedShardError, StorageError, ValidationError, quoted
from edgeshard.models.base import f64, instance
from edgeshard.models.config import EdgeConfig
from edgeshard.models.ids import parse_ids
from edgeshard.models.requests import (
    CountRequest,
    ScrollRequest,
)
from edgeshard.models.results import Record, ShardInfo
from edgeshard.models.updates import UpdateOperation
from edgeshard.query.projection import Projection
from edgeshard.shard import reads
from edgeshard.shard.directories import directory_path
from edgeshard.shard.optimizing import Optimizing
from edgeshard.shard.schema_changes import is_schema_change
from edgeshard.shard.searching import Searching
from edgeshard.shard.snapshotting import Snapshotting
from edgeshard.shard.store import Store
from edgeshard.shard.undisturbed import pause
from edgeshard.storage.files import PathLike

if TYPE_CHECKING:
    from edgeshard.models.aliases import WithPayloadType, WithVectorType
    from edgeshard.shard.reader import ReadOnlyShard

PointId: TypeAlias = "int | str | UUID"
Opened = TypeVar("Opened", bound="EdgeShard")

DEFAULT_SCROLL_LIMIT = 10


class EdgeShard(Searching, Snapshotting, Optimizing):
    """A shard: one directory of points, open in this process.

    Open one with :meth:`create` or :meth:`load`; use it as a context manager or call :meth:`close`. All methods may
    be called from many threads; reads run beside one another, an update waits for them. A forked child process must
    open its own.
    """

    __slots__ = ("__weakref__", "_ending", "_lock", "_optimising", "_store")

    _store: Store
    _lock: CallLock
    _optimising: CallLock
    _ending: Ending

    def __init__(self, *arguments: NoReturn, **settings: NoReturn) -> None:  # so that a checker refuses them, too
        raise TypeError("cannot create 'EdgeShard' instances: use EdgeShard.create(path, config) or load(path)")

    @classmethod
    def _wrap(cls, store: Store) -> EdgeShard:
        shard = object.__new__(cls)
        shard._store = store
        shard._lock = CallLock(too_deep)
        shard._optimising = CallLock(too_deep)
        shard._background = None
        shard._ending = Ending(shard, store.dispose)
        return shard

    @staticmethod
    def create(path: PathLike, config: EdgeConfig) -> EdgeShard:
        """A new shard in a directory that holds none.

        Args:
            path: the directory; it and its parents are made if missing.
            config: what the shard stores.

        Raises:
            StorageError: the directory holds a shard already or cannot be made; nothing is left behind.
        """
        if not isinstance(config, EdgeConfig):
            raise TypeError(f"config must be an EdgeConfig, not {type(config).__name__}")
        return EdgeShard._wrap(Store.create(directory_path(path), config))

    @overload
    @staticmethod
    def load(
        path: PathLike,
        config: EdgeConfig | None = None,
        *,
        wait: float = 0.0,
        verify: Literal["fast", "full"] | None = "fast",
        read_only: Literal[True],
    ) -> ReadOnlyShard: ...

    @overload
    @staticmethod
    def load(
        path: PathLike,
        config: EdgeConfig | None = None,
        *,
        wait: float = 0.0,
        verify: Literal["fast", "full"] | None = "fast",
        read_only: bool = False,
    ) -> EdgeShard: ...

    @staticmethod
    def load(
        path: PathLike,
        config: EdgeConfig | None = None,
        *,
        wait: float = 0.0,
        verify: Literal["fast", "full"] | None = "fast",
        read_only: bool = False,
    ) -> EdgeShard:
        """Open an existing shard; with a ``config``, create one in an empty directory.

        Args:
            path: the directory.
            config: settings that replace the stored ones; what the segments hold must fit it.
            wait: seconds to wait for another handle to let go of the shard; nobody waits for one that only reads.
            verify: what to compare with the checksums of the last close, if no other engine has changed the shard:
                ``"full"`` every byte, ``"fast"`` the sizes, and the bytes of files up to 1 MiB; None nothing.
            read_only: take no lock and change nothing: the state of the last flush, beside a writer or not
                (a :class:`~edgeshard.shard.reader.ReadOnlyShard`).

        Raises:
            StorageError: there is no such directory, or nothing to open in it.
            LockedError: another handle holds the shard; the message names it.
            CorruptedError: a file is damaged; the message names it.
            ValidationError: ``config`` does not fit what the shard holds, or an argument is wrong; nothing was changed.
        """
        if config is not None and not isinstance(config, EdgeConfig):
            raise TypeError(f"config must be an EdgeConfig or None, not {type(config).__name__}")
        if verify not in ("fast", "full", None):
            raise ValidationError(f"verify must be 'fast', 'full' or None, not {quoted(verify)}")
        wait = f64(wait, "wait")
        if wait != wait:
            raise ValidationError("wait must be seconds, not NaN")
        if read_only:
            from edgeshard.shard.reader import ReadOnlyShard

            return ReadOnlyShard._open(directory_path(path), config, verify)
        return EdgeShard._wrap(Store.load(directory_path(path), config, wait=wait, verify=verify))

    @staticmethod
    def check(
        path: PathLike,
        level: Literal["fast", "full"] = "full",
        *,
        on_progress: Callable[[str, float], None] | None = None,
    ) -> list[str]:
        """What is wrong with a shard on disk, one line each, empty if nothing; changes nothing.

        Args:
            path: the directory; the shard may be open elsewhere, and what its writer flushed last is looked at.
            level: ``"full"`` reads every byte and every point and compares indexes with payloads, ``"fast"`` sizes,
                small files and counts.
            on_progress: called with the name of a step and the share of it that is done, 0 to 1.

        Raises:
            StorageError: there is no shard.
        """
        from edgeshard.shard.verify import check

        return check(directory_path(path), level, on_progress)

    @staticmethod
    def repair(path: PathLike, *, on_progress: Callable[[str, float], None] | None = None) -> list[str]:
        """Repair a shard that nobody has open; the steps are those of :mod:`edgeshard.shard.repair`.

        Indexes and graphs are rebuilt; what does not open and cannot be saved is moved to ``edgeshard.damaged`` in the
        directory. Nothing is deleted. Vectors, payloads and ids whose checksums are wrong stay where they are and count
        as sound from then on.

        Args:
            path: the directory.
            on_progress: see :meth:`check`.

        Returns:
            What was done, one line each; lines that start with ``still wrong`` tell of what is beyond repair.

        Raises:
            LockedError: somebody has it open.
            StorageError: the disk refused.
        """
        from edgeshard.shard.repair import repair

        return repair(directory_path(path), on_progress)

    def verify(
        self, level: Literal["fast", "full"] = "full", *, on_progress: Callable[[str, float], None] | None = None
    ) -> list[str]:
        """What is wrong with the open shard, one line each, empty if nothing; arguments as for :meth:`check`.

        Everything that was updated so far is flushed first.
        """
        from edgeshard.shard.verify import check, require_level

        require_level(level)
        with self._writing() as store:
            store.flush(checkpoint=True)
        return check(self.path, level, on_progress)

    # --- life cycle --------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Make every update so far survive a power loss.

        Raises:
            StorageError: the disk refused; nothing is lost, try again when there is room.
        """
        with self._writing() as store:
            store.flush()

    def close(self) -> None:
        """Flush and let go of the directory. Closing twice is fine; every other call then raises ClosedError.

        An optimisation in the background is cancelled.

        Raises:
            StorageError: the disk refused the flush. A shard with a log is closed nevertheless and has lost nothing;
                one without stays open until a call succeeds.
        """
        if self._store.closed:
            return
        if os.getpid() != self._store.pid:
            self._store.close()
            return
        self._stop_background()
        with self._optimising.writing(), self._lock.writing():
            self._store.close()
            self._ending.detach()

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._store.closed else f"{len(self._store.segments)} segments"
        return f"<EdgeShard {os.fspath(self._store.path)!r} ({state})>"

    @property
    def path(self) -> Path:
        """The directory of the shard."""
        return self._store.path

    @property
    def config(self) -> EdgeConfig:
        """The configuration in force."""
        return self._store.config

    # --- changing ----------------------------------------------------------------------------------------

    def update(self, operation: UpdateOperation) -> None:
        """Apply one operation whole, or not at all.

        When this returns the operation is in the log: it survives the death of the process, and after
        :meth:`flush` a power loss.

        Args:
            operation: made by one of the functions of :class:`UpdateOperation`.

        Raises:
            ValidationError: a value the shard cannot take.
            NotFoundError: a point or vector name that does not exist.
            StorageError: the disk refused.
        """
        if not isinstance(operation, UpdateOperation):
            raise TypeError(f"operation must be an UpdateOperation, not {type(operation).__name__}")
        store = self._enter()
        if is_schema_change(operation):  # what is being built has the schema of its start
            with self._optimising.writing(), self._writing():
                store.update(operation)
            return
        with self._lock.writing(self._mended_store):
            store.update(operation)

    # --- reading -----------------------------------------------------------------------------------------

    def retrieve(
        self,
        point_ids: Iterable[PointId],
        with_payload: WithPayloadType | None = None,
        with_vector: WithVectorType | None = None,
    ) -> list[Record]:
        """Points by id, in the order asked for.

        Args:
            point_ids: ids; unknown ones are left out, repeated ones returned once.
            with_payload: True (also when None), False, a list of paths, or a PayloadSelector.
            with_vector: True, False (also when None), or a list of vector names.

        Raises:
            VectorNameNotFoundError: a vector name the shard does not have.
        """
        ids = parse_ids(point_ids)
        with self._reading() as store:
            plain = (with_vector is None or with_vector is False) and (with_payload is True or with_payload is None)
            if len(ids) == 1 and plain:
                return reads.retrieve_one(store.segments, ids[0])
            projection = Projection(with_payload, with_vector, store.schema, default_payload=True)
            return reads.retrieve(store.segments, ids, projection)

    def scroll(self, scroll: ScrollRequest) -> tuple[list[Record], int | UUID | None]:
        """Points in id order (or by a payload value), a page at a time.

        Args:
            scroll: where to start, how many, which, and what of them.

        Returns:
            The points, and the id to pass as ``offset`` for the next page, None after the last one.
        """
        instance(scroll, ScrollRequest, "scroll")
        limit = DEFAULT_SCROLL_LIMIT if scroll.limit is None else scroll.limit
        with self._reading() as store:
            projection = Projection(scroll.with_payload, scroll.with_vector, store.schema, default_payload=True)
            if scroll.order_by is not None:
                from edgeshard.query.order import scroll_ordered
                from edgeshard.query.scope import Scope

                if scroll.offset is not None:
                    raise ValidationError("Validation failed: Offset is not supported when ordering by field")
                scope = Scope(store.segments, store.schema)
                filters = () if scroll.filter is None else (scroll.filter,)
                return scroll_ordered(scope, scroll.order_by, filters, limit, projection), None
            return reads.scroll(store.segments, scroll.offset, limit, scroll.filter, projection)

    def count(self, count: CountRequest) -> int:
        """How many points a filter matches.

        Args:
            count: the filter, and whether an estimate from the indexes is enough.
        """
        instance(count, CountRequest, "count")
        with self._reading() as store:
            return reads.count(store.segments, count.filter, exact=count.exact)

    def info(self) -> ShardInfo:
        """Numbers of segments and points, and the payload indexes."""
        from edgeshard.shard.info import shard_info

        with self._reading() as store:
            return shard_info(store.segments)

    # --- inside ------------------------------------------------------------------------------------------

    def _enter(self) -> Store:
        """The store, in the process that opened it."""
        store = self._store
        if getpid() != store.pid:
            self._check_process()
        if store.doomed is not None:
            with self._writing():  # takes back an operation that failed half way
                pass
        return store

    def _reading(self) -> CallGuard[Store]:
        """Holds the shard open and unchanged while it is read."""
        self._enter()
        return self._lock.reading(self._readable_store)

    def _writing(self) -> CallGuard[Store]:
        """Holds the shard open and keeps every other call out."""
        self._check_process()
        return self._lock.writing(self._mended_store, pause)

    def _mended_store(self) -> Store:
        store = self._open_store()
        store.mend()
        return store

    def _readable_store(self) -> Store:
        store = self._open_store()
        if store.doomed is not None:  # since _enter() looked
            raise StorageError(f"{store.path}: an update failed half way and was not taken back yet; try again")
        return store

    def _open_store(self) -> Store:
        if self._store.closed:
            raise closed_error()
        return self._store

    def _check_process(self) -> None:
        if os.getpid() != self._store.pid:
            raise ForkedShardError(
                f"this shard was opened by process {self._store.pid}: open it in process {os.getpid()} "
                "after the parent closed it"
            )


def too_deep() -> ValidationError:
    """What a call raises whose filter, payload path or prefetch tree cannot be walked."""
    return ValidationError("Validation failed: the request is nested too deeply: use fewer levels; nothing changed")


def closed_error() -> ClosedError:
    """What every call raises after :meth:`EdgeShard.close`."""
    return ClosedError("Service runtime error: Shard is not initialized: it was closed")
