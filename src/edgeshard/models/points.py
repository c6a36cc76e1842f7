"""Points: an id, its vectors and its payload."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshard.models.base import Model, put_fields
from edgeshard.models.ids import ParsedId, PointId, parse_id
from edgeshard.models.payload import Payload, decode_payload, encode_payload
from edgeshard.models.vectors import PackedVector, Vector, VectorStructOutput, pack_vectors, unpack_vectors

__all__ = ["Point", "PointVectors"]


class PointVectors(Model):
    """The id of an existing point and vectors to replace.

    Args:
        id: an integer from 0 to 2^64 - 1, or a UUID.
        vector: as in `Point`; only the vectors named here are replaced.
    """

    __slots__ = ("_id", "_vectors")
    __match_args__ = ("id", "vector")

    _id: ParsedId
    _vectors: npt.NDArray[np.float32] | dict[str, PackedVector]

    def __init__(self, id: PointId, vector: Vector) -> None:
        put_fields(self, _id=parse_id(id), _vectors=pack_vectors(vector))

    @property
    def id(self) -> ParsedId:
        """The id: an int or a `uuid.UUID`."""
        return self._id

    @property
    def vector(self) -> VectorStructOutput:
        """The vectors as lists, or a dict of lists and `SparseVector` by name."""
        return unpack_vectors(self._vectors)  # type: ignore[no-any-return]


class Point(PointVectors):
    """A point to store.

    Everything is converted and checked once, here: vectors become float32 rows, the payload becomes JSON.

    Args:
        id: an integer from 0 to 2^64 - 1, or a UUID (object or text).
        vector: the unnamed vector (a list, tuple or array of numbers; a list of rows for a multi-vector),
            or a dict from vector name to dense, multi- or `SparseVector`. ``{}`` is a point without vectors.
        payload: a dict of JSON-like values, or None. Integers beyond 64 bits become floats, tuples and bytes
            become lists.

    Raises:
        TypeError: a value of the wrong type.
        ValidationError: NaN or infinity in a vector (see `edgeshard.options`) or payload, rows of different
            lengths, a sparse index twice, a payload nested deeper than 126 levels, text that is no UUID.
    """

    __slots__ = ("_payload",)
    __match_args__ = ("id", "vector", "payload")

    _payload: bytes | None

    def __init__(self, id: PointId, vector: Vector, payload: Payload | None = None) -> None:
        put_fields(
            self,
            _id=parse_id(id),
            _vectors=pack_vectors(vector),
            _payload=None if payload is None else encode_payload(payload),
        )

    @property
    def payload(self) -> Payload | None:
        """A fresh copy of the payload, or None."""
        return None if self._payload is None else decode_payload(self._payload)

    @classmethod
    def _make(
        cls, id: ParsedId, vectors: npt.NDArray[np.float32] | dict[str, PackedVector], payload: bytes | None
    ) -> Point:
        """A point around packed parts that are known to be right."""
        new = cls.__new__(cls)
        put_fields(new, _id=id, _vectors=vectors, _payload=payload)
        return new
