"""Versions of an immutable segment's points: a plain array, or the compressed form of some servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshard.errors import CorruptedError
from edgeshard.storage import files, zstd
from edgeshard.storage.id_tracker.base import Offsets, Versions
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard.storage.flush import FlushPlan


class VersionFile:
    """``u64[count]`` changed in place.

    Attributes:
        table: ``(count,)`` the versions, a view of the mapped file.
    """

    __slots__ = ("_file", "table")

    def __init__(self, path: Path, count: int, *, read_only: bool = False) -> None:
        self._file = PrivateFile(path, read_only=read_only)
        if self._file.size < 8 * count:
            reason = f"expected {8 * count} bytes for {count} points, got {self._file.size}"
            raise CorruptedError(path, reason, self._file.size)
        self.table: Versions = self._file.array[: 8 * count].view("<u8")

    def set(self, offsets: Offsets, version: int) -> None:
        """Set the version of some points."""
        self.table[offsets] = version
        for offset in np.sort(offsets).tolist():
            self._file.mark(8 * offset, 8 * offset + 8)

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return self._file.dirty_bytes

    def collect(self, plan: FlushPlan) -> None:
        """Hand the changed versions to a flush."""
        self._file.collect(plan)

    def close(self) -> None:
        """Let go of the file."""
        self.table = np.zeros(0, np.uint64)
        self._file.close()


class CompactVersions:
    """``id_tracker.compact_versions``: read whole; the first flush with a change writes the plain file.

    Layout: ``QDRANTCV``, u32 1, then a zstd frame of u64 count and, byte plane by byte plane, the zigzag
    differences of consecutive versions.
    """

    __slots__ = ("_changed", "_compact", "_plain", "table")

    def __init__(self, compact: Path, plain: Path, count: int) -> None:
        self._compact, self._plain, self._changed = compact, plain, False
        self.table: Versions = read_compact_versions(compact, count)

    def set(self, offsets: Offsets, version: int) -> None:
        """Set the version of some points."""
        self.table[offsets] = version
        self._changed = True

    @property
    def dirty_bytes(self) -> int:
        """Bytes that the next flush will write."""
        return self.table.nbytes if self._changed else 0

    def collect(self, plan: FlushPlan) -> None:
        """Replace the compressed file by a plain one if anything changed."""
        if self._changed:
            plan.replace(self._plain, self.table.astype("<u8").tobytes())
            plan.remove(self._compact)
            plan.on_done(self._written)

    def _written(self) -> None:
        self._changed = False

    def close(self) -> None:
        """Forget the versions."""
        self.table = np.zeros(0, np.uint64)


def read_compact_versions(path: Path, count: int) -> Versions:
    """The ``count`` versions of a compressed file.

    Raises:
        CorruptedError: it is not such a file or holds another number of versions.
    """
    data = files.read_file(path)
    if data[:12] != b"QDRANTCV\x01\x00\x00\x00":
        raise CorruptedError(path, "expected the header QDRANTCV and version 1", 0)
    raw = zstd.unpack(path, data[12:], 12, 8 + 8 * count)
    if int.from_bytes(raw[:8], "little") != count:
        raise CorruptedError(path, f"expected {count} versions, got {int.from_bytes(raw[:8], 'little')}", 12)
    planes = np.frombuffer(raw, np.uint8, 8 * count, 8).reshape(8, count)
    zigzag = np.ascontiguousarray(planes.T).view("<u8").reshape(count)
    deltas = (zigzag >> np.uint64(1)) ^ (np.uint64(0) - (zigzag & np.uint64(1)))
    return np.cumsum(deltas, dtype=np.uint64)
