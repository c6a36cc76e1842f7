"""One file of the write-ahead log: a header and a chain of checksummed records.

::

    0   "wal", u8 version 0, u32 seed          header; the seed starts the chain of checksums
    8   u64 n | n bytes payload | 0..7 zeroes | u32 CRC-32C     first record; the next follows at once
        zeroes                                  up to the end of the file, which is sparse

The prose and a worked example are in docs/format/wal.md; native/storage/wal_records.* reads and builds the
records.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from edgeshard import _native
from edgeshard.errors import CorruptedError, StorageError
from edgeshard.storage import files
from edgeshard.storage.mapping import map_file, next_data

HEADER = struct.Struct("<3sBI")
RECORD_OVERHEAD_BYTES = 12
_COPY_LIMIT_BYTES = 1 << 18
_EARLY_WRITE_BYTES = 4 << 20
"""Once so many bytes are complete the disk is set to work on them, or closing the file would wait for all of it."""
_STOP_NAMES = {2: "a record longer than the file", 3: "a record whose checksum is wrong"}

_BAD_BLOCK = "records that cannot be read, although whole ones lie behind them"


class WalDamage:
    """One place where a log file is damaged.

    Attributes:
        path: the file.
        offset: where in it, in bytes.
        index: number of the first operation it costs.
        count: how many it costs.
        reason: what was found.
    """

    __slots__ = ("count", "index", "offset", "path", "reason")

    def __init__(self, path: Path, offset: int, index: int, reason: str, count: int = 1) -> None:
        self.path, self.offset, self.index, self.reason, self.count = path, offset, index, reason, count

    def __repr__(self) -> str:
        return (
            f"WalDamage({str(self.path)!r}, offset={self.offset}, index={self.index}, "
            f"reason={self.reason!r}, count={self.count})"
        )

    @property
    def last_index(self) -> int:
        """Number of the last operation it costs."""
        return self.index + self.count - 1

    def error(self) -> CorruptedError:
        """The error that reports this damage."""
        return CorruptedError(self.path, f"{self.reason} (operation {self.index} of the log)", self.offset)


class WalFile:
    """A log file: its records as they were found, and where the next one goes.

    Attributes:
        path: the file, renamed when it is closed.
        start: number of its first record.
        count: number of records, damaged ones in the middle included.
        end: offset of the next record.
        crc: what the next record is chained to.
        capacity: usable size in bytes, a multiple of 8.
        damage: damaged records in the middle.
        torn: whether bytes behind ``end`` look like a record that was not written completely.
        stranger: where behind them a record lies that is valid all the same, 0 if none does. A bad block lost those
            up to it, or it is of an earlier life of the file.
    """

    __slots__ = (
        "_fd", "_first", "_skip", "_sync_failed", "capacity", "count", "crc", "damage", "end", "path", "seed", "start",
        "stranger", "torn",
    )  # fmt: skip

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path, self.start = path, start
        self.count, self.end, self.crc, self.seed, self.capacity = 0, HEADER.size, 0, 0, 0
        self.damage: list[WalDamage] = []
        self.torn = self._sync_failed = False
        self.stranger = 0
        self._skip: dict[int, tuple[int, int]] = {}
        self._first = (0, HEADER.size, 0)
        self._fd = -1

    @classmethod
    def create(cls, path: Path, capacity: int, start: int = 0) -> WalFile:
        """A new empty file, complete and durable before it gets its name.

        Raises:
            StorageError: the file system refused.
        """
        draft = path.parent / f"tmp-{path.name}"
        file = cls(path, start)
        file.seed = file.crc = int.from_bytes(os.urandom(4), "little")
        file._first = (0, HEADER.size, file.seed)
        file.capacity = capacity & ~7
        try:
            file._fd = fd = files.disk.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                files.disk.truncate(fd, capacity)
                files.disk.pwrite(fd, HEADER.pack(b"wal", 0, file.seed), 0)
                files.disk.sync(fd)
                files.disk.rename(draft, path)
            except OSError:
                file.close()
                files.disk.unlink(draft)
                raise
        except OSError as error:
            raise StorageError(error.errno, f"cannot create {path}: {error.strerror}") from error
        return file

    @property
    def next_index(self) -> int:
        """Number of the record that would follow."""
        return self.start + self.count

    def scan(self, unneeded: int = 0) -> None:
        """Read the file from the start and fill the attributes.

        A record that is not valid ends the file, unless the log provably goes on behind it: that is damage.

        Args:
            unneeded: how many records from the start on will not be read. They are counted by their lengths; only if
                the record behind them (or the last of the file) is not valid are they read after all.

        Raises:
            CorruptedError: the header is wrong.
            StorageError: the file cannot be read.
        """
        self.count, self.end, self.damage, self._skip = 0, HEADER.size, [], {}
        self.torn, self.stranger = False, 0
        data = self._map()
        self.capacity = len(data) & ~7
        if len(data) < HEADER.size:
            raise CorruptedError(self.path, f"{len(data)} bytes, too few for the header of a log file", 0)
        magic, version, self.seed = HEADER.unpack_from(data)
        if magic != b"wal" or version != 0:
            raise CorruptedError(self.path, f"expected 'wal' and version 0, got {bytes(data[:4])!r}", 0)
        self._first = (0, HEADER.size, self.seed)
        if unneeded > 0:
            self._first = _native.wal_skip(data[: self.capacity], HEADER.size, self.seed, unneeded)
        self.count, self.end, self.crc = self._first
        while True:
            offsets, _, end, crc, stop = _native.wal_scan(data[: self.capacity], self.end, self.crc)
            if not len(offsets) and self.end == self._first[1] > HEADER.size:
                self.scan()  # the lengths passed over led nowhere
                return
            self.count, self.end, self.crc = self.count + len(offsets), end, crc
            if stop not in _STOP_NAMES:
                return
            resume, self.stranger = _native.wal_inspect(data[: self.capacity], end, crc)
            if resume is None:
                self.torn = True
                if self.stranger and len(offsets) and _is_ours(data, int(offsets[-1])):
                    self.damage.append(WalDamage(self.path, end, self.next_index, _BAD_BLOCK))
                return
            self.damage.append(WalDamage(self.path, end, self.next_index, _STOP_NAMES[stop]))
            self._skip[end] = resume
            self.count += 1
            self.end, self.crc = resume

    def count_torn(self) -> None:
        """Treat the torn tail as one damaged record: records in another file follow it."""
        self.damage.append(WalDamage(self.path, self.end, self.next_index, "the last record is incomplete"))
        self.count, self.torn = self.count + 1, False

    def renumber(self, start: int) -> None:
        """Give the records other numbers."""
        for damage in self.damage:
            damage.index += start - self.start
        self.start = start

    def records(self) -> Iterator[tuple[int, memoryview]]:
        """``(index, payload)`` of every valid record that is needed; the views keep the mapping of the file alive."""
        unneeded, position, crc = self._first
        data, index = self._map()[: self.end], self.start + unneeded
        while True:
            offsets, lengths, end, crc, _ = _native.wal_scan(data, position, crc)
            for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
                yield index, data[offset + 8 : offset + 8 + length]
                index += 1
            if end not in self._skip:
                return
            position, crc = self._skip[end]
            index += 1

    def _map(self) -> memoryview:
        try:
            with open(self.path, "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    return memoryview(b"")
                return memoryview(map_file(file.fileno(), read_only=True)[0]).toreadonly()
        except OSError as error:
            raise StorageError(error.errno, f"cannot read {self.path}: {error.strerror}") from error

    def fits(self, payload_bytes: int) -> bool:
        """Whether a record with that payload still fits."""
        return self.end + record_bytes(payload_bytes) <= self.capacity

    def grow(self, payload_bytes: int) -> None:
        """Make room for a record larger than the file."""
        size = self.end + record_bytes(payload_bytes)
        self._call("enlarge", lambda: files.disk.truncate(self.fd, size))
        self.capacity = size

    def append(self, payload: bytes | bytearray | memoryview) -> None:
        """Write one record behind the last; it must fit.

        One write for records of ordinary size. A large one is written in place of being copied, its length
        last, so that an interrupted write leaves no record.

        Raises:
            StorageError: the file system refused; the file is as it was.
        """
        n = len(payload)
        if self.torn:
            self.cut_tail()
        before, end = self.end, self.end + record_bytes(n)
        self.torn = True
        try:
            if n <= _COPY_LIMIT_BYTES:
                record, crc = _native.wal_record(payload, self.crc)
                files.disk.pwrite(self.fd, record, self.end)
            else:
                head, tail, crc = _native.wal_frame(payload, self.crc)
                files.disk.pwrite(self.fd, memoryview(payload), self.end + 8)
                files.disk.pwrite(self.fd, tail, self.end + 8 + n)
                files.disk.pwrite(self.fd, head, self.end)
        except OSError as error:
            self._withdraw(error)
        except BaseException:  # Ctrl-C: the record may be there whole
            self.cut_tail()
            raise
        # Without a call, so that no signal handler can come in between.
        self.crc, self.end, self.count, self.torn = crc, end, self.count + 1, False
        first, last = before // _EARLY_WRITE_BYTES, end // _EARLY_WRITE_BYTES
        if last > first:
            start = first * _EARLY_WRITE_BYTES
            files.disk.start_writing(self.fd, start, last * _EARLY_WRITE_BYTES - start)

    def drop_last(self) -> None:
        """Turn the last record back into a hole.

        Raises:
            StorageError: the file system refused.
        """
        data = self._map()
        _, position, crc = self._first
        while True:
            offsets, _, end, crc, _ = _native.wal_scan(data[: self.end], position, crc)
            if end >= self.end:
                break
            position, crc = self._skip[end]
        last = int(offsets[-1])
        previous = _native.wal_scan(data[:last], position, self._skip_crc(position))[3]
        self.end, self.crc, self.count, self.torn = last, previous, self.count - 1, True
        self.cut_tail()

    def _skip_crc(self, position: int) -> int:
        """What the record at ``position`` is chained to: as the first one read, or the checksum of a damaged record."""
        return next((crc for resume, crc in self._skip.values() if resume == position), self._first[2])

    def _withdraw(self, error: OSError) -> None:
        """Turn what a failed append wrote back into a hole, which needs no space, and raise."""
        message = f"cannot write to {self.path}: {error.strerror}"
        try:
            self.cut_tail()
        except StorageError as second:
            message += f"; what was written could not be taken back ({second.strerror})"
        raise StorageError(error.errno, message) from error

    def cut_tail(self) -> None:
        """Make everything behind the last record zero."""

        def cut() -> None:
            files.disk.truncate(self.fd, self.end)
            files.disk.truncate(self.fd, self.capacity)

        self._call("shorten", cut)
        self.torn, self.stranger = False, 0

    def keep_tail(self, directory: Path) -> Path:
        """Copy the file, but for the zeroes at its end, into a directory of what was damaged, before its tail is cut.

        Raises:
            StorageError: the file system refused; nothing may be cut.
        """
        files.disk.mkdir(directory)
        target = directory / f"{self.path.name}-{files.random_suffix()}"
        files.replace_file(target, bytes(self._map()).rstrip(b"\0"))
        return target

    def tail_is_zero(self) -> bool:
        """Whether nothing but zeroes lies behind the last record; holes of the file are not read."""
        position = self.end
        while position < self.capacity:
            found = next_data(self.fd, position)
            if found is None:
                return True
            position = found
            block = os.pread(self.fd, 1 << 16, position)
            if not block or not _native.all_zero(block):
                return not block
            position += len(block)
        return True

    def sync(self) -> None:
        """Make the content durable."""
        if self._sync_failed:  # the system may have called pages clean that it could not write
            self._call("write", self._write_again)
        self._sync_failed = True
        self._call("sync", lambda: files.disk.sync(self.fd))
        self._sync_failed = False

    def _write_again(self) -> None:
        for at in range(0, self.end, _COPY_LIMIT_BYTES):
            files.disk.pwrite(self.fd, os.pread(self.fd, min(_COPY_LIMIT_BYTES, self.end - at), at), at)

    def rename(self, name: str) -> None:
        """Give the file another name in its directory."""
        target = self.path.with_name(name)
        self._call("rename", lambda: files.disk.rename(self.path, target))
        self.path = target

    @property
    def fd(self) -> int:
        """A descriptor for writing, opened when first needed."""
        if self._fd < 0:
            try:
                self._fd = files.disk.open(self.path, os.O_RDWR)
            except OSError as error:
                raise StorageError(error.errno, f"cannot open {self.path}: {error.strerror}") from error
        return self._fd

    def _call(self, verb: str, action: object) -> None:
        assert callable(action)
        try:
            action()
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(error.errno, f"cannot {verb} {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """A shard whose opening failed or was interrupted leaves no descriptor behind."""
        if getattr(self, "_fd", -1) >= 0:
            self.close()


def _is_ours(data: memoryview, offset: int) -> bool:
    """Whether edgeshard wrote the record there, behind which are no old bytes then: it makes the tail zero first.

    It writes maps with their length, and 0.9.0 maps with an end mark.
    """
    return 0xA0 <= data[offset + 8] <= 0xB7


def record_bytes(payload_bytes: int) -> int:
    """Size of a record: length, payload, padding and checksum."""
    return payload_bytes + ((4 - payload_bytes) & 7) + RECORD_OVERHEAD_BYTES
