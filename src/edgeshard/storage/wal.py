"""The write-ahead log of a shard: every update is here before it is anywhere else.

::

    wal/closed-<start>   a full file; <start> is the number of its first record
    wal/open-<id>        the file being appended to, and one spare
    wal/first-index      {"ack_index":N}: everything up to N is durable in the segments
    wal/tmp-*            a file being made; removed when found

A record that :meth:`Wal.append` returned for survives the death of the process; :meth:`Wal.sync` makes it
survive the death of the machine. Opening cuts a torn tail silently, as that is what a crash leaves, but
reports damage in the middle; docs/format/wal.md says how the two are told apart.

Not thread safe: the shard serialises writers. The lock against other processes is storage/lock.py's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from edgeshard.errors import CorruptedError, ReadOnlyError, StorageError
from edgeshard.storage import files
from edgeshard.storage.wal_file import WalDamage, WalFile, record_bytes

DEFAULT_CAPACITY_BYTES = 32 << 20
_MARKER_BYTES = 64
"""Size of the empty ``closed-<n>`` that only says where numbering continues."""

OnDamage = Literal["raise", "skip"]


class Wal:
    """An open log.

    Attributes:
        directory: the ``wal`` directory.
        damage: what was found damaged, see :class:`WalDamage`.
        ack_index: number of the last acknowledged operation, or None.
    """

    __slots__ = (
        "_acknowledged_end", "_capacity", "_closed", "_current", "_dirty", "_names_changed", "_next_open_id",
        "_read_only", "_restart_at", "_retain_closed", "_spare", "_unused", "ack_index", "damage", "directory",
    )  # fmt: skip

    def __init__(self, directory: Path, *, read_only: bool, capacity_bytes: int, retain_closed: int) -> None:
        self.directory = directory
        self._read_only, self._capacity, self._retain_closed = read_only, capacity_bytes, retain_closed
        self._closed: list[WalFile] = []
        self._current: WalFile | None = None
        self._spare: WalFile | None = None
        self._unused: list[WalFile] = []
        """Empty files that stand by to be the next spare."""
        self._dirty: set[WalFile] = set()
        self._names_changed = False
        self._next_open_id = 1
        self._restart_at: int | None = None
        self._acknowledged_end = 0
        """Where the acknowledged records of the current file end."""
        self.damage: list[WalDamage] = []
        self.ack_index: int | None = None

    # --- opening

    @classmethod
    def create(
        cls,
        directory: files.PathLike,
        *,
        first_index: int = 0,
        capacity_bytes: int = DEFAULT_CAPACITY_BYTES,
        retain_closed: int = 1,
    ) -> Wal:
        """A new log whose first operation gets the number ``first_index``; durable when this returns.

        Raises:
            StorageError: the file system refused.
        """
        wal = cls(Path(directory), read_only=False, capacity_bytes=capacity_bytes, retain_closed=retain_closed)
        try:
            files.disk.mkdir(wal.directory)
            files.disk.sync_directory(wal.directory.parent)
        except OSError as error:
            raise StorageError(error.errno, f"cannot create {directory}: {error.strerror}") from error
        if first_index:
            wal._closed.append(WalFile.create(wal.directory / f"closed-{first_index}", _MARKER_BYTES, first_index))
        wal._provide_open_files()
        wal._names_changed = True
        wal.sync()
        return wal

    @classmethod
    def open(
        cls,
        directory: files.PathLike,
        *,
        first_index: int = 0,
        read_only: bool = False,
        on_damage: OnDamage = "raise",
        check_acknowledged: bool = True,
        capacity_bytes: int = DEFAULT_CAPACITY_BYTES,
        retain_closed: int = 1,
    ) -> Wal:
        """An existing log, or a new one where there is none.

        Args:
            directory: the ``wal`` directory.
            first_index: the next operation gets at least this number: one more than the highest version in
                the segments, so that no update is taken for one they have. Records below it can be read until
                the next :meth:`acknowledge`.
            read_only: change nothing on disk.
            on_damage: what to do about a damaged record that was not acknowledged: ``"raise"``, or ``"skip"``
                to leave it out and go on behind it. Either way it is in :attr:`damage`.
            check_acknowledged: also compute the checksums of records that were acknowledged. Without, they are only
                counted, damage among them is not found, and :meth:`entries` leaves out those before the last.
            capacity_bytes: size of new files (``wal_options.segment_capacity``).
            retain_closed: acknowledged closed files to keep (``wal_options.retain_closed``).

        Raises:
            CorruptedError: a file is damaged, or missing from the middle, where operations are not
                acknowledged.
            StorageError: the file system refused.
        """
        if not read_only and not os.path.isdir(directory):
            return cls.create(
                directory, first_index=first_index, capacity_bytes=capacity_bytes, retain_closed=retain_closed
            )
        wal = cls(Path(directory), read_only=read_only, capacity_bytes=capacity_bytes, retain_closed=retain_closed)
        closed, opened = wal._list()
        wal.ack_index = wal._read_ack()
        needed = 0 if check_acknowledged or wal.ack_index is None else wal.ack_index
        wal._take_closed(closed, needed)
        wal._take_open(opened, needed)
        wal._judge(on_damage)
        if not read_only:
            wal._make_writable(first_index)
        return wal

    def _list(self) -> tuple[list[tuple[int, Path]], list[tuple[int, Path]]]:
        found: dict[str, list[tuple[int, Path]]] = {"closed": [], "open": []}
        try:
            names = sorted(os.listdir(self.directory))
        except OSError as error:
            raise StorageError(error.errno, f"cannot read {self.directory}: {error.strerror}") from error
        for name in names:
            kind, dash, number = name.partition("-")
            if name.startswith("tmp-") and not self._read_only:
                files.disk.unlink(self.directory / name)
            if kind not in found or not dash:
                continue
            if not number.isascii() or not number.isdigit() or int(number) >= 1 << 64:
                raise CorruptedError(self.directory / name, "the name of a log file ends in a number")
            found[kind].append((int(number), self.directory / name))
        return sorted(found["closed"]), sorted(found["open"])

    def _read_ack(self) -> int | None:
        path = self.directory / "first-index"
        if not path.exists():
            return None
        try:
            ack = files.parse_json(files.read_file(path, files.STATUS_LIMIT_BYTES))["ack_index"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptedError(path, 'expected {"ack_index":N}') from error
        if type(ack) is not int or not 0 <= ack < 1 << 64:
            raise CorruptedError(path, f"ack_index is {ack!r}, not an operation number")
        return ack

    def _take_closed(self, closed: list[tuple[int, Path]], needed: int) -> None:
        for start, path in closed:
            file = WalFile(path, start)
            file.scan(needed - start)
            if self._closed and file.start != self._end:
                self._mend_gap(file)
            self._closed.append(file)

    def _mend_gap(self, file: WalFile) -> None:
        """Records are missing, or listed twice, before a closed file; acknowledged ones may be missing."""
        before = self._closed[-1]
        if file.start < before.next_index:
            reason = f"starts before operation {before.next_index}, where {before.path.name} ends"
            raise CorruptedError(file.path, reason, 0)
        if not file.count:  # an empty closed file says that nothing before it matters any more
            before.damage.clear()
            return
        missing = file.start - before.next_index
        reason = f"{missing} records are missing before {file.path.name}"
        before.damage.append(WalDamage(before.path, before.end, before.next_index, reason, missing))

    def _take_open(self, opened: list[tuple[int, Path]], needed: int) -> None:
        used: list[WalFile] = []
        for number, path in opened:
            self._next_open_id = max(self._next_open_id, number + 1)
            file = WalFile(path)
            if _never_written(path):
                if not self._read_only:
                    files.disk.unlink(path)
                continue
            previous = used[-1] if used else self._closed[-1] if self._closed else None
            start = 0 if previous is None else previous.next_index + previous.torn
            file.scan(needed - start)
            if file.count:
                if previous is not None and previous.torn:
                    previous.count_torn()
                file.renumber(start)
                used.append(file)
            else:
                self._unused.append(file)
        self._closed += used[:-1]
        self._current = used[-1] if used else None
        if self._unused:
            self._spare = self._unused.pop(0)

    def _remove_surplus(self) -> None:
        """Remove empty files that are more than a log needs; one with anything in it stays."""
        needed = 1 if self._current is None else 0
        surplus = [file for file in self._unused[needed:] if not file.torn and file.tail_is_zero()]
        for file in surplus:
            self._remove(file)
            self._unused.remove(file)

    def _judge(self, on_damage: OnDamage) -> None:
        """Raise for the first damage to an operation that is not acknowledged, if asked to."""
        found = [damage for file in self._files() for damage in file.damage]
        acknowledged = -1 if self.ack_index is None else self.ack_index
        if on_damage == "raise":
            for damage in found:
                if damage.last_index > acknowledged:
                    raise damage.error()
        self.damage = found

    def _make_writable(self, first_index: int) -> None:
        for file in self._closed:
            if file.path.name.startswith("open-"):  # a crash between the steps of a roll-over
                file.rename(f"closed-{file.start}")
                self._names_changed = True
        self._keep_strangers()
        self._remove_surplus()
        if self._current is not None and not self._current.tail_is_zero():
            self._current.cut_tail()
            self._current.sync()  # before anything follows: old bytes must not come back behind new records
        acknowledged = 0 if self.ack_index is None else self.ack_index + 1
        if self.damage or self._end < max(acknowledged, first_index):
            self._restart_at = max(acknowledged, first_index, self._end)
        if self._restart_at is not None and (not len(self) or self._end <= acknowledged):
            self.restart(self._restart_at)
        self._provide_open_files()

    def _keep_strangers(self) -> None:
        """Cut what lies behind the last record of the files, but keep it elsewhere if it may be needed."""
        for file in (self._current, self._spare, *self._unused):
            if file is not None and file.stranger:
                kept = file.keep_tail(self.directory.parent / files.DAMAGED)
                text = (
                    f"{file.path} is damaged at byte {file.end}, but a whole record lies at byte {file.stranger}: "
                    "updates since the last flush are lost, unless it is an old one that another engine left there; "
                    f"{kept} has the file as it was"
                )
                warnings.warn(text, RuntimeWarning, stacklevel=2)
                file.cut_tail()
                file.sync()

    # --- reading

    def _files(self) -> list[WalFile]:
        return self._closed + ([self._current] if self._current is not None else [])

    @property
    def first_index(self) -> int:
        """Number of the first operation that is still in the log (or :attr:`next_index` if it is empty)."""
        all_files = self._files()
        return all_files[0].start if all_files else 0

    @property
    def next_index(self) -> int:
        """Number the next operation gets."""
        return self._end if self._restart_at is None else self._restart_at

    @property
    def restarting(self) -> bool:
        """Whether numbering goes on beyond a gap or damage, so that what was replayed should be flushed at once."""
        return self._restart_at is not None

    @property
    def _end(self) -> int:
        """One more than the number of the last operation in the files."""
        all_files = self._files()
        return all_files[-1].next_index if all_files else 0

    @property
    def replay_from(self) -> int:
        """First operation a load must apply again: the acknowledged one itself, as in Qdrant Edge."""
        return max(self.first_index, self.ack_index or 0)

    def __len__(self) -> int:
        return self._end - self.first_index

    def entries(self, start: int | None = None) -> Iterator[tuple[int, memoryview]]:
        """``(number, payload)`` of every operation from ``start`` (default: :attr:`replay_from`) on, in
        order.

        Damaged records are left out. The views are read-only and keep their file's mapping alive.
        """
        first = self.replay_from if start is None else start
        for file in list(self._files()):
            if file.next_index > first:
                for index, payload in file.records():
                    if index >= first:
                        yield index, payload

    # --- writing

    def append(self, payload: bytes | bytearray | memoryview) -> int:
        """The number of the operation just logged; it survives the death of this process.

        Raises:
            StorageError: the file system refused; the log is as it was, and works again once there is room.
            ReadOnlyError: the log was opened for reading.
        """
        if self._read_only:
            raise ReadOnlyError("the log is closed or was opened for reading; open the shard for writing to update it")
        file = self._current
        if file is None or not file.fits(len(payload)):
            file = self._room_for(len(payload))
        file.append(payload)
        self._dirty.add(file)
        return file.start + file.count - 1

    def _room_for(self, payload_bytes: int) -> WalFile:
        if self._current is None or self._current.count:
            self._roll()
        file = self._current
        assert file is not None
        if not file.fits(payload_bytes):
            file.grow(payload_bytes)
        return file

    def _roll(self) -> None:
        """Close the current file and go on in the spare. Everything that can fail for lack of room comes
        first."""
        if self._spare is None:
            self._spare = self._new_open_file()
        if self._current is not None:
            # Contents and names are durable before records go on in the next file: a hole in a closed file, or
            # a file missing before another, is damage, never a lost write.
            self._current.rename(f"closed-{self._current.start}")
            self._names_changed = True
            self.sync()
        closed = self._closed if self._current is None else [*self._closed, self._current]
        self._spare.start = self._end
        # Without a call, so that no signal handler can come in between.
        self._closed, self._current, self._spare, self._acknowledged_end = closed, self._spare, None, 0
        try:
            self._spare = self._new_open_file()
        except StorageError:
            self._spare = None  # no room for it now; the next roll-over tries again, and reports

    def _new_open_file(self) -> WalFile:
        if self._unused:
            return self._unused.pop(0)
        file = WalFile.create(self.directory / f"open-{self._next_open_id}", self._capacity)
        self._next_open_id += 1
        self._names_changed = True
        return file

    def _provide_open_files(self) -> None:
        """Have a current file and a spare."""
        if self._current is None:
            start = self._end
            self._current, self._spare = self._spare or self._new_open_file(), None
            self._current.start = start
        if self._spare is None:
            self._spare = self._new_open_file()

    def sync(self) -> None:
        """Make every logged operation durable: contents first, then the names of the files.

        Raises:
            StorageError: the file system refused; what was not synced stays to be synced.
        """
        for file in list(self._dirty):
            file.sync()
            self._dirty.discard(file)
        if self._names_changed:
            try:
                files.disk.sync_directory(self.directory)
            except OSError as error:
                raise StorageError(error.errno, f"cannot sync {self.directory}: {error.strerror}") from error
            self._names_changed = False

    @property
    def dirty_bytes(self) -> int:
        """Bytes in files that the next :meth:`sync` will sync (an upper bound)."""
        return sum(file.end for file in self._dirty)

    @property
    def unacknowledged_bytes(self) -> int:
        """About how much of the files is there only because it was not acknowledged."""
        first = 0 if self.ack_index is None else self.ack_index + 1
        return sum(file.end for file in self._files() if file.next_index > first) - self._acknowledged_end

    @property
    def unacknowledged_records(self) -> int:
        """How many operations the segments may not hold yet."""
        first = self.first_index if self.ack_index is None else max(self.first_index, self.ack_index + 1)
        return max(0, self._end - first)

    def acknowledge(self, index: int) -> None:
        """Record that everything up to and including ``index`` is durable in the segments; drop closed files.

        The number is clamped to the operations in the log and never decreases.

        Raises:
            StorageError: the file system refused; the earlier acknowledgement stands.
        """
        index = min(index, self._end - 1)
        if len(self) and index >= self.first_index and (self.ack_index is None or index > self.ack_index):
            files.replace_file(self.directory / "first-index", b'{"ack_index":%d}' % index)
            self.ack_index = index
            if self._current is not None and index == self._end - 1:
                self._acknowledged_end = self._current.end
            while len(self._closed) > self._retain_closed and self._closed[0].next_index <= index:
                self._remove(self._closed.pop(0))
        if self._restart_at is not None and self.ack_index is not None and self.ack_index + 1 >= self._end:
            self.restart(self._restart_at)

    def drop_last(self, index: int) -> None:
        """Take back the last operation, which must be number ``index``: its record becomes zeroes.

        Raises:
            StorageError: it is not the last, or the file system refused.
        """
        file = self._current
        if file is None or not file.count or file.next_index - 1 != index:
            raise StorageError(f"operation {index} is not the last of {self.directory}, which is {self._end - 1}")
        file.drop_last()
        self._acknowledged_end = min(self._acknowledged_end, file.end)
        self._dirty.add(file)

    def restart(self, first_index: int) -> None:
        """Drop every record and continue numbering at ``first_index``; the caller has them all in the
        segments.

        Used when the log ends before the versions found in the segments, and to leave damaged records behind.
        Killed anywhere, the next open finds the old log or the new one.
        """
        self._restart_at = None
        if self._current is not None and self._current.count:
            self._current.rename(f"closed-{self._current.start}")
            self._closed.append(self._current)
        elif self._current is not None:
            self._unused.append(self._current)
        self._current, self._acknowledged_end = None, 0
        old = [file for file in self._closed if file.start != first_index or file.count]
        clash = [file for file in old if file.start >= first_index]
        for file in clash:
            self._remove(file)
        marker = WalFile.create(self.directory / f"closed-{first_index}", _MARKER_BYTES, first_index)
        self._names_changed = True
        self.sync()
        for file in old:
            if file not in clash:
                self._remove(file)
        self._closed = [marker]
        self._provide_open_files()
        self.sync()

    def _remove(self, file: WalFile) -> None:
        file.close()
        self._dirty.discard(file)
        try:
            files.disk.unlink(file.path)
        except OSError as error:
            raise StorageError(error.errno, f"cannot remove {file.path}: {error.strerror}") from error
        self._names_changed = True

    def close(self) -> None:
        """Close the files. Nothing is synced: that is for the caller to decide."""
        for file in [*self._files(), *([self._spare] if self._spare is not None else []), *self._unused]:
            file.close()
        self._read_only = True
        self._closed, self._current, self._spare, self._unused = [], None, None, []


def _never_written(path: Path) -> bool:
    """Whether an open file has no header: the machine died before it reached the disk."""
    try:
        with open(path, "rb") as file:
            return not any(file.read(8))
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error


__all__ = ["DEFAULT_CAPACITY_BYTES", "Wal", "WalDamage", "record_bytes"]
