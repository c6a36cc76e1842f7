"""How a flush reaches the disk: log, then fresh places, then journal, then the files.

A *flush* makes everything so far survive a power loss with at most two syncs in the common case: the log and the
journal. A *checkpoint* additionally syncs the files themselves, moves the log's acknowledgement forward and empties
the journal. Flushes turn into checkpoints once the journal has grown to :data:`JOURNAL_LIMIT_BYTES`, or the part of
the log that is not acknowledged to :data:`LOG_LIMIT_BYTES` or :data:`LOG_LIMIT_RECORDS`: a shard that is never closed
must not fill the disk, nor take long to load after a kill.
"""

from __future__ import annotations

import os
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from edgeshard.errors import StorageError
from edgeshard.storage import files, generation
from edgeshard.storage.flush import Bytes, FlushPlan
from edgeshard.storage.in_place import overwrite
from edgeshard.storage.journal import Journal, sync_files
from edgeshard.storage.running_sums import BLOCK_BYTES, RunningSums, Sum

JOURNAL_LIMIT_BYTES = 16 << 20
LOG_LIMIT_BYTES = 64 << 20
LOG_LIMIT_RECORDS = 10_000
"""A load after a kill reads all that are not acknowledged, and takes 10 to 30 us for each that changes a point."""
INLINE_FRESH_BYTES = 1 << 20
"""Fresh bytes up to this many ride in the journal; more are written and synced in their own files."""
OPEN_AT_ONCE = 32
"""Files that a flush has open at the same time."""


class Log(Protocol):
    """What a flush needs of the write-ahead log."""

    def sync(self) -> None:
        """Make every appended record durable."""

    def acknowledge(self, op_number: int) -> None:
        """Everything up to this operation is durable in the segments."""

    @property
    def unacknowledged_bytes(self) -> int:
        """How much of it waits for that."""

    @property
    def unacknowledged_records(self) -> int:
        """How many records wait for that."""


class Checkpointer:
    """Carries flush plans of one shard to the disk.

    Args:
        root: the shard's directory.
        log: its write-ahead log, None when it has none.
        sums: is told what is written.

    Attributes:
        journal: what keeps flushes whole.
        journalled: the last operation whose changes are durable, in the journal or in the files.
    """

    __slots__ = ("_half_done", "_log", "_root", "_unsynced", "journal", "journalled", "sums")

    def __init__(self, root: Path, log: Log | None, sums: RunningSums | None = None) -> None:
        self._root = root
        self.journal = Journal(root)
        self._log = log
        self._unsynced: set[Path] = set()
        self._half_done = False
        self.journalled = -1
        self.sums = RunningSums(active=False) if sums is None else sums

    def flush(self, plan: FlushPlan, op_number: int, *, checkpoint: bool = False) -> None:
        """Carry out a plan.

        Args:
            plan: what to write.
            op_number: the last operation whose changes are in the plan or in the files; -1 for none.
            checkpoint: sync the files too and acknowledge the log.

        Raises:
            StorageError: the disk refused. Nothing is lost: the changes stay in memory and in the log, and the next
                flush writes them.
        """
        try:
            if self._half_done:
                self.redo()
            if self._log is not None:
                self._log.sync()
            if not plan.empty:
                self._execute(plan, op_number)
            if checkpoint or self._overgrown():
                self._checkpoint(op_number)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(error.errno, f"cannot flush: {error.strerror} ({error.filename})") from error

    def _overgrown(self) -> bool:
        """Whether the journal or the log holds more than another flush should add to."""
        if self.journal.size > JOURNAL_LIMIT_BYTES:
            return True
        log = self._log
        return log is not None and (
            log.unacknowledged_records > LOG_LIMIT_RECORDS or log.unacknowledged_bytes > LOG_LIMIT_BYTES
        )

    def close(self, *, remove: bool = True) -> None:
        """Let go of the journal, and unless a flush failed half way or the shard is elsewhere by now, remove it."""
        self.journal.close(remove=remove and self.journal.empty)

    def redo(self) -> None:
        """Bring the files to the state after the last record of the journal, after a flush failed half way; or write
        once more what a sync that failed may have given up.

        Raises:
            StorageError: the disk refused.
        """
        changed = self.journal.redo()
        self._unsynced |= changed
        for path in changed:
            self.sums.forget(path)
        self._half_done = False

    def _execute(self, plan: FlushPlan, op_number: int) -> None:
        if sum(view.nbytes for _, _, view in plan.fresh) <= INLINE_FRESH_BYTES:
            plan.changes[:0] = plan.fresh
        else:
            if self._unsynced:  # replaying an earlier record must not bring back what these writes replace
                self._checkpoint(-1)
            sync_files(write_ranges(plan.fresh, self.sums, plan.blank))
        self.journal.append(plan)
        self._half_done, self.journalled = True, max(self.journalled, op_number)
        self._unsynced |= {path for path, _, _ in plan.changes}
        with generation.changing(self._root):
            write_ranges(plan.changes, self.sums, plan.blank)
            for path, data in plan.replacements.items():
                self.sums.forget(path)
                if not overwrite(path, data):
                    replace_unsynced(path, data)
                self.sums.replaced(path, data)
                self._unsynced.add(path)
            for path in plan.removals:
                self.sums.forget(path)
                files.disk.unlink(path)
        self._half_done = False
        plan.done()

    def _checkpoint(self, op_number: int) -> None:
        if self._unsynced:
            self._half_done = True  # a system that fails to write pages may call them clean
            sync_files(self._unsynced)
            self._half_done = False
        self._unsynced = set()
        if self._log is not None and op_number >= 0:
            self._log.acknowledge(op_number)
        self.journal.reset()


def write_ranges(
    ranges: list[tuple[Path, int, Bytes]], sums: RunningSums | None = None, blank: set[Path] | None = None
) -> set[Path]:
    """Write byte ranges into their files, in ascending order, and return which files those are.

    Args:
        ranges: path, offset and bytes of each.
        sums: is told what is written.
        blank: files that nothing has been written to since they were made of zeroes; what is written leaves it.
    """
    sums = RunningSums(active=False) if sums is None else sums
    blank = set() if blank is None else blank
    by_file: dict[Path, list[tuple[int, Bytes]]] = {}
    for path, offset, view in ranges:
        by_file.setdefault(path, []).append((offset, view))
    remaining = iter(by_file.items())
    while group := list(islice(remaining, OPEN_AT_ONCE)):
        _write_files(group, sums, blank)
    return set(by_file)


def _write_files(group: list[tuple[Path, list[tuple[int, Bytes]]]], sums: RunningSums, blank: set[Path]) -> None:
    """Write parts of some files. All are opened first: between two long writes the code of that would run cold."""
    fds: list[int] = []
    begun: list[Sum] = []
    try:
        for path, parts in group:
            parts.sort(key=itemgetter(0))
            fds.append(files.disk.open(path, os.O_RDWR | os.O_CREAT))
            begun.append(sums.begin(path, fds[-1], parts, blank=path in blank))
            blank.discard(path)
        for (_, parts), fd, summed in zip(group, fds, begun, strict=True):
            _write(fd, parts, summed)
            if summed.known:
                summed.written(os.fstat(fd))
    except BaseException:
        for path, _ in group:
            sums.forget(path)
        raise
    finally:
        for fd in fds:
            os.close(fd)


def _write(fd: int, parts: list[tuple[int, Bytes]], summed: Sum) -> None:
    """Write parts of a file and sum them while they are in the cache.

    To a disk, what is summed first is copied so much faster afterwards that the sum is all but free; into memory, the
    system does not copy faster than it finds pages, and reads from the cache help the sum instead.
    """
    first = summed.known and files.is_on_device(fd)
    for offset, view in parts:
        for at in range(0, len(view), BLOCK_BYTES):
            block = view[at : at + BLOCK_BYTES]
            if first:
                summed.take(offset + at, block)
            files.disk.pwrite(fd, block.data, offset + at)
            if not first:
                summed.take(offset + at, block)


def replace_unsynced(path: Path, data: bytes) -> None:
    """Replace a file whose new content the journal already holds: a crash may lose it, not tear it for readers."""
    draft = path.with_name(f"{files.TEMPORARY_PREFIX}-{path.name}")
    fd = files.disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        files.disk.pwrite(fd, data, 0)
    finally:
        os.close(fd)
    files.disk.rename(draft, path)
