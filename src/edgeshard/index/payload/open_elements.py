"""Elements of nested indexes in optimised segments: which point each of them belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard import _native
from edgeshard.errors import CorruptedError
from edgeshard.index.payload.open_parts import mapped
from edgeshard.index.payload.schema import FieldSchema
from edgeshard.index.payload.values import Array, Offsets

FILE = "starts.zstd"
_MAGIC = b"QDRANTEM"
_VERSION = 2
_HEADER_BYTES = 32


class Elements:
    """The owners of the elements of a segment's arrays; fields of one array share them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Offsets] = {}

    def owners(self, root: Path, field: FieldSchema, points: int) -> Offsets:
        """The point of each element of a nested field.

        Args:
            root: the segment's ``payload_index`` directory.
            field: its schema.
            points: offsets of the segment.

        Returns:
            ``(elements,) uint32``, ascending; not to be changed.

        Raises:
            CorruptedError: the file is missing or damaged.
        """
        assert field.nested is not None
        owners = read_owners(root / f"{field.directory(field.kinds[0])}-elements", points)
        known = self._known.setdefault(field.nested.text, owners)
        return known if np.array_equal(known, owners) else owners


def read_owners(directory: Path, points: int) -> Offsets:
    """The point of each element, from ``starts.zstd``.

    Args:
        directory: the ``-elements`` directory of an index.
        points: offsets of the segment.

    Raises:
        CorruptedError: the file is missing or damaged.
    """
    path = directory / FILE
    data = mapped(path)
    version, entries = data[8:16].view("<u4").tolist() if len(data) >= _HEADER_BYTES else (0, 0)
    if data[:8].tobytes() != _MAGIC or version != _VERSION:
        raise CorruptedError(path, f"it does not begin as element numbers of version {_VERSION} do")
    if entries > points + 1:
        raise CorruptedError(path, f"it has the elements of {entries - 1} points, the segment has {points}")
    if not entries:
        return np.zeros(0, np.uint32)
    try:
        planes = _native.zstd_decompress(data[_HEADER_BYTES:], 4 * entries)
    except ValueError as error:
        raise CorruptedError(path, str(error)) from error
    steps: Array = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").reshape(-1)
    if steps[0] or int(steps.sum(dtype=np.uint64)) >= 2**32:
        raise CorruptedError(path, "its elements do not start at 0, or are more than can be numbered")
    owners: Offsets = np.repeat(np.arange(entries - 1, dtype=np.uint32), steps[1:])
    owners.flags.writeable = False
    return owners
