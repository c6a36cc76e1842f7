"""Elements of nested indexes in optimised segments: which point each of them belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeshard.errors import CorruptedError
from edgeshard.index.payload.mutable import FLAG_NAMES
from edgeshard.index.payload.open_parts import mapped
from edgeshard.index.payload.schema import NULL, FieldSchema
from edgeshard.index.payload.values import Array, Offsets
from edgeshard.storage import zstd

FILE = "starts.zstd"
_MAGIC = b"QDRANTEM"
_VERSION = 2
_HEADER_BYTES = 32
_ALWAYS_POSSIBLE = 1 << 26
"""So many elements are believed; more only if the null index has room for their flags."""


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
        flags = root / field.directory(NULL) / FLAG_NAMES[NULL][0] / "flags_a.dat"
        most = max(8 * flags.stat().st_size if flags.exists() else 0, _ALWAYS_POSSIBLE)
        owners = read_owners(root / f"{field.directory(field.kinds[0])}-elements", points, most)
        known = self._known.setdefault(field.nested.text, owners)
        return known if np.array_equal(known, owners) else owners


def read_owners(directory: Path, points: int, most: int) -> Offsets:
    """The point of each element, from ``starts.zstd``.

    Args:
        directory: the ``-elements`` directory of an index.
        points: offsets of the segment.
        most: more elements than this are damage.

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
    planes = np.frombuffer(zstd.unpack(path, data[_HEADER_BYTES:].data, _HEADER_BYTES, 4 * entries), np.uint8)
    steps: Array = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").reshape(-1)
    total = int(steps.sum(dtype=np.uint64))
    if steps[0] or total > most:
        raise CorruptedError(path, f"{total} elements from number {steps[0]} on, expected at most {most} from 0 on")
    owners: Offsets = np.repeat(np.arange(entries - 1, dtype=np.uint32), steps[1:])
    owners.flags.writeable = False
    return owners
