"""Operations that only a log holds: points with their vectors as stored, and synchronisation of an id
range."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.models.base import put_fields
from edgeshard.models.ids import ParsedId
from edgeshard.models.points import Point
from edgeshard.models.updates import UpdateOperation

__all__ = ["RawColumn", "SyncPoints", "SyncPointsRaw", "UpsertRaw"]

RawColumn: TypeAlias = "tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_]]"
"""``(data, bounds (n + 1,), present (n,))``: the vector of point i is ``data[bounds[i]:bounds[i + 1]]``."""


class UpsertRaw(UpdateOperation, public=False):
    """Store points whose vectors are the bytes of the vector storage of each name.

    Attributes:
        ids: ``(n,)`` uint64, or a list of int and UUID.
        vectors: a :data:`RawColumn` by vector name.
        payloads: JSON per point, None for none.
    """

    __slots__ = ("ids", "payloads", "vectors")
    __match_args__ = ("ids", "vectors", "payloads")
    _call = "upsert_points_raw"
    _names = ("ids", "vectors", "payloads")

    ids: npt.NDArray[np.uint64] | list[ParsedId]
    vectors: dict[str, RawColumn]
    payloads: list[bytes | None]

    def __init__(
        self,
        ids: npt.NDArray[np.uint64] | list[ParsedId],
        vectors: dict[str, RawColumn],
        payloads: list[bytes | None],
    ) -> None:
        put_fields(self, ids=ids, vectors=vectors, payloads=payloads)


class SyncPoints(UpdateOperation, public=False):
    """Within an id range, delete what is not listed and store what is.

    Attributes:
        from_id: first id of the range, None for the very first.
        to_id: last id of the range, included, None for the very last.
        points: the points the range shall hold.
    """

    __slots__ = ("from_id", "points", "to_id")
    __match_args__ = ("from_id", "to_id", "points")
    _call = "sync_points"
    _names = ("from_id", "to_id", "points")

    from_id: ParsedId | None
    to_id: ParsedId | None
    points: list[Point]

    def __init__(self, from_id: ParsedId | None, to_id: ParsedId | None, points: list[Point]) -> None:
        put_fields(self, from_id=from_id, to_id=to_id, points=points)


class SyncPointsRaw(UpdateOperation, public=False):
    """:class:`SyncPoints` with the points as in :class:`UpsertRaw`."""

    __slots__ = ("from_id", "points", "to_id")
    __match_args__ = ("from_id", "to_id", "points")
    _call = "sync_points_raw"
    _names = ("from_id", "to_id", "points")

    from_id: ParsedId | None
    to_id: ParsedId | None
    points: UpsertRaw

    def __init__(self, from_id: ParsedId | None, to_id: ParsedId | None, points: UpsertRaw) -> None:
        put_fields(self, from_id=from_id, to_id=to_id, points=points)
