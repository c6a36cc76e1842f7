"""The files of a compressed sparse index, ``vector_index[-NAME]/`` of an optimised segment.

``inverted_index.dat`` is read and written natively (``native/index/sparse/``); the rest is JSON. ``version.info`` is
written last: without it, or with another version in it, the directory holds no index. Format:
docs/format/sparse-index.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.storage import files
from edgeshard.storage.overlay import PrivateFile

if TYPE_CHECKING:
    from edgeshard._native import PackedSparseIndex, PlainSparseIndex

LISTS: Final = "inverted_index.dat"
HEADER: Final = "inverted_index_config.json"
TRACKER: Final = "indices_tracker.json"
CONFIG: Final = "sparse_index_config.json"
VERSION_FILE: Final = "version.info"
VERSION: Final = b"0.2.0"
WEIGHTS: Final = {"float32": 0, "float16": 1, "uint8": 2}
"""Codes of the weight types in native code."""
HEADER_BYTES: Final = (24, 24, 32)
"""Size of the header of a list, by code of the weight type."""


class SparseIndexConfig:
    """What kind of index it is.

    Args:
        index_type: ``"ImmutableRam"`` or ``"Mmap"`` (the same files), or ``"MutableRam"`` (none).
        full_scan_threshold: number of points from a filter below which they are scored one by one; None for
            the default of sparse fields.
        datatype: of the weights in the index, None meaning float32.
        memory: placement asked for, None for the default.
    """

    __slots__ = ("datatype", "full_scan_threshold", "index_type", "memory")

    def __init__(
        self,
        index_type: str,
        full_scan_threshold: int | None = None,
        datatype: str | None = None,
        memory: str | None = None,
    ) -> None:
        if index_type not in ("MutableRam", "ImmutableRam", "Mmap"):
            raise ValueError(f"sparse index {index_type!r} is not supported")
        if datatype is not None and datatype not in WEIGHTS:
            raise ValueError(f"weights of type {datatype!r} are not supported")
        self.index_type = index_type
        self.full_scan_threshold = full_scan_threshold
        self.datatype = datatype
        self.memory = memory

    @classmethod
    def from_object(cls, fields: dict[str, Any]) -> SparseIndexConfig:
        """From the JSON object that ``segment.json`` and the index both hold.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        threshold = fields.get("full_scan_threshold")
        if threshold is not None and (type(threshold) is not int or threshold < 0):
            raise ValueError(f"full_scan_threshold {threshold!r} is not a number of points")
        return cls(fields["index_type"], threshold, fields.get("datatype"), fields.get("memory"))

    def to_object(self) -> dict[str, Any]:
        """As both files have it."""
        result: dict[str, Any] = {"full_scan_threshold": self.full_scan_threshold, "index_type": self.index_type}
        if self.datatype is not None:
            result["datatype"] = self.datatype
        if self.memory is not None:
            result["memory"] = self.memory
        return result

    @property
    def weights(self) -> int:
        """Code of the weight type."""
        return WEIGHTS[self.datatype or "float32"]


def write_index(directory: Path, index: PlainSparseIndex, config: SparseIndexConfig) -> None:
    """Write posting lists as a compressed index, durable when this returns.

    Args:
        directory: made if it does not exist; an index in it is replaced.
        index: the lists, put in by ascending offset.
        config: what kind to write.

    Raises:
        StorageError: the file system refused.
    """
    files.disk.mkdir(directory)
    files.disk.unlink(directory / VERSION_FILE)
    files.disk.sync_directory(directory)
    data, dimensions = index.encode(config.weights)
    header = {
        "posting_count": len(dimensions),
        "vector_count": index.vectors,
        "total_sparse_size": len(data) - len(dimensions) * HEADER_BYTES[config.weights],
    }
    slots = {str(dimension): slot for slot, dimension in enumerate(dimensions.tolist())}
    files.replace_file(directory / LISTS, data.tobytes())
    files.replace_file(directory / HEADER, msgspec.json.encode(header))
    files.replace_file(directory / TRACKER, msgspec.json.encode({"map": slots}))
    files.replace_file(directory / CONFIG, msgspec.json.encode(config.to_object()))
    files.replace_file(directory / VERSION_FILE, VERSION)


def open_index(directory: Path, points: int) -> tuple[PackedSparseIndex, SparseIndexConfig]:
    """The compressed index in a directory, mapped; lists are checked when they are first searched.

    Args:
        directory: of the index.
        points: offsets of the segment; the lists must name none beyond.

    Raises:
        CorruptedError: a file is missing or damaged, or the index is of another version.
    """
    version = files.read_file(directory / VERSION_FILE, 64).strip()
    if version != VERSION:
        raise CorruptedError(directory / VERSION_FILE, f"expected version {VERSION!r}, got {version!r}")
    config = _decoded(directory / CONFIG, SparseIndexConfig.from_object)
    count, vectors, total = _decoded(directory / HEADER, _counts)
    dimensions, slots = _decoded(directory / TRACKER, _slots)
    if len(slots) != count:
        raise CorruptedError(directory / TRACKER, f"{len(slots)} dimensions for {count} posting lists")
    data = PrivateFile(directory / LISTS, read_only=True).array
    expected = (total or 0) + count * HEADER_BYTES[config.weights]
    if total is not None and len(data) != expected:
        raise CorruptedError(directory / LISTS, f"expected {expected} bytes, got {len(data)}")
    try:
        index, reason, offset = _native.sparse_index_open(
            data, count, config.weights, points, vectors, dimensions, slots
        )
    except IndexError as error:
        raise CorruptedError(directory / TRACKER, str(error)) from error
    if index is None:
        raise CorruptedError(directory / LISTS, reason, offset)
    return index, config


def _decoded(path: Path, parse: Any) -> Any:
    try:
        return parse(files.parse_json(files.read_file(path)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CorruptedError(path, f"{type(error).__name__}: {error}") from error


def _counts(fields: dict[str, Any]) -> tuple[int, int, int | None]:
    """Lists, vectors and bytes of all lists; the last is missing in old files."""
    posting_count, vector_count, total = (
        fields["posting_count"], fields["vector_count"], fields.get("total_sparse_size"),
    )  # fmt: skip
    for number in (posting_count, vector_count, total or 0):
        if type(number) is not int or not 0 <= number < 2**48:
            raise ValueError(f"{number!r} is no count")
    return posting_count, vector_count, total


def _slots(fields: dict[str, Any]) -> tuple[Any, Any]:
    table = fields["map"]
    dimensions = np.array([int(dimension) for dimension in table], np.int64)
    slots = np.array(list(table.values()), np.int64)
    for numbers in (dimensions, slots):
        if len(numbers) and (int(numbers.min()) < 0 or int(numbers.max()) >= 2**32):
            raise ValueError("a dimension or slot is out of range")
    return dimensions.astype(np.uint32), slots.astype(np.uint32)
