"""What vectors a shard stores: kind, size, distance and element type by name."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from edgeshard.errors import VectorNameNotFoundError
from edgeshard.index.turbo import TURBO_BITS
from edgeshard.storage.convert import DOT

Kind: TypeAlias = Literal["dense", "multi", "sparse"]

_BYTES: np.dtype[np.generic] = np.dtype(np.uint8)
_NUMPY: dict[str, np.dtype[np.generic]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "uint8": np.dtype(np.uint8),
}


class VectorSchema:
    """One vector name.

    Args:
        kind: dense, multi or sparse.
        size: dimension; 0 for sparse.
        distance: distance code; Dot for sparse.
        datatype: ``float32``, ``float16``, ``uint8`` or ``turbo4|8|16``.
        idf: whether queries are weighted by inverse document frequency (sparse only).

    Attributes:
        dtype: the NumPy type of a stored element (bytes of a record for compressed vectors).
        turbo_bits: bits per element if vectors are stored compressed, else None.
    """

    __slots__ = ("datatype", "distance", "dtype", "idf", "kind", "size", "turbo_bits")
    _GIVEN = ("kind", "size", "distance", "datatype", "idf")

    def __init__(
        self, kind: Kind, size: int = 0, distance: int = DOT, datatype: str = "float32", idf: bool = False
    ) -> None:
        self.kind = kind
        self.size = size
        self.distance = distance
        self.datatype = datatype
        self.idf = idf
        self.dtype = _NUMPY.get(datatype, _BYTES)
        self.turbo_bits = TURBO_BITS.get(datatype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorSchema) and all(
            getattr(self, field) == getattr(other, field) for field in self._GIVEN
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._GIVEN)
        return f"VectorSchema({values})"


Schema: TypeAlias = "dict[str, VectorSchema]"


def shown_name(name: str) -> str:
    """A vector name for a message."""
    return f"vector {name!r}" if name else "the unnamed vector"


def unknown_vector(name: str, schema: Schema) -> VectorNameNotFoundError:
    """The error for a vector name that a shard does not have."""
    known = ", ".join(repr(known) if known else "the unnamed vector" for known in schema) or "no vectors"
    missing = "" if name else "No vector name was given. "
    return VectorNameNotFoundError(f"Not existing vector name error: {name}. {missing}This shard has: {known}")
