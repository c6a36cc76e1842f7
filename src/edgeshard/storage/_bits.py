"""Bit i of a file, from the least significant bit of byte ``i // 8``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError
from edgeshard.storage import files
from edgeshard.storage.files import PathLike
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan


class BitFile:
    """Bits of a file that starts with ``header``, changed in memory until a flush.

    Raises:
        CorruptedError: the file is missing, has another header or fewer than ``count`` bits.
    """

    __slots__ = ("_file", "_first", "count")

    def __init__(self, path: PathLike, count: int, header: bytes = b"", *, read_only: bool = False) -> None:
        self._file = PrivateFile(path, read_only=read_only)
        self._first = len(header)
        self.count = count
        if self._file.array[: self._first].tobytes() != header:
            raise CorruptedError(path, f"expected the header {header!r}", 0)
        if self._file.size < self._first + (count + 7) // 8:
            raise CorruptedError(path, f"{self._file.size} bytes are too few for {count} bits", self._file.size)

    @property
    def bytes(self) -> npt.NDArray[np.uint8]:
        """The bytes that hold the bits."""
        return self._file.array[self._first :]

    def mask(self) -> npt.NDArray[np.bool_]:
        """``(count,)`` the bits."""
        return np.unpackbits(self.bytes, count=self.count, bitorder="little").view(np.bool_)

    def set(self, positions: npt.NDArray[np.uint32], value: bool = True) -> None:
        """Set the bits at ``positions``."""
        bits = np.left_shift(np.uint8(1), (positions & 7).astype(np.uint8))
        where = positions >> 3
        if value:
            np.bitwise_or.at(self.bytes, where, bits)
        else:
            np.bitwise_and.at(self.bytes, where, ~bits)
        for at in np.unique(where).tolist():
            self._file.mark(self._first + at, self._first + at + 1)

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return self._file.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed bytes to a flush."""
        self._file.collect(plan)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


FLAG_FILE_BYTES = 1 << 20


class FlagDirectory:
    """Growing flags: ``status.dat`` (u64 count, u64 0) and ``flags_a.dat``, held in memory until a flush.

    Raises:
        CorruptedError: a file is missing or shorter than the count says.
    """

    __slots__ = ("_bits", "_changed", "_directory", "_file", "count")

    def __init__(self, directory: PathLike, *, read_only: bool = False) -> None:
        self._directory = Path(directory)
        status = files.read_file(self._directory / "status.dat", 1 << 20)
        if len(status) < 16:
            raise CorruptedError(self._directory / "status.dat", f"expected 16 bytes, got {len(status)}")
        self.count = int.from_bytes(status[:8], "little")
        legacy = status[8:16] != bytes(8)
        self._file = self._directory / ("flags_b.dat" if legacy else "flags_a.dat")
        stored = PrivateFile(self._file, read_only=True)
        if stored.size < (self.count + 7) // 8:
            raise CorruptedError(self._file, f"{stored.size} bytes are too few for {self.count} flags", stored.size)
        self._bits = np.unpackbits(stored.array, count=self.count, bitorder="little").view(np.bool_)
        self._changed = legacy

    @classmethod
    def create(cls, directory: PathLike) -> FlagDirectory:
        """Make the directory without flags."""
        path = Path(directory)
        files.disk.mkdir(path)
        files.create_file(path / "flags_a.dat", FLAG_FILE_BYTES)
        files.create_file(path / "status.dat", 16)
        return cls(path)

    @staticmethod
    def write(directory: PathLike, flags: npt.NDArray[np.bool_]) -> None:
        """Make the directory holding ``flags``; the caller makes it durable."""
        made = FlagDirectory.create(directory)
        packed = np.packbits(flags, bitorder="little")
        data = packed.tobytes().ljust(max(FLAG_FILE_BYTES, _power_of_two(len(packed))), b"\0")
        for path, content in ((made._file, data), (Path(directory) / "status.dat", len(flags).to_bytes(16, "little"))):
            fd = files.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                files.disk.pwrite(fd, content, 0)
            finally:
                os.close(fd)

    def at(self, offsets: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        """The flags at ``offsets``, all below :attr:`count`."""
        return self._bits[offsets]

    def mask(self, count: int) -> npt.NDArray[np.bool_]:
        """``(count,)`` the flags; those never stored are False."""
        out = np.zeros(count, np.bool_)
        known = min(count, self.count)
        out[:known] = self._bits[:known]
        return out

    def set(self, offsets: npt.NDArray[np.uint32], value: bool = True) -> None:
        """Set the flags at ``offsets``; a flag beyond the last is created when it is to be set."""
        if not len(offsets):
            return
        top = int(offsets.max()) + 1
        if top > len(self._bits):
            grown = np.zeros(max(top, len(self._bits) * 3 // 2), np.bool_)
            grown[: len(self._bits)] = self._bits
            self._bits = grown
        self.count = max(self.count, top)
        self._bits[offsets] = value
        self._changed = True

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return (self.count + 7) // 8 + 16 if self._changed else 0

    def collect(self, plan: FlushPlan) -> None:
        """Hand the flags to a flush."""
        if not self._changed:
            return
        packed = np.packbits(self._bits[: self.count], bitorder="little")
        target = self._directory / "flags_a.dat"
        if target.exists() and target.stat().st_size >= len(packed):
            plan.write(target, 0, packed)
        else:
            size = max(FLAG_FILE_BYTES, _power_of_two(len(packed)))
            plan.replace(target, packed.tobytes().ljust(size, b"\0"))
        plan.write(self._directory / "status.dat", 0, self.count.to_bytes(16, "little"))
        plan.on_done(self._flushed)

    def _flushed(self) -> None:
        self._changed = False

    def close(self) -> None:
        """Forget the flags. Unflushed changes are lost."""
        self._changed = False


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
