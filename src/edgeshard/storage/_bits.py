"""Bit i of a file, from the least significant bit of byte ``i // 8``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshard.errors import CorruptedError
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
