"""The id tracker of immutable segments whose ids stay on disk (``id_tracker_memory`` ``cold`` or ``cached``).

In memory it holds two bits of every point as bytes (deleted, is a UUID); ids are found by binary search in
the mapped file.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage.bitset_file import decode_stored_bitmask
from edgeshard.storage.files import PathLike, read_file
from edgeshard.storage.id_tracker.base import Ids, Mask, Offsets, PointId
from edgeshard.storage.id_tracker.fixed import FixedIdTracker
from edgeshard.storage.overlay import PrivateFile

I2E_FILE, E2I_FILE, IS_UUID_FILE = "id_tracker.i2e", "id_tracker.e2i", "id_tracker.is_uuid"
I2E_MAGIC, E2I_MAGIC, FORMAT_VERSION = 0x51445F4932450001, 0x51445F4532490001, 2
I2E_HEADER = struct.Struct("<QIIQQ")


class DiskIdTracker(FixedIdTracker):
    """Ids of an immutable segment, searched in its files.

    Args:
        directory: the segment.
        read_only: refuse changes.

    Raises:
        CorruptedError: a file is missing, damaged or does not fit the others.
    """

    __slots__ = ("_e2i", "_halves", "_i2e", "_is_uuid", "_map")

    def __init__(self, directory: PathLike, *, read_only: bool = False) -> None:
        directory = Path(directory)
        self._i2e = PrivateFile(directory / I2E_FILE, read_only=True)
        count = check_i2e(self._i2e)
        super().__init__(directory, count, read_only=read_only)
        keys = self._i2e.array[I2E_HEADER.size : I2E_HEADER.size + 16 * count]
        self._halves = keys.view("<u8").reshape(count, 2)
        path = directory / IS_UUID_FILE
        self._is_uuid = np.ascontiguousarray(decode_stored_bitmask(read_file(path), count, path))
        self._e2i = PrivateFile(directory / E2I_FILE, read_only=True)
        self._map = _native.DiskIdMap(self._e2i.array, keys, self._is_uuid)
        reason, at = self._map.status
        if reason is not None:
            raise CorruptedError(self._e2i.path, reason, at)

    @classmethod
    def open(cls, directory: PathLike, *, read_only: bool = False) -> DiskIdTracker:
        """The tracker of a segment directory."""
        return cls(directory, read_only=read_only)

    def _contradiction(self) -> CorruptedError:
        return CorruptedError(self._e2i.path, f"it contradicts {I2E_FILE}")

    def offset_of(self, point_id: PointId) -> int | None:
        """The offset of a live point, else None.

        Raises:
            CorruptedError: the search structure names an offset that has another id.
        """
        offset = self._map.find(point_id)
        if offset == -2:
            raise self._contradiction()
        return None if offset < 0 or self.deleted_mask()[offset] else offset

    def offsets_of(self, ids: Ids) -> npt.NDArray[np.int64]:
        """``(n,)`` offsets; -1 for a point that is not here. Raises like :meth:`offset_of`."""
        offsets = self._map.find_many(ids)
        if (offsets == -2).any():
            raise self._contradiction()
        found = offsets >= 0
        offsets[found & self.deleted_mask()[offsets * found]] = -1
        return offsets

    def id_at(self, offset: int) -> PointId:
        """The id an offset has, or had when it was deleted."""
        return self.ids_of(np.array([offset], np.uint32))[0]

    def ids_of(self, offsets: Offsets) -> list[PointId]:
        """The ids at several offsets."""
        return _native.make_ids(*self.parts_of(offsets))

    def parts_of(self, offsets: Offsets) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """See :class:`IdTracker`."""
        halves = self._halves[offsets]
        return np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1]), self._is_uuid[offsets]

    def ids_arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """``(lo, hi, is_uuid)``, each ``(total,)``."""
        return self._halves[:, 0].copy(), self._halves[:, 1].copy(), self._is_uuid

    def delete(self, offsets: Offsets, version: int) -> None:
        """Delete the points at ``offsets`` by operation ``version``."""
        self._bury(offsets, version)

    def _make_sorted_offsets(self) -> Offsets:
        offsets = self._map.sorted_offsets()
        if len(offsets) and int(offsets.max()) >= self.total:
            raise self._contradiction()
        kept: Offsets = offsets[~self.deleted_mask()[offsets]]
        return kept

    def expect_scattered_reads(self) -> None:
        """Read no more of the files than a search asks for."""
        for file in (self._i2e, self._e2i):
            file.expect_scattered_reads()

    def fetch_ahead(self) -> None:
        """Have the system read the files into its cache, without waiting for it."""
        for file in (self._i2e, self._e2i):
            file.fetch_ahead()

    def close(self) -> None:
        """Let go of the files. Unflushed changes are lost."""
        super().close()
        nothing = np.zeros(0, np.uint8)
        self._map = _native.DiskIdMap(nothing, nothing, np.zeros(0, np.bool_))
        self._halves = np.zeros((0, 2), np.uint64)
        self._i2e.close()
        self._e2i.close()


def check_i2e(file: PrivateFile) -> int:
    """The number of points in an ``id_tracker.i2e``.

    Raises:
        CorruptedError: wrong magic number, version or length.
    """
    if file.size < I2E_HEADER.size:
        raise CorruptedError(file.path, f"expected at least {I2E_HEADER.size} bytes, got {file.size}", 0)
    magic, version, _, count, _ = I2E_HEADER.unpack(file.array[: I2E_HEADER.size].tobytes())
    if magic != I2E_MAGIC or version != FORMAT_VERSION:
        raise CorruptedError(file.path, f"expected an i2e file of version {FORMAT_VERSION}, got {version}", 0)
    if count > (file.size - I2E_HEADER.size) // 16:
        raise CorruptedError(file.path, f"{count} ids announced in {file.size} bytes", 16)
    return int(count)
