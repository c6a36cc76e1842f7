"""Payloads as columns: one path of all points, extracted from the raw JSON once and kept current.

What comes in: a `PayloadSource` (raw payloads by offset), told of changes by `invalidate` and `extend`.
What goes out: a `Column` per path, or `Nested` for the objects of an array, whose fields are columns again.
Nothing is stored on disk; memory is bounded by `budget_bytes`, the columns not used for longest are dropped
first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.filter.batches import in_batches
from edgeshard.filter.column_store import DEAD, FEW_OUTDATED, Batch, Column, ColumnStore, Offsets, Owners
from edgeshard.models.paths import JsonPath

__all__ = ["Nested", "PayloadColumns", "PayloadSource"]

Payloads: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.int64]]"
"""Raw payloads one after the other: (bytes, where each starts and the end)."""

_CHUNK = 1 << 16
"""Points extracted at a time at most, so that not all raw payloads are in memory at once."""

_STORE_BYTES = 4096
"""What a column counts for beside its arrays: of a small segment it may have next to none, of countless paths."""

_KEPT_SHARE = 0.875
"""What stays of the budget once it is reached, so that countless paths do not make room one by one."""

_MAX_LOG = 1 << 16
"""Changed offsets remembered; a column that has not been used for so many is dropped."""


class PayloadSource(Protocol):
    """Where raw payloads come from."""

    @property
    def count(self) -> int:
        """Number of offsets."""

    @property
    def origin(self) -> str:
        """The directory they are read from, for messages."""

    def read_batch(self, offsets: Offsets) -> Payloads:
        """The compact JSON of these offsets as ``(bytes, bounds)``; empty where there is none."""


class Nested(NamedTuple):
    """The objects inside of an array, for all points."""

    objects: int
    """Number of objects, including those whose owner is `DEAD`."""
    owners: Offsets
    """The point of each object."""
    columns: PayloadColumns
    """The fields of the objects."""


_Store = TypeVar("_Store", "ColumnStore", "_NestedStore")


class PayloadColumns:
    """The columns of one segment. Safe to use from several threads.

    Args:
        source: the payloads.
        budget_bytes: how much memory the columns may keep between two uses.
    """

    def __init__(self, source: PayloadSource, budget_bytes: int = 64 << 20) -> None:
        self._source = source
        self._budget_bytes = budget_bytes
        self._lock = threading.RLock()
        self._stores: dict[Any, ColumnStore | _NestedStore] = {}
        self._sizes: dict[Any, int] = {}
        self._held_bytes = 0
        self._used: set[Any] = set()
        self._log: list[Offsets] = []
        self._log_size = 0
        self._log_start = 0

    @property
    def nbytes(self) -> int:
        """Bytes held by all columns."""
        with self._lock:
            return sum(store.nbytes for store in self._stores.values())

    def column(self, path: JsonPath, counts: bool = False) -> Column:
        """The values at `path`, or with `counts` how many values each of them stands for.

        Raises:
            CorruptedError: a payload is not valid JSON.
        """
        return self._use((path, counts), ColumnStore, lambda store, at: self._extract(store, at, path, counts)).read()

    def nested(self, path: JsonPath) -> Nested:
        """The objects among the values of `path`, which ends with ``[]``.

        Raises:
            CorruptedError: a payload is not valid JSON.
        """
        make = lambda: _NestedStore(self._source, path, self._budget_bytes)  # noqa: E731
        return self._use((path, None), make, lambda store, at: store.put(at)).read()

    @property
    def in_use(self) -> bool:
        """Whether there is any column to keep current."""
        return bool(self._stores)

    def is_warm(self, path: JsonPath, counts: bool | None = False) -> bool:
        """Whether the column of `path` is there already (None for `counts`: the objects)."""
        return (path, counts) in self._stores

    def invalidate(self, offsets: Offsets) -> None:
        """Note that the payloads of `offsets` have changed."""
        with self._lock:
            if not self._stores or not len(offsets):
                return
            self._log.append(np.array(offsets, np.uint32))
            self._log_size += len(offsets)
            if self._log_size > _MAX_LOG:
                self._shorten_log()

    def drop(self) -> None:
        """Forget all columns."""
        with self._lock:
            self._stores.clear()
            self._sizes, self._held_bytes, self._used = {}, 0, set()
            self._log, self._log_size, self._log_start = [], 0, 0

    def _use(self, key: Any, make: Callable[[], _Store], refresh: Callable[[_Store, Offsets], None]) -> _Store:
        """The store under `key`, made if needed and brought up to date, now the last used of all."""
        with self._lock:
            self._used.add(key)
            store: Any = self._stores.pop(key, None)
            stale = None if store is None else self._stale(store)
            if store is None or store.wasteful or (stale is not None and len(stale) * 4 > store.count + FEW_OUTDATED):
                store = make()
                stale = np.arange(self._source.count, dtype=np.uint32)
            store.seen = self._log_start + len(self._log)
            if stale is not None and len(stale):
                fresh = store.count == 0
                refresh(store, stale)
                if fresh:
                    store.settle()
            self._stores[key] = store
            if stale is not None or isinstance(store, _NestedStore):
                self._trim()
            return store  # type: ignore[no-any-return]

    def _stale(self, store: ColumnStore | _NestedStore) -> Offsets | None:
        """The offsets `store` has to read again, ascending; None if there are none."""
        missed = self._log[store.seen - self._log_start :]
        count = self._source.count
        if count == store.count and len(missed) < 2:
            if not missed:
                return None
            if len(missed[0]) == 1:
                return missed[0]
        changed = np.unique(np.concatenate(missed)) if missed else np.empty(0, np.uint32)
        new = np.arange(store.count, count, dtype=np.uint32)
        return np.concatenate([changed[changed < store.count], new])

    def _extract(self, store: ColumnStore, offsets: Offsets, path: JsonPath, counts: bool) -> None:
        for some, (data, bounds) in in_batches(offsets, self._source.read_batch, _CHUNK):
            failure, *arrays = _native.extract_column(data, bounds, path.steps, counts, store.strings)
            _check(failure, some, self._source)
            store.put(some, Batch(*arrays))

    def _trim(self) -> None:
        """Drop what was not used for longest until the rest fits the budget; only what was used may have grown."""
        for key in self._used:
            self._measure(key)
        self._used.clear()
        if self._held_bytes <= self._budget_bytes:
            return
        for key in list(self._stores):
            if self._held_bytes <= self._budget_bytes * _KEPT_SHARE:
                break
            del self._stores[key]
            self._measure(key)

    def _measure(self, key: Any) -> None:
        """Count the store under a key as it is now, or no more if it is gone."""
        self._held_bytes -= self._sizes.pop(key, 0)
        store = self._stores.get(key)
        if store is not None:
            size = self._sizes[key] = store.nbytes + _STORE_BYTES
            self._held_bytes += size

    def _shorten_log(self) -> None:
        """Drop the columns that are far behind, then the part of the log all others have seen."""
        behind = self._log_start + len(self._log) // 2
        for key in [key for key, store in self._stores.items() if store.seen <= behind]:
            del self._stores[key]
            self._measure(key)
        end = self._log_start + len(self._log)
        seen = min((store.seen for store in self._stores.values()), default=end)
        del self._log[: seen - self._log_start]
        self._log_start = seen
        self._log_size = sum(map(len, self._log))


class _NestedStore:
    """The objects of an array field: which point each belongs to, and their columns."""

    __slots__ = ("_owners", "_source", "columns", "count", "path", "seen")

    def __init__(self, source: PayloadSource, path: JsonPath, budget_bytes: int) -> None:
        self._source = source
        self.path = path
        self.count = 0
        self.seen = 0
        self._owners = Owners()
        self.columns = PayloadColumns(_ElementSource(self), budget_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes held, the columns of the fields included."""
        return self._owners.nbytes + self.columns.nbytes

    @property
    def origin(self) -> str:
        """Where the arrays are read from."""
        return self._source.origin

    @property
    def wasteful(self) -> bool:
        """Whether most objects are outdated."""
        return self._owners.wasteful

    def settle(self) -> None:
        """Nothing to note after a fresh extraction."""

    def put(self, offsets: Offsets) -> None:
        """Find the objects of these points again."""
        for some, payloads in in_batches(offsets, self._source.read_batch, _CHUNK):
            counts, _, _, _ = self._found(some, payloads)
            self._owners.replace(some, counts, self.count)
            self.count = max(self.count, int(some[-1]) + 1)

    def find(self, offsets: Offsets) -> tuple[Offsets, NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """(objects per point, raw payloads, where each object starts and ends in them)."""
        return self._found(offsets, self._source.read_batch(offsets))

    def _found(
        self, offsets: Offsets, payloads: Payloads
    ) -> tuple[Offsets, NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        data, bounds = payloads
        failure, counts, starts, ends = _native.extract_objects(data, bounds, self.path.steps)
        _check(failure, offsets, self._source)
        empty = np.empty(0, np.int64)
        return counts, data, empty if starts is None else starts, empty if ends is None else ends

    def read(self) -> Nested:
        """The objects as they are now."""
        return Nested(self.used, self._owners.owners[: self.used], self.columns)

    @property
    def used(self) -> int:
        """Objects, outdated ones included."""
        return self._owners.used

    def slices(self, elements: Offsets) -> Payloads:
        """The raw JSON of these objects, ascending; empty for outdated ones."""
        owners = self._owners.owners[elements]
        points = np.unique(owners[owners != DEAD])
        if not len(points):
            return np.empty(0, np.uint8), np.zeros(len(elements) + 1, np.int64)
        counts, data, starts, ends = self.find(points)
        # A point that has changed meanwhile will get new elements; what the old ones hold does not matter.
        same = counts == self._owners.many[points]
        starts, ends = starts[np.repeat(same, counts)], ends[np.repeat(same, counts)]
        numbers = self._owners.spans(points[same])  # which element each slice is
        wanted_starts, wanted_ends = np.zeros((2, len(elements)), np.int64)
        at = np.searchsorted(elements, numbers)
        found = at < len(elements)
        found[found] = elements[at[found]] == numbers[found]
        wanted_starts[at[found]], wanted_ends[at[found]] = starts[found], ends[found]
        return _native.gather_slices(data, wanted_starts, wanted_ends)


class _ElementSource:
    """The objects of an array field as a source of payloads."""

    __slots__ = ("_store",)

    def __init__(self, store: _NestedStore) -> None:
        self._store = store

    @property
    def count(self) -> int:
        return self._store.used

    @property
    def origin(self) -> str:
        return self._store.origin

    def read_batch(self, offsets: Offsets) -> Payloads:
        return self._store.slices(offsets)


def _check(failure: tuple[int, int, str] | None, offsets: Offsets, source: PayloadSource) -> None:
    if failure is not None:
        point, byte, reason = failure
        where = f"{source.origin}: payload of the point at offset {int(offsets[point])}"
        raise CorruptedError(where, f"malformed JSON: {reason}", byte)
