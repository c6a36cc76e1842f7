"""A growing set of flags by offset: deletion marks of appendable vectors, bool and null indexes.

Files on disk: a directory of ``status.dat`` and ``flags_a.dat``, described in ``docs/format/flags.md``.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from edgeshard.errors import CorruptedError, ReadOnlyError, StorageError
from edgeshard.storage import files
from edgeshard.storage.bitset_file import ChangingMask, Mask, Offsets, pack_bits, packed_size, unpack_bits
from edgeshard.storage.few import FEW, highest
from edgeshard.storage.gridstore_build import write_new
from edgeshard.storage.gridstore_config import MAX_SLOTS

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan

STATUS: Final = "status.dat"
FLAGS: Final = "flags_a.dat"
OLD_FLAGS: Final = "flags_b.dat"
MINIMUM_BYTES: Final = 1 << 20
"""Smallest flags_a.dat; it grows by powers of two."""

_STATUS: Final = struct.Struct("<QQ")  # number of flags, which of the two files


class Flags:
    """Flags by offset, changed in memory and written at the next flush.

    Made by :meth:`open` or :meth:`create`. Offsets past :attr:`count` are not set.
    """

    __slots__ = ("_bits", "_old_file", "_room_bytes", "_written_count", "directory", "read_only")

    def __init__(self, directory: Path, bits: Mask, room_bytes: int, *, old_file: bool, read_only: bool) -> None:
        self.directory = directory
        self.read_only = read_only
        self._bits = ChangingMask(bits)
        self._room_bytes = room_bytes
        self._old_file = old_file
        self._written_count = len(bits)

    @classmethod
    def create(cls, directory: files.PathLike) -> Flags:
        """An empty set in a new directory; an existing one is emptied.

        Raises:
            StorageError: the file system refused.
        """
        path = Path(directory)
        try:
            files.disk.mkdir(path)
        except OSError as error:
            raise StorageError(error.errno, f"cannot create {path}: {error.strerror}") from error
        files.create_file(path / FLAGS, MINIMUM_BYTES)
        write_new(path / STATUS, _STATUS.pack(0, 0), 0, durable=False)
        return cls(path, np.zeros(0, np.bool_), MINIMUM_BYTES, old_file=False, read_only=False)

    @classmethod
    def open(cls, directory: files.PathLike, read_only: bool = False) -> Flags:
        """The set in a directory.

        Raises:
            CorruptedError: a file is missing or too short.
            StorageError: the file system refused.
        """
        path = Path(directory)
        status = files.read_file(path / STATUS, files.STATUS_LIMIT_BYTES)
        if len(status) < _STATUS.size:
            reason = f"{len(status)} bytes, expected {_STATUS.size}"
            raise CorruptedError(path / STATUS, reason)
        count, which = _STATUS.unpack_from(status)
        if which > 1:
            raise CorruptedError(path / STATUS, f"expected file 0 or 1, got {which}", 8)
        file = path / (OLD_FLAGS if which else FLAGS)
        bits, size = _read_bits(file, count)
        room = MINIMUM_BYTES if which else size
        return cls(path, bits, room, old_file=bool(which), read_only=read_only)

    @property
    def count(self) -> int:
        """Number of flags, set or not."""
        return self._bits.count

    @property
    def dirty_bytes(self) -> int:
        """Bytes the next flush writes."""
        return self._bits.dirty_bytes + (self.count != self._written_count) * _STATUS.size

    def mask(self, count: int) -> Mask:
        """``(count,) bool``: which of the first offsets are set; read-only, stale once the set has grown."""
        return self._bits.view(count)

    def set(self, offsets: Offsets, value: bool | Mask) -> None:
        """Set or clear flags (``value`` may be one bool per offset); the set grows to hold them.

        Raises:
            ReadOnlyError: the set was opened for reading.
            StorageError: the file could not grow.
        """
        offsets = np.atleast_1d(offsets)
        if len(offsets) == 1:
            self.set_one(int(offsets[0]), bool(value))
        elif len(offsets):
            self.extend(highest(offsets) + 1)
            self._bits.set(offsets, value)

    def set_one(self, offset: int, value: bool) -> None:
        """:meth:`set` for one offset."""
        if offset >= self._bits.count or self.read_only:
            self.extend(offset + 1)
        self._bits.set_one(offset, value)

    def holds(self, offset: int) -> bool:
        """Whether one offset is set."""
        return self._bits.holds(offset)

    def any_of(self, offsets: Offsets) -> bool:
        """Whether one of some offsets is set."""
        if len(offsets) <= FEW:
            return any(map(self._bits.holds, offsets.tolist()))
        return bool(self.at(offsets).any())

    def at(self, offsets: Offsets) -> Mask:
        """``(n,) bool``: which of some offsets are set."""
        return self._bits.pick(offsets)

    def extend(self, count: int) -> None:
        """Make the set at least ``count`` flags long; new ones are not set."""
        if self.read_only:
            raise ReadOnlyError(f"{self.directory} is open for reading only")
        if packed_size(count) > self._room_bytes:
            self._grow(1 << (packed_size(count) - 1).bit_length())
        self._bits.extend(count)

    def _grow(self, size: int) -> None:
        path = self.directory / FLAGS
        if not self._old_file:  # otherwise the file is written whole at the next flush
            try:
                fd = files.disk.open(path, os.O_WRONLY)
                try:
                    files.disk.truncate(fd, size)
                finally:
                    os.close(fd)
            except OSError as error:
                raise StorageError(error.errno, f"cannot grow {path}: {error.strerror}") from error
        self._room_bytes = size

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed words, and the number of flags if it has changed, to a flush."""
        if self.read_only or not self.dirty_bytes:
            return
        if self._old_file:
            room = max(self._room_bytes, 1 << (max(1, packed_size(self.count)) - 1).bit_length())
            plan.replace(self.directory / FLAGS, pack_bits(self.mask(self.count)).ljust(room, b"\0"))
            plan.remove(self.directory / OLD_FLAGS)
        else:
            for offset, data in self._bits.changes():
                plan.write(self.directory / FLAGS, offset, data)
        if self._old_file or self.count != self._written_count:
            plan.write(self.directory / STATUS, 0, _STATUS.pack(self.count, 0))
        plan.on_done(self._flushed)

    def _flushed(self) -> None:
        self._bits.clean()
        self._written_count = self.count
        self._old_file = False

    def close(self) -> None:
        """Forget changes that were not flushed."""
        self._bits.clean()
        self._written_count = self.count


def _read_bits(path: Path, count: int) -> tuple[Mask, int]:
    """The first ``count`` bits of a file, which is mostly a hole, and the file's length."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if -(-count // 8) > size or count > MAX_SLOTS:
                raise CorruptedError(path, f"{size} bytes cannot hold {count} flags")
            return unpack_bits(file.read(-(-count // 8)), count), size
    except FileNotFoundError as error:
        raise CorruptedError(path, "the file is missing") from error
    except CorruptedError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
