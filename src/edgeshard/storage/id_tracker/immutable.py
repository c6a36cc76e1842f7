"""The id tracker of immutable segments that keep their ids in memory (``id_tracker_memory`` not cold)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage import files
from edgeshard.storage.id_tracker.base import Ids, Mask, Offsets, PointId
from edgeshard.storage.id_tracker.fixed import FixedIdTracker

MAPPINGS_FILE = "id_tracker.mappings"


class ImmutableIdTracker(FixedIdTracker):
    """Ids of an immutable segment, read whole at load.

    Args:
        directory: the segment.
        read_only: refuse changes.

    Raises:
        CorruptedError: a file is missing, damaged or does not fit the others.
    """

    __slots__ = ("_map",)

    def __init__(self, directory: files.PathLike, *, read_only: bool = False) -> None:
        path = Path(directory) / MAPPINGS_FILE
        data = np.frombuffer(files.read_file(path, 1 << 37), np.uint8)
        if len(data) < 8:
            raise CorruptedError(path, f"expected at least 8 bytes, got {len(data)}", 0)
        count = int(data[:8].view("<u8")[0])
        if count > (len(data) - 8) // 13:
            raise CorruptedError(path, f"{count} records announced in {len(data)} bytes", 0)
        super().__init__(directory, count, read_only=read_only)
        self._map = _native.IdMap()
        reason, at = self._map.load_table(data, np.packbits(self._bits.mask, bitorder="little"))
        if reason is not None:
            raise CorruptedError(path, reason, at)

    @classmethod
    def open(cls, directory: files.PathLike, *, read_only: bool = False) -> ImmutableIdTracker:
        """The tracker of a segment directory."""
        return cls(directory, read_only=read_only)

    def offset_of(self, point_id: PointId) -> int | None:
        """The offset of a live point, else None."""
        return self._map.find(point_id)

    def offsets_of(self, ids: Ids) -> npt.NDArray[np.int64]:
        """``(n,)`` offsets; -1 for a point that is not here."""
        return self._map.find_many(ids)

    def id_at(self, offset: int) -> PointId:
        """The id an offset has, or had when it was deleted."""
        return self._map.id_at(offset)

    def ids_of(self, offsets: Offsets) -> list[PointId]:
        """The ids at several offsets."""
        return self._map.ids_of(offsets)

    def parts_of(self, offsets: Offsets) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """See :class:`IdTracker`."""
        return self._map.parts_of(offsets)

    def numbers_of(self, offsets: Offsets) -> npt.NDArray[np.uint64] | None:
        """See :class:`IdTracker`."""
        return self._map.numbers_of(offsets)

    def ids_arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """``(lo, hi, is_uuid)``, each ``(total,)``."""
        return self._map.arrays()

    def delete(self, offsets: Offsets, version: int) -> None:
        """Delete the points at ``offsets`` by operation ``version``."""
        self._map.remove(self._bury(offsets, version))

    def _make_sorted_offsets(self) -> Offsets:
        return self._map.sorted_offsets()
