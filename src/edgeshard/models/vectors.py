"""Vectors as callers give them, and their packed form.

Packed, a dense vector is a read-only ``(dim,) float32`` array, a multi-vector a ``(rows, dim) float32``
array and a sparse vector a `SparseVector`. Packing copies: later changes of the caller's list or array
have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard import _native
from edgeshard._native import are_numbers
from edgeshard.errors import ArgumentTypeError, ValidationError, quoted
from edgeshard.models.base import MAX_ITEMS, Model, as_array, put_fields, sequence, text
from edgeshard.models.options import options

__all__ = [
    "NamedVector",
    "PackedVector",
    "SparseVector",
    "Vector",
    "VectorOutput",
    "VectorPage",
    "VectorStructOutput",
    "by_name",
    "check_stored_sparse",
    "pack_example",
    "pack_vectors",
    "unpack",
    "unpack_vectors",
]

F32 = np.float32
FEW = 64
"""Elements of a sparse vector that are checked as a list: a call into numpy takes longer."""
MAX_INDEX = 0xFFFFFFFF
_native_pack = _native.pack_vector
_from_buffer = np.frombuffer


class SparseVector(Model):
    """A vector given by its non-zero components.

    Args:
        indices: positions, each from 0 to 2^32 - 1, in any order.
        values: as many float32 values.

    Raises:
        OverflowError: an index out of range.
        ValidationError: different numbers of indices and values.
    """

    __slots__ = ("_indices", "_packed", "_values")
    __match_args__ = ("indices", "values")

    _indices: npt.NDArray[np.uint32]
    _values: npt.NDArray[np.float32]
    _packed: bytes
    """Of a vector an embedder made, until it is read: the bytes of the indices, then those of the values."""

    def __init__(
        self,
        indices: Sequence[int] | npt.NDArray[np.integer[Any]],
        values: Sequence[float] | npt.NDArray[np.floating[Any]],
    ) -> None:
        packed = pack_dense(values, finite=False, name="values")
        if packed.ndim != 1:
            raise TypeError("values: expected a flat list of numbers")
        positions = _pack_indices(indices)
        if len(positions) != len(packed):
            raise ValidationError(
                "Validation failed: a sparse vector needs as many values as indices, "
                f"got {len(positions)} indices and {len(packed)} values"
            )
        put_fields(self, _indices=positions, _values=packed)

    def __getattr__(self, name: str) -> Any:
        """The arrays of a vector that is still packed."""
        if name not in ("_indices", "_values"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        packed = self._packed
        count = len(packed) // 8
        put_fields(
            self, _indices=_from_buffer(packed, np.uint32, count), _values=_from_buffer(packed, F32, offset=4 * count)
        )
        return getattr(self, name)

    @property
    def indices(self) -> list[int]:
        """Positions of the non-zero components, in the order given."""
        return self._indices.tolist()  # type: ignore[no-any-return]

    @property
    def values(self) -> list[float]:
        """The components at `indices`."""
        return self._values.tolist()  # type: ignore[no-any-return]

    @classmethod
    def _make(cls, indices: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]) -> SparseVector:
        """A vector around arrays that are known to be right."""
        new = cls.__new__(cls)
        put_fields(new, _indices=indices, _values=values)
        return new


SparseVector._slots = ("_indices", "_values")  # what a vector is, packed or not


NamedVector: TypeAlias = (
    Sequence[float]
    | Sequence[Sequence[float]]
    | SparseVector
    | npt.NDArray[np.floating[Any]]
    | npt.NDArray[np.integer[Any]]
)
"""One vector: dense, multi (rows) or sparse."""

Vector: TypeAlias = (
    Sequence[float]
    | Sequence[Sequence[float]]
    | npt.NDArray[np.floating[Any]]
    | npt.NDArray[np.integer[Any]]
    | Mapping[str, NamedVector]
)
"""The vectors of a point: one unnamed dense or multi-vector, or a dict by name."""

VectorOutput: TypeAlias = list[float] | list[list[float]] | SparseVector
"""One vector as it is returned: dense, multi (rows) or sparse."""

VectorStructOutput: TypeAlias = list[float] | list[list[float]] | dict[str, VectorOutput]
"""The vectors of a point as they are returned: the unnamed one alone, or a dict by name."""

PackedVector: TypeAlias = npt.NDArray[np.float32] | SparseVector


def pack_vectors(vector: Vector) -> npt.NDArray[np.float32] | dict[str, PackedVector]:
    """The vectors of a point, packed and fit to be stored.

    Raises:
        TypeError: no numbers where numbers belong, or an unnamed sparse vector.
        ValidationError: NaN or infinity, rows of different lengths or without components, a sparse index
            twice.
    """
    finite = not options.allow_nonfinite_vectors
    try:
        packed = _native_pack(vector, finite)
    except TypeError as error:
        raise TypeError(f"vector: {error}") from None
    if type(packed) is bytes and packed:  # by far the most frequent case
        return _from_buffer(packed, F32)
    if isinstance(vector, Mapping):
        return {_name(name): pack_stored(value) for name, value in vector.items()}
    if isinstance(vector, SparseVector):
        raise TypeError('a sparse vector needs a name: pass {"name": SparseVector(...)}')
    return pack_dense(vector, finite=finite)


def pack_stored(vector: NamedVector) -> PackedVector:
    """One vector, packed and fit to be stored."""
    if isinstance(vector, SparseVector):
        check_stored_sparse(vector._indices, vector._values)
        return vector
    return pack_dense(vector, finite=not options.allow_nonfinite_vectors)


def pack_example(vector: NamedVector, name: str = "query") -> PackedVector:
    """A query or example vector, packed. NaN and repeated sparse indices are allowed here.

    Raises:
        TypeError: no numbers where numbers belong, or rows of different lengths or without components.
    """
    if isinstance(vector, SparseVector):
        return vector
    try:
        return pack_dense(vector, finite=False, name=name)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _packed(vector: Any, finite: bool, name: str) -> Any:
    """What native code makes of a list of numbers; errors about its items say which list it was."""
    try:
        return _native_pack(vector, finite)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def pack_dense(vector: Any, *, finite: bool, name: str = "vector") -> npt.NDArray[np.float32]:
    """A dense or multi-vector as a new read-only array: ``(dim,)`` or ``(rows, dim)`` float32."""
    packed = _packed(vector, finite, name)
    if isinstance(packed, bytes):
        return _from_buffer(packed, F32) if packed else np.empty(0, F32)
    if packed is None:
        return pack_dense(_as_plain(vector, name), finite=finite, name=name)
    data, rows, columns = packed
    if rows == 0 or columns == 0:
        raise ValidationError(f"{name}: a multi-vector needs at least one row of at least one component")
    return _from_buffer(data, F32).reshape(rows, columns)


def check_stored_sparse(indices: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]) -> None:
    """Raise ValidationError unless a sparse vector is fit to be stored: finite, no index twice."""
    if len(indices) <= FEW:  # a set of them in less time than one call into numpy; of doubles, no sum overflows
        listed = indices.tolist()
        if len(set(listed)) == len(listed) and (options.allow_nonfinite_vectors or isfinite(sum(values.tolist()))):
            return
    if len(indices) > 1 and not bool((indices[1:] > indices[:-1]).all()):
        ordered = np.sort(indices)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise ValidationError(f"Validation failed: a stored sparse vector cannot hold index {twice[0]} twice")
    if not options.allow_nonfinite_vectors and not bool(np.isfinite(values).all()):
        raise ValidationError(
            "Validation failed: a sparse vector holds NaN or infinity; set "
            "edgeshard.options.allow_nonfinite_vectors to store such vectors"
        )


class VectorPage:
    """Packed vectors of all points of a result, from which those of one are made when they are read.

    Args:
        columns: a name, and by place 1-d arrays, 2-d arrays or ``(indices, values)``, None where a point has none.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: list[tuple[str, Any]]) -> None:
        self._columns = columns

    def at(self, place: int) -> Any:
        """The packed vectors of one point."""
        return by_name((name, column[place]) for name, column in self._columns)


def by_name(vectors: Iterable[tuple[str, Any]]) -> Any:
    """The packed vectors of one point: bare if it has the unnamed one alone, else by name.

    Args:
        vectors: name, and a 1-d array, a 2-d array or ``(indices, values)``; None for one that the point lacks.
    """
    entry: dict[str, Any] = {}
    for name, vector in vectors:
        if vector is not None:
            entry[name] = SparseVector._make(*vector) if isinstance(vector, tuple) else vector
    return entry[""] if len(entry) == 1 and "" in entry else entry


def unpack(packed: PackedVector) -> VectorOutput:
    """The public form of a packed vector: a list, a list of lists, or the `SparseVector`."""
    return packed if isinstance(packed, SparseVector) else packed.tolist()


def unpack_vectors(packed: Any) -> Any:
    """The public form of packed vectors; what is already public is returned as it is."""
    if isinstance(packed, np.ndarray):
        return packed.tolist()
    if isinstance(packed, dict):
        return {name: unpack_vectors(vector) for name, vector in packed.items()}
    return packed


def _name(name: object) -> str:
    if isinstance(name, str):
        return text(name, "vector name")
    raise TypeError(f"vector names must be strings, got {type(name).__name__}")


def _as_plain(vector: Any, name: str) -> Any:
    """A list or array of native floats from what the native code does not read itself."""
    if hasattr(vector, "__array__"):  # tensors, series, half-precision and byte-swapped arrays
        array = as_array(vector, name)
        if array.size > MAX_ITEMS:
            raise OverflowError(f"{name}: {array.size} numbers, more than the {MAX_ITEMS} a vector may have")
        if array.dtype.kind not in "fiub" or not 1 <= array.ndim <= 2:
            raise TypeError(f"{name}: expected one or two dimensions of numbers, got {array.ndim} of {array.dtype}")
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(array, F32)
    if isinstance(vector, (str, Mapping, Set)) or not hasattr(vector, "__iter__"):  # a set has no order to go by
        raise TypeError(f"{name}: expected a list of numbers, got {type(vector).__name__}")
    return list(vector)


def _pack_indices(indices: Any) -> npt.NDArray[np.uint32]:
    if type(indices) is list and len(indices) <= FEW:
        listed = indices[:]
        if are_numbers(listed) and max(listed, default=0) <= MAX_INDEX:
            packed = np.array(listed, np.uint32)
            packed.flags.writeable = False
            return packed
    if isinstance(indices, Set):
        raise TypeError("indices: expected a list of integers; a set has no order to pair values with")
    try:
        array = np.asarray(indices if isinstance(indices, np.ndarray) else sequence(indices, "indices"))
    except ValueError as error:  # lists of different lengths
        raise TypeError(f"indices: expected a flat list of integers, {error}") from None
    if array.size == 0:
        return np.empty(0, np.uint32)
    if array.ndim != 1 or array.dtype.kind not in "iub":
        if all(isinstance(index, int) for index in indices):  # too large even for NumPy
            raise OverflowError(f"indices: expected integers from 0 to 2**32 - 1, got {quoted(max(indices, key=abs))}")
        raise TypeError("indices: expected a flat list of integers")
    least, most = int(array.min()), int(array.max())
    if least < 0 or most > MAX_INDEX:
        raise OverflowError(f"indices: expected integers from 0 to 2**32 - 1, got {least if least < 0 else most}")
    packed = array.astype(np.uint32)
    packed.flags.writeable = False
    return packed
