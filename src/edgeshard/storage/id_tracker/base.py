"""What every id tracker answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from uuid import UUID

    from edgeshard.storage.flush import FlushPlan

Offsets = npt.NDArray[np.uint32]
Versions = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
PointId: TypeAlias = "int | UUID"
Ids: TypeAlias = "npt.NDArray[np.uint64] | Sequence[PointId]"


class IdTracker(ABC):
    """The ids, versions and deletions of one segment's points.

    Answers given as arrays are read-only and may be kept: a later change makes new ones. One writer at a
    time; readers may look at any time.
    """

    __slots__ = ("_deleted_mask", "_sorted_offsets")

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Drop the answers a change has made stale."""
        self._deleted_mask: Mask | None = None
        self._sorted_offsets: Offsets | None = None

    @property
    @abstractmethod
    def total(self) -> int:
        """The number of offsets, live and deleted."""

    @property
    @abstractmethod
    def live(self) -> int:
        """The number of live points."""

    @abstractmethod
    def offset_of(self, point_id: PointId) -> int | None:
        """The offset of a live point, else None."""

    @abstractmethod
    def offsets_of(self, ids: Ids) -> npt.NDArray[np.int64]:
        """``(n,)`` offsets of a uint64 array or a sequence of ids; -1 for a point that is not here."""

    @abstractmethod
    def id_at(self, offset: int) -> PointId:
        """The id an offset has, or had when it was deleted.

        Raises:
            IndexError: no point ever had the offset.
        """

    @abstractmethod
    def ids_of(self, offsets: Offsets) -> list[PointId]:
        """The ids at several offsets; raises like :meth:`id_at`."""

    def parts_of(self, offsets: Offsets) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """:meth:`ids_of` as :meth:`ids_arrays` gives them, each ``(n,)``."""
        lo, hi, is_uuid = self.ids_arrays()
        return lo[offsets], hi[offsets], is_uuid[offsets]

    def numbers_of(self, offsets: Offsets) -> npt.NDArray[np.uint64] | None:
        """:meth:`ids_of` as an array, None if one of them is a UUID."""
        ids = self.ids_of(offsets)
        return np.array(ids, np.uint64) if all(type(point_id) is int for point_id in ids) else None

    @abstractmethod
    def ids_arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Mask]:
        """``(lo, hi, is_uuid)``, each ``(total,)``: a number is ``lo``, a UUID is ``hi << 64 | lo``."""

    @property
    @abstractmethod
    def versions(self) -> Versions:
        """``(total,)`` operation number that last changed each offset; a view, do not write to it."""

    @abstractmethod
    def delete(self, offsets: Offsets, version: int) -> None:
        """Delete the points at ``offsets`` by operation ``version``; dead offsets only take the version."""

    @abstractmethod
    def set_versions(self, offsets: Offsets, version: int) -> None:
        """Record that operation ``version`` changed the points at ``offsets``."""

    def set_version(self, offset: int, version: int) -> None:
        """:meth:`set_versions` for one point."""
        self.set_versions(np.array([offset], np.uint32), version)

    def deleted_mask(self) -> Mask:
        """``(total,)``, True where no live point is."""
        if self._deleted_mask is None:
            mask = self._make_deleted_mask()
            mask.flags.writeable = False
            self._deleted_mask = mask
        return self._deleted_mask

    def sorted_offsets(self) -> Offsets:
        """``(live,)`` offsets of the live points in id order: numbers, then UUIDs by their bytes."""
        if self._sorted_offsets is None:
            order = self._make_sorted_offsets()
            order.flags.writeable = False
            self._sorted_offsets = order
        return self._sorted_offsets

    @abstractmethod
    def _make_deleted_mask(self) -> Mask: ...

    @abstractmethod
    def _make_sorted_offsets(self) -> Offsets: ...

    @property
    @abstractmethod
    def dirty_bytes(self) -> int:
        """About how much the next flush will write."""

    @abstractmethod
    def collect_mappings(self, plan: FlushPlan) -> None:
        """Hand changed ids to a flush: they go out before the vectors and payloads they name."""

    @abstractmethod
    def collect_versions(self, plan: FlushPlan) -> None:
        """Hand changed versions to a flush: they go out last, a version says that its point is complete."""

    def collect(self, plan: FlushPlan) -> None:
        """:meth:`collect_mappings` and :meth:`collect_versions`, for a plan that holds nothing else."""
        self.collect_mappings(plan)
        self.collect_versions(plan)

    @property
    def orphans(self) -> Offsets:
        """Offsets the load found incomplete after a crash; their payload is to be cleared."""
        return np.zeros(0, np.uint32)

    @abstractmethod
    def close(self) -> None:
        """Let go of files. Unflushed changes are lost."""
