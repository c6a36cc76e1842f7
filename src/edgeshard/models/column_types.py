"""The types of what `UpdateOperation.upsert_batch` reads. For type checkers: nothing needs this when it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeshard.models.ids import PointId
from edgeshard.models.payload import Payload


class SupportsArray(Protocol):
    """What NumPy makes an array of by itself: tensors, series, Arrow arrays."""

    def __array__(self) -> npt.NDArray[Any]: ...


Integers: TypeAlias = npt.NDArray[np.integer[Any]] | SupportsArray | Sequence[int]
Numbers: TypeAlias = npt.NDArray[np.floating[Any]] | npt.NDArray[np.integer[Any]] | SupportsArray | Sequence[float]
Rows: TypeAlias = SupportsArray | Sequence[Sequence[float]] | Sequence[SupportsArray]


class CsrMatrix(Protocol):
    """SciPy's ``csr_array`` and ``csr_matrix``, by what is read of them."""

    @property
    def indptr(self) -> npt.ArrayLike: ...
    @property
    def indices(self) -> npt.ArrayLike: ...
    @property
    def data(self) -> npt.ArrayLike: ...


class ArrowTable(Protocol):
    """``pyarrow.Table`` and ``RecordBatch``, by what is read of them."""

    @property
    def column_names(self) -> list[str]: ...
    def to_pylist(self) -> list[dict[str, Any]]: ...


class PandasFrame(Protocol):
    """``pandas.DataFrame``, by what tells it from a list."""

    @property
    def columns(self) -> object: ...
    @property
    def iloc(self) -> object: ...


class ArrowStream(Protocol):
    """Frames of other libraries that hand their columns over by Arrow's PyCapsule interface, such as Polars."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Ids: TypeAlias = npt.NDArray[np.integer[Any]] | SupportsArray | Iterable[PointId]
VectorColumn: TypeAlias = (
    Rows | Sequence[Sequence[Sequence[float]]] | CsrMatrix | tuple[Integers, Integers, Numbers] | tuple[Integers, Rows]
)
Vectors: TypeAlias = VectorColumn | Mapping[str, VectorColumn]
Payloads: TypeAlias = "Iterable[Payload | str | bytes | None] | ArrowTable | PandasFrame | ArrowStream"
