"""A store of byte strings by slot: payloads, sparse vectors and appendable payload indexes.

In: slots (internal offsets, u32) and bytes. Out: the bytes. Files on disk: the directory described in
``docs/format/gridstore.md``. Coding, allocation and copying happen in C++ (``native/storage/gridstore*``);
this module owns the files.

What makes an update safe: a value is always written to blocks nothing refers to, so a crash before the flush
leaves the old value in place; the old blocks are free for reuse only once the flush is durable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import ClosedError, CorruptedError, ReadOnlyError, StorageError, ValidationError
from edgeshard.storage import files
from edgeshard.storage import gridstore_config as names
from edgeshard.storage.few import highest
from edgeshard.storage.gridstore_build import free_gaps, write_packed
from edgeshard.storage.gridstore_config import GridConfig
from edgeshard.storage.overlay import PrivateFile
from edgeshard.storage.runs import bounds_of, row_numbers

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

Bytes: TypeAlias = "npt.NDArray[np.uint8]"
Slots: TypeAlias = "npt.NDArray[np.uint32]"
Packed: TypeAlias = "tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]"
"""Values back to back: ``(data, bounds)``, value i is ``data[bounds[i] : bounds[i + 1]]``."""

_ALWAYS_POSSIBLE = 1 << 20
"""So many slots are believed without a reason."""


class _Closed:
    """Stands in for the core of a closed store."""

    def __getattr__(self, name: str) -> Any:
        raise ClosedError("the store is closed; open it again")


class Gridstore:
    """A directory of byte strings by slot; open one with :meth:`open` or :meth:`create`.

    Any number of threads may read while one writes; writers must exclude each other, and no write may come
    between :meth:`collect` and the end of that flush.
    """

    __slots__ = ("_bitmask", "_core", "_gaps", "_has_journal", "_pages", "_tracker", "config",
                 "directory", "read_only")  # fmt: skip

    def __init__(self, directory: Path, config: GridConfig, read_only: bool) -> None:
        self.directory = directory
        self.config = config
        self.read_only = read_only
        self._bitmask = directory / names.BITMASK
        self._gaps = directory / names.GAPS
        self._pages: list[PrivateFile] = []
        self._has_journal = False
        self._core = _native.GridCore(
            directory, config.page_size_bytes, config.block_size_bytes, config.region_size_blocks,
            config.compression == names.LZ4,
        )  # fmt: skip

    # --- opening -------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        directory: files.PathLike,
        page_size_bytes: int = 32 << 20,
        block_size_bytes: int = 128,
        compression: str = names.LZ4,
        region_size_blocks: int = 8192,
    ) -> Gridstore:
        """A new empty store, open for writing. The caller makes the names of its files durable.

        Raises:
            ValueError: the sizes do not fit together (see :class:`GridConfig`).
            StorageError: the file system refused.
        """
        config = GridConfig(page_size_bytes, block_size_bytes, region_size_blocks, compression)
        write_packed(directory, (), config, durable=False)
        return cls._opened(Path(directory), blank=True)

    @classmethod
    def open(cls, directory: files.PathLike, read_only: bool = False, *, expected_slots: int = 0) -> Gridstore:
        """The store in a directory.

        Every slot is checked and the free space is computed from the slots, so that blocks a crash has leaked
        are free again and a damaged bitmask does no harm. A tracker journal is applied in memory and removed
        by the next flush.

        Args:
            directory: where the store is.
            read_only: change no file and refuse writes.
            expected_slots: so many may be needed; a journal that asks for far more than these, than it has entries
                and than the tracker has room for is damaged.

        Raises:
            CorruptedError: a file is missing or holds what it cannot hold.
            StorageError: the file system refused.
        """
        return cls._opened(Path(directory), read_only, expected_slots)

    @classmethod
    def _opened(cls, path: Path, read_only: bool = False, expected_slots: int = 0, *, blank: bool = False) -> Gridstore:
        store = cls(path, GridConfig.read(path), read_only)
        store._open_pages(blank=blank)
        store._open_tracker(expected_slots, blank=blank)
        store._load()
        return store

    def expect_scattered_reads(self) -> None:
        """Read no more from the disk than the values that are asked for."""
        for page in self._pages:
            page.expect_scattered_reads()

    def page_files(self) -> list[Path]:
        """The files that hold the values."""
        return [page.path for page in self._pages]

    def _open_pages(self, *, blank: bool) -> None:
        size = self.config.page_size_bytes
        while (path := self.directory / names.page_name(len(self._pages))).exists():
            page = PrivateFile(path, read_only=self.read_only)
            if page.size != size:
                raise CorruptedError(path, f"the page is {page.size} bytes long, expected {size}")
            if blank:
                page.begin()
            self._pages.append(page)
            self._core.add_page(page.array)

    def _open_tracker(self, expected_slots: int, *, blank: bool) -> None:
        journal = self._journal_entries(expected_slots)
        # A journal is applied to the private mapping, which read-only files do not have.
        tracker = PrivateFile(self.directory / names.TRACKER, read_only=self.read_only and not len(journal))
        if tracker.size < names.HEADER_BYTES:
            raise CorruptedError(tracker.path, f"{tracker.size} bytes cannot hold the header")
        if blank and not len(journal):
            tracker.begin()
        self._tracker = tracker
        table = tracker.array
        if len(journal):
            table = self._replayed(journal)
        self._core.set_tracker(table)
        if len(journal):
            self._core.touch(np.ascontiguousarray(journal[:, 0]))

    def _journal_entries(self, expected_slots: int) -> npt.NDArray[np.uint32]:
        path, tracker = self.directory / names.JOURNAL, self.directory / names.TRACKER
        self._has_journal = path.exists()
        if not self._has_journal:
            return np.zeros((0, 5), np.uint32)
        entries = _native.tracker_journal(np.frombuffer(files.read_file(path), np.uint8))
        room = tracker.stat().st_size // names.SLOT_BYTES if tracker.exists() else 0
        likely = max(room, expected_slots + 16 * len(entries) + _ALWAYS_POSSIBLE)  # or one entry asks for gigabytes
        if len(entries) and int(entries[:, 0].max()) >= min(likely, names.MAX_SLOTS):
            raise CorruptedError(path, f"slot {int(entries[:, 0].max())} is more than the store can have")
        return entries

    def _replayed(self, journal: npt.NDArray[np.uint32]) -> Bytes:
        """The tracker with a journal's entries in place, oldest first."""
        tracker = self._tracker
        present = journal[journal[:, 1] != 0, 0]
        needed = names.HEADER_BYTES + names.SLOT_BYTES * (int(journal[:, 0].max()) + 1)
        table: Bytes = tracker.array
        if needed > tracker.size and self.read_only:
            table = np.zeros(names.tracker_size(int(journal[:, 0].max()) + 1), np.uint8)
            table[: tracker.size] = tracker.array
        elif needed > tracker.size:
            tracker.grow(names.tracker_size(int(journal[:, 0].max()) + 1))
            table = tracker.array
        header = table[: names.HEADER_BYTES].view("<u4")
        whole = (len(table) - names.HEADER_BYTES) // names.SLOT_BYTES * names.SLOT_BYTES
        slots = table[names.HEADER_BYTES : names.HEADER_BYTES + whole].view("<u4").reshape(-1, 4)
        if len(present) and present.max() >= header[0]:
            slots[header[0] : present.max() + 1] = 0
            header[0] = present.max() + 1
        slots[journal[:, 0]] = journal[:, 1:]
        return table

    def _load(self) -> None:
        pages = len(self._pages)
        bitmask_size = pages * self.config.bitmask_bytes_per_page
        gaps_size = pages * self.config.regions_per_page * names.GAPS_BYTES
        bitmask, gaps = _content(self._bitmask), _content(self._gaps)
        # A page is made before bitmask and gaps grow, so that they may lag behind. They run ahead only if they are
        # damaged, or if a page was lost, which the slots tell of if it held anything.
        self._core.load(bitmask[:bitmask_size], gaps[:gaps_size])
        if not self.read_only and (len(bitmask) != bitmask_size or len(gaps) != gaps_size):
            _set_length(self._bitmask, bitmask_size)
            _set_length(self._gaps, gaps_size)

    # --- reading -------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Slots in use: the highest slot ever set, plus one."""
        return int(self._core.count)

    @property
    def live(self) -> int:
        """Slots that hold a value."""
        return int(self._core.live)

    def get(self, slot: int) -> bytes | None:
        """The value of a slot, None if it has none.

        Raises:
            CorruptedError: the stored bytes are damaged.
        """
        return self._core.get(slot)

    def get_batch(self, slots: Slots | None = None) -> Packed:
        """The values of many slots, back to back.

        Args:
            slots: ``(n,) uint32``, None for all from 0 to :attr:`count`.

        Returns:
            ``(data uint8, bounds (n + 1,) int64)``; a slot without value has length 0 (see :meth:`present`).

        Raises:
            CorruptedError: the stored bytes of a slot are damaged.
        """
        return self._core.get_batch(_as_slots(slots))

    def present(self, slots: Slots | None = None) -> npt.NDArray[np.bool_]:
        """``(n,) bool``: which slots hold a value; None for all from 0 to :attr:`count`."""
        return self._core.present(_as_slots(slots))

    # --- writing -------------------------------------------------------------------

    def put(self, slot: int, value: bytes) -> None:
        """Set a value, in memory until the next flush.

        Raises:
            ReadOnlyError: the store was opened for reading.
            StorageError: a file could not grow; nothing has changed.
        """
        if slot >= self._core.capacity or self.read_only:
            self._reserve(slot)
        while pages := self._core.put(slot, value):
            self._add_pages(pages)

    def put_batch(self, slots: Slots, values: list[bytes | None] | Packed) -> None:
        """Set many values, all or none; a None removes its slot.

        Args:
            slots: ``(n,) uint32``; of a repeated slot the last value stays.
            values: n byte strings, or ``(data, bounds)``.

        Raises:
            ReadOnlyError: the store was opened for reading.
            StorageError: a file could not grow; nothing has changed.
        """
        slots = np.ascontiguousarray(slots, np.uint32)
        if not len(slots):
            return
        self._reserve(highest(slots))
        core, done = self._core, 0
        core.begin()
        try:
            while done < len(slots):
                if isinstance(values, tuple):
                    done, pages = core.put_batch(slots, *values, done)
                else:
                    done, pages = core.put_batch(slots, values, done)
                self._add_pages(pages)
        except BaseException:
            core.rollback()
            raise
        core.commit()

    def replace_batch(self, slots: Slots, values: Packed) -> None:
        """:meth:`put_batch` that leaves slots alone which hold their value already: nothing of them is flushed again.

        Args:
            slots: ``(n,) uint32``, without repetition.
            values: ``(data, bounds)``, all of at least one byte.

        Raises:
            ReadOnlyError: the store was opened for reading.
            StorageError: a file could not grow; nothing has changed.
        """
        try:
            held = self.get_batch(slots)
        except CorruptedError:  # of what is replaced
            self.put_batch(slots, values)
            return
        different = _different(held, values)
        if bool(different.all()):
            self.put_batch(slots, values)
        elif bool(different.any()):
            self.put_batch(slots[different], _chosen(values, different))

    def remove(self, slot: int) -> None:
        """Remove a value; a slot without one is fine."""
        if self.read_only:
            raise ReadOnlyError(f"{self.directory} is open for reading only")
        self._core.remove_one(slot)

    def remove_batch(self, slots: Slots) -> None:
        """Remove many values; slots without one are fine."""
        if self.read_only:
            raise ReadOnlyError(f"{self.directory} is open for reading only")
        self._core.remove(np.ascontiguousarray(slots, np.uint32))

    def _reserve(self, slot: int) -> None:
        """Make the tracker hold a slot."""
        if self.read_only:
            raise ReadOnlyError(f"{self.directory} is open for reading only")
        if not 0 <= slot < names.MAX_SLOTS:
            raise ValidationError(f"slot must be in 0..{names.MAX_SLOTS - 1}, got {slot}")
        if slot < self._core.capacity:
            return
        for start, stop in self._core.tracker_changes():
            self._tracker.mark(start, stop)  # growing keeps what is marked
        self._tracker.grow(names.tracker_size(slot + 1))
        self._core.set_tracker(self._tracker.array)

    def _add_pages(self, count: int) -> None:
        for _ in range(count):
            number = len(self._pages)
            page = PrivateFile.create(self.directory / names.page_name(number), self.config.page_size_bytes)
            self._sync_names()  # bitmask and gaps must not be longer than the pages
            _set_length(self._bitmask, (number + 1) * self.config.bitmask_bytes_per_page)
            free = free_gaps(self.config)
            _write_at(self._gaps, number * len(free), free)
            self._pages.append(page)
            self._core.add_page(page.array)

    # --- flushing ------------------------------------------------------------------

    @property
    def dirty_bytes(self) -> int:
        """Bytes of values and slots the next flush will write."""
        return int(self._core.dirty_bytes)

    def collect(self, plan: FlushPlan) -> None:
        """Hand all changes to a flush.

        Values are fresh writes (nothing durable refers to their blocks); slots, bitmask and gaps are changes
        that must become durable together.
        """
        if self.read_only or not (self._core.dirty or self._has_journal):
            return
        pages, tracker, bitmask, gaps = self._core.collect()
        for page, start, stop in pages:
            self._pages[page].mark(start, stop, fresh=True)
        for page in sorted({page for page, _, _ in pages}):
            self._pages[page].collect(plan)
        for start, stop in tracker:
            self._tracker.mark(start, stop)
        self._tracker.collect(plan)
        for path, parts in ((self._bitmask, bitmask), (self._gaps, gaps)):
            for offset, data in parts:
                plan.write(path, offset, data)
        if self._has_journal:
            plan.remove(self.directory / names.JOURNAL)
        plan.on_done(self._flushed)

    def _flushed(self) -> None:
        self._core.flushed()
        self._has_journal = False

    def _sync_names(self) -> None:
        try:
            files.disk.sync_directory(self.directory)
        except OSError as error:
            raise StorageError(error.errno, f"cannot sync {self.directory}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the files; changes that were not flushed are lost. Closing twice is fine."""
        if isinstance(self._core, _Closed):
            return
        self._core.close()
        self._core = cast("_native.GridCore", _Closed())
        for file in (*self._pages, self._tracker):
            file.close()


def _different(left: Packed, right: Packed) -> npt.NDArray[np.bool_]:
    """``(n,) bool``: which of n pairs of values are not the same bytes."""
    (old, old_bounds), (new, new_bounds) = left, right
    lengths = np.diff(new_bounds)
    different: npt.NDArray[np.bool_] = np.diff(old_bounds) != lengths
    pairs = np.flatnonzero(~different)
    bounds = bounds_of(lengths[pairs])
    unequal = old[row_numbers(old_bounds[pairs], bounds)] != new[row_numbers(new_bounds[pairs], bounds)]
    different[pairs[np.searchsorted(bounds, np.flatnonzero(unequal), side="right") - 1]] = True
    return different


def _chosen(values: Packed, mask: npt.NDArray[np.bool_]) -> Packed:
    data, bounds = values
    kept = bounds_of(np.diff(bounds)[mask])
    return data[row_numbers(bounds[:-1][mask], kept)], kept


def _as_slots(slots: Slots | None) -> Slots | None:
    return None if slots is None else np.ascontiguousarray(slots, np.uint32)


def _content(path: Path) -> Bytes:
    """The bytes of a file that may be missing: bitmask and gaps can be computed again."""
    return np.frombuffer(files.read_file(path), np.uint8) if path.exists() else np.zeros(0, np.uint8)


def _set_length(path: Path, size: int) -> None:
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            files.disk.truncate(fd, size)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot grow {path}: {error.strerror}") from error


def _write_at(path: Path, offset: int, data: bytes) -> None:
    try:
        fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            files.disk.pwrite(fd, data, offset)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(error.errno, f"cannot write {path}: {error.strerror}") from error
