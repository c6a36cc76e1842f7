"""The open directory of a shard: its segments, log, lock and configuration.

Load order: lock, finish an interrupted flush (journal), read the configuration, open the segments, resolve ids that
live in two segments, open the log, replay what it holds beyond the segments. Nothing the shard held is deleted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgeshard.errors import CorruptedError, StorageError
from edgeshard.index import kept_codes
from edgeshard.models.config import EdgeConfig
from edgeshard.models.updates import UpdateOperation
from edgeshard.segment.files import create_segment, open_segment
from edgeshard.segment.scan_watch import ScanWatch
from edgeshard.segment.schema import Schema
from edgeshard.segment.segment import Segment
from edgeshard.shard import config as configs
from edgeshard.shard import heap, mending, seal
from edgeshard.shard.adding import add_segment
from edgeshard.shard.creating import new_directory
from edgeshard.shard.directories import (
    SEGMENTS,
    absent,
    clean_up,
    holds_shard,
    require_plain_files,
    resolve_duplicates,
    segment_names,
)
from edgeshard.shard.layout import check_vectors, indexing_threshold_bytes, new_segment_config, schema_of_config
from edgeshard.shard.placement import keep_codes, place
from edgeshard.shard.replay import complain_of, incomplete_points, replay, settle_uncounted
from edgeshard.shard.resolve import Resolved, resolve
from edgeshard.shard.schema_changes import is_schema_change
from edgeshard.shard.single import change_single
from edgeshard.shard.snapshot import settle, swap
from edgeshard.shard.undisturbed import undisturbed
from edgeshard.storage import checksums, files, journal
from edgeshard.storage.checkpoint import Checkpointer
from edgeshard.storage.flush import FlushPlan
from edgeshard.storage.lock import ShardLock
from edgeshard.storage.wal import DEFAULT_CAPACITY_BYTES, OnDamage, Wal

WAL = "wal"
AUTO_FLUSH_BYTES = 128 << 20
"""Unflushed changes live in memory; after this many bytes of log, or of payloads, an update flushes by itself."""
RECORD_OVERHEAD_BYTES = 128
"""What a record that is kept in memory takes beside its own bytes."""


class Store:
    """An open shard directory. Not thread safe: :class:`~edgeshard.EdgeShard` holds the lock around every call.

    Args:
        path: the directory.
        config: the merged configuration.
        lock: held until :meth:`close`.
        codes_of: the shard whose kept codes are used, but not changed; by default this one's, which are.

    Attributes:
        doomed: number of an operation that failed half way and could not be taken back yet, or
            :data:`~edgeshard.shard.mending.KEPT`.
        leftovers: directories of segments that have been replaced, but could not be renamed yet; until they are,
            nothing is changed.
        reopenings: how often the segments were opened anew, so that other objects stand for them.
        checkpointer: carries flushes to the disk.
        half_swapped: whether what makes the shard ``doomed`` is a snapshot, applied half, and no operation.
        unflushed: without a log, the records since the last flush, with their numbers.
    """

    __slots__ = (
        "_checksums", "_codes_of", "_seal", "_sealed", "_segments", "_unflushed_bytes", "_unsettled", "_watch",
        "checkpointer", "closed", "config", "doomed", "half_swapped", "leftovers", "lock", "next_op", "path", "pid",
        "reopenings", "schema", "unflushed", "wal",
    )  # fmt: skip

    def __init__(self, path: Path, config: EdgeConfig, lock: ShardLock, codes_of: Path | None = None) -> None:
        self.path = path
        self._codes_of = codes_of
        self.config = config
        self.schema: Schema = schema_of_config(config)
        self.lock = lock
        self._watch = ScanWatch()
        self.segments = []
        self.wal: Wal | None = None
        self.next_op = 0
        self.closed = False
        self.pid = os.getpid()
        self.doomed: int | None = None
        self.leftovers: list[Path] = []
        self.reopenings = 0
        self.half_swapped = False
        self._checksums: dict[str, checksums.Entry] = {}
        self._seal: str | None = None
        self._sealed = False
        self._unsettled = False
        self.unflushed: list[tuple[int, bytes]] = []
        self._unflushed_bytes = 0
        self.checkpointer = Checkpointer(path, None, seal.running_sums())

    @property
    def segments(self) -> list[Segment]:
        """The open segments; assign a new list to change them."""
        return self._segments

    @segments.setter
    def segments(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._watch.limit_bytes = indexing_threshold_bytes(self.config)
        self._watch.keep({segment.name for segment in segments})
        for segment in segments:
            if segment.watch is None:
                place(segment, self.config)
                keep_codes(segment, self._codes_of or self.path, writable=self._codes_of is None)
            segment.watch = self._watch

    # --- opening -----------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path, config: EdgeConfig) -> Store:
        """Make a new shard in a directory without segments; leaves nothing behind when it fails.

        Raises:
            StorageError: there is a shard already, or the directory cannot be made.
            ValidationError: a vector cannot be stored.
        """
        check_vectors(config)
        with new_directory(path) as lock:
            store = cls(path, config, lock)
            files.disk.mkdir(path / SEGMENTS)
            store.segments = [create_segment(path / SEGMENTS, new_segment_config(config), {})]
            store._open_wal()
            store._seal = seal.new_seal()
            configs.write_config(path, config, new_seal=store._seal)
            files.disk.sync_directory(path)
            return store

    @classmethod
    def load(
        cls,
        path: Path,
        config: EdgeConfig | None,
        *,
        wait: float = 0.0,
        verify: checksums.Level | None = "fast",
        on_damage: OnDamage = "raise",
        codes_of: Path | None = None,
    ) -> Store:
        """Open a shard, or create one in an empty directory if a configuration is given.

        ``verify`` says how much is compared with the checksums of the last close, ``on_damage`` what to do about
        damaged records of the log (see :meth:`Wal.open`); acknowledged ones are looked at for ``verify="full"``.

        Raises:
            StorageError: the directory does not exist or cannot be read.
            LockedError: another handle holds it.
            CorruptedError: a file is damaged.
            ValidationError: the configuration does not fit the segments.
        """
        if not path.is_dir():
            raise StorageError(f"cannot load edge shard: {absent(path)}")
        require_plain_files(path)
        settle.check(path)
        if config is None and not swap.pending(path) and not holds_shard(path):
            raise StorageError(f"edge config is not provided and no segments were loaded: {path} holds no shard")
        lock = ShardLock(path, wait=wait)
        opened: list[Segment] = []
        try:
            if swap.recover(path):
                lock.move_to_wal(path / WAL)
            journal.recover(path)
            clean_up(path)
            sums = seal.inspect(path, verify)
            stored = configs.read_config(path)
            kept_codes.clean_up(path, names := segment_names(path))
            configs.wal_enabled(config, stored)
            opened += [open_segment(path / SEGMENTS / name) for name in names]
            merged = configs.merge_config(config, stored, [segment.config for segment in opened])
            if not opened:
                check_vectors(merged)
            store = cls(path, merged, lock, codes_of)
            store.segments, store._checksums, store._sealed = opened, sums, bool(sums)
            store._unsettled = settle.is_marked(path)
            store._finish_load(stored, on_damage, check_acknowledged=verify == "full", strict=verify is not None)
            return store
        except BaseException as error:
            for segment in opened:
                segment.close()
            lock.release()
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise StorageError(error.errno, f"cannot load {path}: {error.strerror} ({error.filename})") from error
            raise

    def reload(self) -> None:
        """Open what the directory holds now in place of what is open: a snapshot was put there.

        Raises:
            EdgeShardError: it cannot be opened; what was open still is.
        """
        kept = ("config", "schema", "segments", "wal", "next_op")
        before, sums = {name: getattr(self, name) for name in kept}, self.checkpointer.sums
        self._sealed, self._seal = True, None  # whatever is there now are not the checksums of what will be closed
        self.unseal()
        opened: list[Segment] = []
        try:
            self.checkpointer.close()  # its journal is empty; the new state makes one of the same name
            stored = configs.read_config(self.path)
            opened += [open_segment(self.path / SEGMENTS / name) for name in segment_names(self.path)]
            self.config = configs.merge_config(None, stored, [segment.config for segment in opened])
            self.schema = schema_of_config(self.config)
            self.segments, self.wal = opened, None
            self._finish_load(stored)
            self._unflushed_bytes, self.unflushed = 0, []
        except BaseException:
            self._close_files(opened, None if self.wal is before["wal"] else self.wal)
            for name, value in before.items():
                setattr(self, name, value)
            self.checkpointer = Checkpointer(self.path, self.wal, sums)
            raise
        self._close_files(before["segments"], before["wal"])

    @staticmethod
    def _close_files(segments: Sequence[Segment], wal: Wal | None) -> None:
        for segment in segments:
            segment.close()
        if wal is not None:
            wal.close()

    def _finish_load(
        self,
        stored: EdgeConfig | None,
        on_damage: OnDamage = "raise",
        *,
        check_acknowledged: bool = True,
        strict: bool = True,
    ) -> None:
        resolve_duplicates(self.segments)
        self._open_wal(on_damage, check_acknowledged)
        if strict and not self.segments and self.wal is not None and self.wal.replay_from > 0:
            raise CorruptedError(
                self.path / SEGMENTS,
                f"there is no segment, but the log says that segments hold updates up to {self.wal.replay_from}; bring "
                f"them back, or load with verify=None to go on with what the log still holds",
            )
        if not any(segment.appendable for segment in self.segments):
            add_segment(self)
        if self.wal is not None:
            incomplete = incomplete_points(self.segments)
            if replay(self) <= 1:
                complain_of(incomplete, self.segments)
        settle_uncounted(self.segments, logged=self.wal is not None and strict)
        if self.wal is not None:
            if self.wal.restarting:
                self.flush(checkpoint=True)
            self.next_op = self.wal.next_index
            self._unflushed_bytes = self.wal.unacknowledged_bytes  # or processes that die early would never flush
        if self.config != stored:
            self.unseal()
            configs.write_config(self.path, self.config)

    def _open_wal(self, on_damage: OnDamage = "raise", check_acknowledged: bool = True) -> None:
        """Open the log so that its numbers lie above every stored version."""
        highest = max((segment.version for segment in self.segments), default=-1)
        if self.config.wal_enabled is False:
            self.next_op = max(highest + 1, 1)
            self.checkpointer = Checkpointer(self.path, None, seal.running_sums())
            return
        self.wal = self._wal_at_least(highest + 1, on_damage, check_acknowledged)
        self.lock.include_wal()
        self.checkpointer = Checkpointer(self.path, self.wal, seal.running_sums())
        self.next_op = self.wal.next_index

    def _wal_at_least(self, first_index: int, on_damage: OnDamage, check_acknowledged: bool) -> Wal:
        """The log, whose next number is at least ``first_index``."""
        options = configs.wal_options(self.path)
        return Wal.open(
            self.path / WAL,
            first_index=first_index,
            on_damage=on_damage,
            check_acknowledged=check_acknowledged,
            capacity_bytes=options.get("segment_capacity", DEFAULT_CAPACITY_BYTES),
            retain_closed=options.get("retain_closed", 1),
        )

    # --- changing ----------------------------------------------------------------------------------------

    def update(self, operation: UpdateOperation) -> None:
        """Validate, log and apply one operation.

        Raises:
            ValidationError, NotFoundError: it cannot be applied; nothing changed.
            StorageError: the disk refused; nothing changed.
        """
        if self._outgrown():  # before anything is done: a flush that fails refuses the update
            self.flush()
        if change_single(self, operation):
            return
        if is_schema_change(operation):
            undisturbed(lambda: mending.carry_out_schema_change(self, operation))
            return
        resolved = resolve(operation, self.segments, self.schema)
        if resolved is not None:
            self.carry_out(resolved)

    def _outgrown(self) -> bool:
        """Whether unflushed changes take so much memory that they should be flushed.

        The log does not tell of payloads: few bytes of it may change a key of a payload, which is then written anew.
        """
        if self._unflushed_bytes > AUTO_FLUSH_BYTES:
            return True
        unflushed = 0
        for segment in self._segments:
            unflushed += segment.payload.dirty_bytes
        return unflushed > AUTO_FLUSH_BYTES

    def carry_out(self, resolved: Resolved) -> None:
        """Log and apply a resolved operation."""
        number = self.log(resolved.record)
        try:
            resolved.apply(self.segments, number)
        except BaseException:
            self.undo(number)
            raise

    def log(self, record: Callable[[], bytes]) -> int:
        """Write a record to the log; its operation number. Without a log it is kept in memory until the next flush."""
        number = self.next_op
        if self.leftovers:
            mending.remove_graves(mending.bury(self))
        if self._sealed:
            self.unseal()
        data = record()
        self._unflushed_bytes += len(data)
        try:
            if self.wal is None:
                self._unflushed_bytes += RECORD_OVERHEAD_BYTES
                self.unflushed.append((number, data))
            else:
                number = self.wal.append(data)
            self.next_op = number + 1
            return number
        except BaseException:
            if self._holds(number):  # Ctrl-C came when it was written
                self.undo(number)
            raise

    def _holds(self, number: int) -> bool:
        """Whether the log has an operation of this number."""
        if self.wal is None:
            return any(known == number for known, _ in self.unflushed)
        return self.wal.next_index > number

    def undo(self, number: int) -> None:
        """See :func:`edgeshard.shard.mending.undo`."""
        mending.undo(self, number)

    def mend(self) -> None:
        """See :func:`edgeshard.shard.mending.mend`."""
        mending.mend(self)

    def drop(self, number: int) -> None:
        """Take the record of the last operation back; nothing happens if it is not there."""
        if self.wal is None:
            self.unflushed = [entry for entry in self.unflushed if entry[0] != number]
        elif self.wal.next_index > number:
            self.wal.drop_last(number)
        self.next_op = number

    def unseal(self) -> None:
        """Drop the checksums: files are about to change."""
        if self._sealed:
            try:
                checksums.remove(self.path)
            except OSError as error:
                raise StorageError(error.errno, f"cannot write to {self.path}: {error.strerror}") from error
            self._sealed = False

    # --- making durable ----------------------------------------------------------------------------------

    def flush(self, *, checkpoint: bool = False, replacements: Mapping[Path, bytes] | None = None) -> None:
        """Make everything so far survive a power loss; see :mod:`edgeshard.storage.checkpoint`.

        Args:
            checkpoint: also acknowledge the log.
            replacements: whole files that change together with the segments.
        """
        undisturbed(lambda: self._flush(checkpoint, replacements or {}))

    def _flush(self, checkpoint: bool, replacements: Mapping[Path, bytes]) -> None:
        if not self.lock.in_place:
            raise StorageError(f"cannot flush: {self.path} was moved, removed or replaced while it was open")
        if self.leftovers:
            mending.remove_graves(mending.bury(self))
        if self._unsettled:  # what is flushed now builds on what was unpacked
            settle.settle(self.path)
            self._unsettled = False
        plan = FlushPlan()
        for path, data in replacements.items():
            plan.replace(path, data)
        for segment in self.segments:
            segment.collect(plan)
        if not plan.empty:
            self.unseal()
        self.checkpointer.flush(plan, self.next_op - 1, checkpoint=checkpoint)
        self._unflushed_bytes = 0
        self.unflushed = []

    def close(self) -> None:
        """Flush, release every file and the lock. In a forked child only the memory is let go.

        Raises:
            StorageError: the disk refused the flush. With a log nothing is lost and the shard is closed; without one
                it stays open, so that the flush can be tried again.
        """
        if self.closed:
            return
        if os.getpid() != self.pid:
            self.closed = True
            return
        try:
            if self.lock.in_place:
                self.mend()
                undisturbed(self._finish)
            elif self.unflushed:
                text = f"{self.path} was moved, removed or replaced while it was open: what was not flushed is lost"
                warnings.warn(text, RuntimeWarning, stacklevel=2)
        except BaseException:
            if self.wal is not None:
                self.release()
            raise
        self.release()

    def _finish(self) -> None:
        """The last flush, and the checksums at once: its thread has what they need in the caches of its core."""
        self._flush(True, {})
        self._sum_up()

    def _sum_up(self) -> None:
        """Write checksums of the files, which nobody changes any more; a disk that refuses leaves the shard without."""
        if self._sealed:
            return
        try:
            names = [segment.name for segment in self.segments]
            seal.write(self.path, names, self._checksums, self.checkpointer, self._seal)
        except OSError:
            return  # the shard is whole without them, and the next close tries again

    def release(self) -> None:
        """Let go of everything; what was not flushed and is in no log is lost."""
        large = sum(segment.count for segment in self._segments) >= heap.LARGE_POINTS
        undisturbed(self._release)  # half released, the shard would be closed and hold its lock
        if large:
            heap.give_back()

    def _release(self) -> None:
        self.closed = True
        try:
            here = self.lock.in_place
        except StorageError:  # it cannot be looked at: an empty journal that stays does no harm
            here = False
        self.checkpointer.close(remove=here)
        segments, self.segments = self.segments, []
        self._close_files(segments, self.wal)
        self.lock.release()

    def dispose(self) -> None:
        """Close a shard that its owner has dropped: what cannot be flushed now never will be."""
        try:
            self.close()
        finally:
            if not self.closed:
                self.release()
